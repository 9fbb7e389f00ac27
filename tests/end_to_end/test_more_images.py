"""Images added, removed and renamed: only what is new is computed, and the bytes are those of a run from nothing."""

import signal
from pathlib import Path

import pytest
from PIL import Image as Pillow

import segpipe
from segpipe import pipeline
from segpipe.base.runtime import no_track
from segpipe.commands.demo.synthetic import write_reef_corpus
from segpipe.store.features import FeatureStore
from segpipe.store.run_dir import RunDir
from tests.helpers.forked import run_forked
from tests.helpers.killed_child import work_until_killed
from tests.helpers.quick_run import CLASSICAL, SMALL

QUICK = {**SMALL, **CLASSICAL, "refine.crf": False}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_reef_corpus(tmp_path, images=6, seed=3)
    (tmp_path / "hold").mkdir()
    (tmp_path / "images" / "reef_05.jpg").rename(tmp_path / "hold" / "new.jpg")
    return tmp_path / "images"


def change(photos: Path) -> None:
    """One image more, one less, one under another name."""
    (photos.parent / "hold" / "new.jpg").rename(photos / "new.jpg")
    first, second = sorted(photos.glob("*.jpg"))[-2:]
    first.unlink()
    second.rename(photos / "aa.jpg")


def contents(run_dir: RunDir) -> dict[str, bytes]:
    names = ("corpus/corpus.jsonl", "features", "head", "clusters", "masks")
    found = {}
    for name in names:
        whole = run_dir.root / name
        for path in [whole] if whole.is_file() else sorted(whole.rglob("*")):
            if path.is_file():
                found[str(path.relative_to(run_dir.root))] = path.read_bytes()
    return found


def from_nothing(root: Path, photos: Path, source: RunDir) -> RunDir:
    """A new run of the same images in the same classes."""
    run_dir = pipeline.open_run(root)
    settings = pipeline.resolve(run_dir, more={**QUICK, "index.images": str(photos)})
    pipeline.keep_classes(run_dir, settings, source)
    pipeline.work(run_dir, settings, no_track, stop="refine")
    return run_dir


def test_only_what_is_new_is_computed(photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_dir = pipeline.open_run(tmp_path / "run")
    segpipe.run(photos, tmp_path / "run", settings=QUICK, stop="refine")
    change(photos)
    count = len(list(photos.rglob("*.*")))
    with caplog.at_level("INFO"):
        segpipe.run(photos, tmp_path / "run", keep_classes=True, stop="refine")
    assert f"{count} images: {count - 1} known, 1 new" in caplog.text
    assert f"1 of {count} crops are new" in caplog.text
    assert f"masks of {count - 1} of {count} images are there" in caplog.text
    assert run_dir.manifest().stages["index"].summary["known"] == count - 1
    fresh = from_nothing(tmp_path / "fresh", photos, run_dir)
    assert contents(run_dir) == contents(fresh)
    photos.rename(tmp_path / "moved")
    caplog.clear()
    with caplog.at_level("INFO"):
        segpipe.run(tmp_path / "moved", tmp_path / "run", stop="refine")
    assert f"{count} images: {count} known, 0 new" in caplog.text
    assert "extract  skipped" in caplog.text
    assert "refine   skipped" in caplog.text


def test_killed_in_the_middle_it_ends_with_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    run_dir = pipeline.open_run(tmp_path / "run")
    segpipe.run(photos, tmp_path / "run", settings=QUICK, stop="refine")
    change(photos)
    command, log = ["run", str(photos), str(run_dir.root), "--keep-classes", "--to", "refine", "-q"], tmp_path / "log"
    code = run_forked(work_until_killed, "extract", "middle", command, log=log)
    assert code == -signal.SIGKILL, log.read_text("utf-8")
    assert (run_dir.root / "features.partial").exists()
    segpipe.run(photos, tmp_path / "run", stop="refine")  # which classes are kept is written in the run
    assert contents(run_dir) == contents(from_nothing(tmp_path / "fresh", photos, run_dir))


def test_a_preview_first_then_all(photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_dir = pipeline.open_run(tmp_path / "run")
    every = len(list(photos.rglob("*.*")))
    segpipe.run(photos, tmp_path / "run", settings=QUICK, preview=3)
    said = run_dir.manifest().stages["index"].summary
    assert (said["images"], said["preview_of"]) == (3, every)
    assert '"preview_of": 5' in (run_dir.root / "masks" / "header.json").read_text()
    assert f"preview of 3 of {every} images" in (run_dir.root / "report" / "index.html").read_text("utf-8")
    before = {row.tobytes() for row in FeatureStore(run_dir.path("features")).vectors()}
    picture = Pillow.open(next(photos.glob("*.jpg")))
    picture.transpose(Pillow.Transpose.FLIP_TOP_BOTTOM).save(photos / "more.png")
    with caplog.at_level("INFO"):
        segpipe.run(photos, tmp_path / "run", keep_classes=True)
    assert f"{every - 2} of {every + 1} crops are new" in caplog.text
    assert before <= {row.tobytes() for row in FeatureStore(run_dir.path("features")).vectors()}
    assert "preview_of" not in (run_dir.root / "masks" / "header.json").read_text()
    page = (run_dir.root / "report" / "index.html").read_text("utf-8")
    assert f"classes kept: found on 3 images; there are {every + 1} now" in page
