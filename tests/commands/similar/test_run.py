"""`segpipe similar` finds what is alike, in the run and from outside it."""

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segpipe
from segpipe.base.errors import CorpusError, LockedError, UsageError
from segpipe.base.options import make
from segpipe.base.runtime import Runtime
from segpipe.cli.entry import run_cli
from segpipe.commands.similar.options import SimilarOptions
from segpipe.commands.similar.run import Found, find_similar
from segpipe.pipeline import open_run
from segpipe.store.features import FeatureStore
from segpipe.store.run_dir import RunDir

SQUARES = {"a/first": (24, 16), "b/first": (40, 72)}  # where the checkered squares of 32 pixels lie
RUNTIME = Runtime()


def find(run: RunDir, query: str, out: Path | None, **options: Any) -> Found:
    return find_similar(run, make(SimilarOptions, {"run": run.root, "query": query, "out": out, **options}), RUNTIME)


def picture(rng: np.random.Generator, square: tuple[int, int] | None) -> np.ndarray:
    """Smooth ground of a color of its own, here and there a checkered square."""
    rgb = np.full((96, 128, 3), rng.integers(60, 190, 3), np.int64) + rng.integers(-4, 5, (96, 128, 1))
    if square is not None:
        top, left = square
        checkers = (np.indices((32, 32)).sum(0) // 2 % 2 * 200 + 25)[..., None]
        rgb[top : top + 32, left : left + 32] = checkers
    return rgb.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    folder, rng = tmp_path_factory.mktemp("similar"), np.random.default_rng(0)
    for name, square in {**SQUARES, **dict.fromkeys(["c", "d", "e", "f"])}.items():
        path = folder / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(rng, square)).save(path)
    settings = {"extract.backbone": "classical", "extract.input_size": 112, "runtime.workers": 1}
    segpipe.run(folder / "images", folder / "run", settings=settings, stop="extract")
    return open_run(folder / "run")


def test_a_point_is_found_where_the_same_pattern_lies(run: RunDir, tmp_path: Path) -> None:
    found = find(run, "a/first", tmp_path, point=(40, 32), k=3)
    assert found.names[0] == "b/first"
    assert len(found.names) == 3
    best = found.alike[0]
    assert best.at is not None
    top, left = SQUARES["b/first"]
    assert top < best.at[0] < top + 32
    assert left < best.at[1] < left + 32
    assert best.score > found.alike[1].score + 0.2
    rows = list(csv.DictReader((tmp_path / "similar.csv").read_text().splitlines()))
    assert [row["image"] for row in rows] == list(found.names)
    assert float(rows[0]["row"]) == pytest.approx(best.at[0], abs=0.1)
    with Image.open(tmp_path / "similar.png") as sheet:
        assert sheet.size[0] > 600


def test_the_correspondence_of_two_images_is_shown_alone(run: RunDir, tmp_path: Path) -> None:
    found = find(run, "a/first", tmp_path, point=(40, 32), in_image="b/first.png")
    assert found.names == ("b/first",)
    own = find(run, "a/first", tmp_path, point=(40, 32), in_image="a/first")
    assert own.alike[0].score > 0.9


def test_images_rank_by_cosine_as_stated_slowly(run: RunDir, tmp_path: Path) -> None:
    found = find(run, "c", tmp_path, k=9)
    vectors = FeatureStore(run.path("features")).vectors().astype(np.float64)
    centered = vectors - vectors.mean(axis=0)
    ids = ["a/first", "b/first", "c", "d", "e", "f"]
    lengths = [float(np.sqrt((row * row).sum())) for row in centered]
    cosines = {
        name: float((centered[i] * centered[2]).sum() / lengths[i] / lengths[2]) for i, name in enumerate(ids) if i != 2
    }
    assert list(found.names) == sorted(cosines, key=lambda name: -cosines[name])
    np.testing.assert_allclose([one.score for one in found.alike], sorted(cosines.values(), reverse=True), atol=1e-5)


def test_an_image_outside_the_run_finds_its_copy(run: RunDir, tmp_path: Path) -> None:
    copy = tmp_path / "copy.png"
    copy.write_bytes(next(run.root.parent.glob("images/d.png")).read_bytes())
    found = find(run, str(copy), None, k=1)
    assert found.names == ("d",)
    assert found.alike[0].score == pytest.approx(1, abs=1e-4)
    assert found.sheet == run.root / "similar" / "copy" / "similar.png"


def test_the_command_writes_and_tells(run: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["similar", str(run.root), "a/first", "--point", "40", "32", "-k", "2", "--out", str(tmp_path), "-q"]
    assert run_cli(arguments) == 0
    said = capsys.readouterr().out
    assert "b/first  at row" in said
    assert str(tmp_path / "similar.png") in said


@pytest.mark.parametrize(
    ("query", "options", "error", "match"),
    [
        ("first", {}, UsageError, "may mean 2 images"),
        ("b/furst", {}, UsageError, "did you mean b/first"),
        ("c", {"point": (96, 0)}, UsageError, "outside c, which has 96 rows and 128 columns"),
        ("c", {"in_image": "d"}, UsageError, "point=120 300"),
    ],
)
def test_mistakes_are_said_with_the_way_out(
    run: RunDir, tmp_path: Path, query: str, options: dict[str, object], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        find(run, query, tmp_path, **options)


def test_a_file_that_is_no_image_is_refused(run: RunDir, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_text("no")
    with pytest.raises(CorpusError, match=r"x\.jpg: .*repair"):
        find(run, str(tmp_path / "x.jpg"), tmp_path)


def test_what_lies_in_the_run_is_written_under_its_lock(run: RunDir, tmp_path: Path) -> None:
    holder = (
        "import pathlib, sys\n"
        "from segpipe.pipeline import open_run\n"
        "with open_run(pathlib.Path(sys.argv[1])).lock():\n"
        "    print(flush=True)\n"
        "    input()\n"
    )
    command = [sys.executable, "-c", holder, run.root]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(LockedError):
            find(run, "c", None)
        assert find(run, "c", tmp_path / "elsewhere").sheet.exists()
        other.communicate(b"\n")
    assert find(run, "c", None).sheet.is_relative_to(run.root)
