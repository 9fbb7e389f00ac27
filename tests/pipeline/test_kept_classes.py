"""Classes that stay although the images are others."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segpipe import pipeline
from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.runtime import no_track
from segpipe.commands.demo.synthetic import write_reef_corpus
from segpipe.pipeline.kept_classes import active, keep_classes, release, told_kept
from segpipe.stages import cluster, refine
from segpipe.store.class_names import CLASSES, clustering
from segpipe.store.kept import load_kept, save_kept
from segpipe.store.run_dir import RunDir
from tests.helpers.quick_run import CLASSICAL, SMALL, reef_run


def settings_of(run_dir: RunDir, images: Path, **more: Any) -> pipeline.Settings:
    return pipeline.resolve(run_dir, more={**SMALL, **CLASSICAL, "index.images": str(images), **more})


def steps(run_dir: RunDir, settings: pipeline.Settings) -> dict[str, tuple[str, str]]:
    plan = pipeline.plan(settings, run_dir, stop="refine")
    return {step.stage.NAME: (step.action, step.reason) for step in plan}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return reef_run(tmp_path_factory.mktemp("first"), images=5)


@pytest.fixture
def old(made: RunDir, tmp_path: Path) -> RunDir:
    shutil.copytree(made.root, tmp_path / "old")
    return pipeline.open_run(tmp_path / "old")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("others")
    write_reef_corpus(folder, images=3, seed=8)
    return folder / "images"


def test_another_run_of_other_images_has_the_same_classes(old: RunDir, others: Path, tmp_path: Path) -> None:
    (old.root / CLASSES).write_text("classes: {}\n")
    new = pipeline.open_run(tmp_path / "new")
    settings = settings_of(new, others)
    kept = keep_classes(new, settings, old)
    assert kept.images == 5
    assert kept.source == str(old.root)
    (new.root / CLASSES).unlink()  # it says nothing
    pipeline.work(new, settings, no_track, stop="refine")
    assert clustering(new) == clustering(old)
    for name in ("head/head.safetensors", "clusters/clusters.npz", "features/whitening.safetensors"):
        assert (new.root / name).read_bytes() == (old.root / name).read_bytes(), name
    assert len(list((new.root / "masks").rglob("*.png"))) == 3
    reason = f"kept: found on 5 images of {old.root}; there are 3 now"
    found = steps(new, settings)
    assert found["train"] == found["cluster"] == ("skip", reason)
    assert found["refine"][0] == found["extract"][0] == "skip"
    chained = keep_classes(pipeline.open_run(tmp_path / "third"), settings, new)
    assert chained.images == 5


def test_they_stay_until_they_are_asked_for_anew(old: RunDir, others: Path) -> None:
    settings, before = settings_of(old, others), clustering(old)
    assert steps(old, settings)["cluster"] == ("run", "after index, extract, train")
    keep_classes(old, settings, old)
    assert steps(old, settings)["cluster"][0] == "skip"
    for _ in range(2):  # the second finds nothing to do
        pipeline.work(old, settings, no_track, stop="refine")
        assert clustering(old) == before
    assert steps(old, settings)["train"] == ("skip", "kept: found on 5 images; there are 3 now")
    pipeline.work(old, settings, no_track, stop="cluster", force=["cluster"])
    assert clustering(old) != before
    assert load_kept(old.root) is None
    assert {action for action, _ in steps(old, settings).values()} == {"skip", "run"}  # masks are to be made


def test_other_settings_find_them_anew(old: RunDir, others: Path, caplog: pytest.LogCaptureFixture) -> None:
    keep_classes(old, settings_of(old, others), old)
    more = settings_of(old, others, **{"cluster.k": 3})
    assert active(old, more, old.manifest()) is None
    assert told_kept(cluster, more, old, old.manifest()) == ""
    assert told_kept(refine, settings_of(old, others), old, old.manifest()) == ""
    with caplog.at_level("INFO"):
        release(old, more, [])
    assert "are not kept any more" in caplog.text
    assert load_kept(old.root) is None


def test_what_cannot_be_kept_is_refused(old: RunDir, others: Path, tmp_path: Path) -> None:
    new = pipeline.open_run(tmp_path / "new")
    with pytest.raises(UsageError, match="has no classes to keep yet"):
        keep_classes(new, settings_of(new, others), new)
    with pytest.raises(UsageError, match=r"cluster\.k 4 -> 3"):
        keep_classes(old, settings_of(old, others, **{"cluster.k": 3}), old)
    with pytest.raises(UsageError, match=r"extract\.input_size 96 -> 80"):
        keep_classes(new, settings_of(new, others, **{"extract.input_size": 80}), old)
    assert load_kept(old.root) is None


def test_an_index_of_another_scale_is_made_again(old: RunDir, others: Path) -> None:
    keep_classes(old, settings_of(old, others), old)
    assert "index" in old.manifest().stages
    kept = load_kept(old.root)
    assert kept is not None
    space = {**kept.space, "scaling": {"uint16": [0.0, 9.0]}}
    save_kept(replace(kept, space=space), old.root, None)
    header = old.root / "corpus" / "header.json"
    files.write_json(header, {**files.read_json(header), "scaling": {"uint16": [0.0, 8.0]}})
    keep_classes(old, settings_of(old, others), old)
    assert "index" not in old.manifest().stages
