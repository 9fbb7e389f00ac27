"""Every command and every piece of Python that the documentation shows is run, on small images."""

import fnmatch
import re
import shutil
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from segpipe.cli.entry import run_cli
from segpipe.commands import COMMANDS
from segpipe.commands.demo import samples, writers
from segpipe.records.cover import Correction, Cover, Part
from segpipe.store.cover import save_cover, save_time
from tests.helpers.pages import PAGES, ROOT, Block, blocks, quick_config, small

SHOWN = [page for page in PAGES if page.parent.name != "reference"]
RUN = [page for page in SHOWN if any(block.why_not is None for block in blocks(page))]
DECLARED = [path for command in COMMANDS for path in command.files if path.startswith("RUN/")]


def make_workspace(home: Path, patch: pytest.MonkeyPatch) -> None:
    """What a reader of a how-to page has: images, labels, and a finished run of photographs, a mosaic and a video."""
    home.mkdir(parents=True)
    patch.chdir(home)
    (home / "quick.yaml").write_text(quick_config(), "utf-8")
    samples.write_photos(home, count=6, seed=0)
    (home / "images").rename(home / "photos")
    for name in ("drawn_survey", "drawn_swim", "new_photos"):
        (home / name).mkdir()
    samples.write_mosaic(home / "drawn_survey", side=512, seed=0)
    (home / "drawn_survey" / "mosaic.tif").rename(home / "mosaic.tif")
    samples.write_dive(home / "drawn_swim", frames=40, seed=0)
    (home / "drawn_swim" / "dive.webm").rename(home / "dive.webm")
    shutil.copy(next((home / "photos").rglob("*.jpg")), home / "new_photos" / "new.jpg")
    for images, run in (("photos/", "runs/photos"), ("mosaic.tif", "runs/mosaic"), ("dive.webm", "runs/dive")):
        assert run_cli(small(["run", images, run], home)) == 0
    (home / "runs" / "demo").symlink_to("photos")
    assert run_cli(["bundle", "runs/photos", "reef.segpipe"]) == 0


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Where pages are run, and a copy of how it is before each: runs hold the paths of their images."""
    home = tmp_path_factory.mktemp("pages") / "work"
    with pytest.MonkeyPatch.context() as patch:
        make_workspace(home, patch)
    shutil.copytree(home, home.with_name("before"), symlinks=True)
    return home, home.with_name("before")


@pytest.fixture
def here(workspace: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace as it was made."""
    home, before = workspace
    shutil.rmtree(home)
    shutil.copytree(before, home, symlinks=True)
    monkeypatch.chdir(home)
    monkeypatch.setattr(writers, "PHOTOS", 6)
    monkeypatch.setattr(samples, "write_mosaic", partial(samples.write_mosaic, side=512))
    monkeypatch.setattr(samples, "write_dive", partial(samples.write_dive, frames=40))
    return home


def run_block(block: Block, names: dict[str, object]) -> None:
    if block.kind == "python":
        exec(compile(block.text, block.page, "exec"), names)
        return
    for words in block.commands:
        assert words[0] == "segpipe", f"{words} is no command of segpipe: say in a comment why it is not run"
        assert run_cli(small(words[1:], Path.cwd())) == 0, " ".join(words)


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_shows_runs(page: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks(page):
        if block.why_not is None:
            run_block(block, names)
    assert "Traceback" not in capsys.readouterr().err
    undeclared = [
        path.as_posix()
        for run in here.glob("**/manifest.json")
        for path in sorted(run.parent.rglob("*"))
        if path.is_file() and not any(_fits(path.relative_to(run.parent), pattern) for pattern in DECLARED)
    ]
    assert not undeclared, "files of a run that no stage or command declares"


def _fits(path: Path, pattern: str) -> bool:
    return fnmatch.fnmatchcase(f"RUN/{path.as_posix()}", pattern)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_is_not_run_says_why(page: Path) -> None:
    assert all(block.why_not is None or len(block.why_not) > 5 for block in blocks(page))


def test_most_of_what_is_shown_is_run() -> None:
    shown = [block for page in SHOWN for block in blocks(page)]
    assert sum(block.why_not is None for block in shown) > 0.6 * len(shown)


@pytest.mark.parametrize(("kind", "page"), [("photos", "photos"), ("mosaic", "mosaic"), ("video", "video")])
def test_the_tutorial_goes_on_as_the_sample_says(
    kind: str, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(writers, "_draw", lambda folder, *_: folder.joinpath("x").touch())
    text = (ROOT / "docs" / "tutorials" / f"{page}.md").read_text("utf-8")
    sample = next(line for line in text.splitlines() if line.startswith(f"segpipe sample {kind}"))
    assert run_cli(sample.split()[1:]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.removeprefix("next: ") in text.splitlines()


def test_every_column_of_the_corrected_cover_is_explained() -> None:
    correction = Correction(
        images=1, pixels=1, outside=0, unseen=0, unseen_classes=[], mean_error=None, labels=[], confusion=[]
    )
    part = Part(name="all", images=1, shares=[])
    cover = Cover(
        legend="", classes=[], colors=[], weight="pixels", unit="image", by="folder", draws=100, whole=part,
        sites=[], images=[], correction=correction,
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        save_cover(cover, Path(folder))
        header = (Path(folder) / "cover_corrected.csv").read_text("utf-8").splitlines()[0]
    assert explained_columns("## Correct the cover by labelled points") == header.split(",")


def explained_columns(heading: str) -> list[str]:
    """Names in the first column of the table of a section of the page about cover."""
    text = (ROOT / "docs" / "howto" / "cover.md").read_text("utf-8")
    section = text.split(heading)[1].split("\n## ")[0]
    return re.findall(
        r"`(\w+)`", "".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    )


def test_every_column_of_cover_over_time_is_explained(tmp_path: Path) -> None:
    save_time([], tmp_path)
    header = (tmp_path / "time.csv").read_text("utf-8").splitlines()[0]
    assert explained_columns("## Videos over time") == header.split(",")
