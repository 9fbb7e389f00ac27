"""A run that is half done, out of date or damaged: one line each."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segpipe
from segpipe.base.errors import CorpusError, UsageError
from segpipe.cli.entry import run_cli
from segpipe.pipeline import open_run
from segpipe.results import Run
from segpipe.results.reader import RunReader, reading
from tests.helpers.relist import relist
from tests.helpers.run_view import ONE, READERS, error_of

SHARD = "features/store.zarr/patches/c/0/0/0/0"
VALID = "features/store.zarr/valid/c/0/0/0"
DAMAGED = [
    ("corpus/corpus.jsonl", set(READERS) - {"classes", "cover", "scores"}),
    ("corpus/header.json", set(READERS) - {"classes", "cover", "scores"}),
    ("features/store.zarr/zarr.json", {"features", "codes", "probabilities"}),
    ("features/store.zarr/patches/zarr.json", {"features", "codes", "probabilities"}),
    (SHARD, {"features", "codes", "probabilities"}),
    (VALID, {"features", "codes", "probabilities"}),
    ("head/head.safetensors", {"codes", "probabilities"}),
    ("clusters/clusters.npz", {"codes", "probabilities"}),
    ("masks/header.json", {"mask", "class_map", "probabilities", "classes", "show"}),
    ("masks/index.jsonl", {"mask", "class_map", "probabilities", "classes", "show"}),
    (f"masks/{ONE}.png", {"mask", "class_map", "show"}),
    ("cover/cover.json", {"images", "cover"}),
    ("scores/scores.json", {"scores"}),
]


def test_what_is_no_run(tmp_path: Path) -> None:
    assert "does not exist" in error_of(lambda: Run(tmp_path / "none"))
    assert "has no config.yaml" in error_of(lambda: Run(tmp_path))
    (tmp_path / "file").write_text("")
    text = error_of(lambda: Run(tmp_path / "file"))
    assert "is a file" in text
    assert "segpipe run IMAGES" in text


def test_a_run_that_is_half_done(windows: Path) -> None:
    run = Run(windows)
    assert list(run.stages) == ["index", "extract", "mine", "train", "cluster", "refine"]
    assert repr(run) == f"Run({str(windows)!r}: export, cover, report not run yet)"
    assert {row["site"] for row in run.images} == {None}
    with pytest.raises(UsageError):
        _ = run.cover
    assert error_of(lambda: run.cover) == (f"cover: cover has not been run on {windows}; run `segpipe cover {windows}`")
    assert error_of(lambda: run.scores) == (
        f"scores: evaluate has not been run on {windows}; "
        f"run `segpipe evaluate {windows} --labels LABELS --classes CLASSES`"
    )
    assert "evaluate has not been run" in error_of(lambda: run.scores_json)
    assert "not yet" in run._repr_html_()


def test_a_run_that_has_only_begun(reef: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    assert run_cli(["index", str(reef / "images"), str(path), "--config", "demo", "-q"]) == 0
    run = Run(path)
    assert len(run.images) == 6
    assert run.crops(ONE)
    for read, stage in ((run.features, "extract"), (run.codes, "cluster"), (run.mask, "refine"), (run.show, "refine"),
                        (run.mask, "refine"), (run.probabilities, "refine")):  # fmt: skip
        assert f"{stage} has not been run on {path}" in error_of(lambda read=read: read(ONE))
    assert error_of(lambda: run.classes).endswith(f"run `segpipe run IMAGES {path} --to refine`")
    assert "not yet" in run._repr_html_()


def test_clusters_that_are_newer_than_the_masks(copy: Path) -> None:
    run = Run(copy)
    codes = run.codes(ONE)
    assert run_cli(["cluster", str(copy), "--set", "cluster.k=3", "-q"]) == 0
    text = error_of(lambda: run.probabilities(ONE))
    assert text == f"masks: cluster was run again after refine on {copy}; run `segpipe refine {copy}`"
    np.testing.assert_array_equal(run.codes(ONE), codes)
    assert run.mask(ONE).max() == 4  # the old ones are there


@pytest.mark.parametrize(
    ("file", "concerned", "kind"),
    [
        pytest.param(file, concerned, kind, id=f"{file} {kind}")
        for file, concerned in DAMAGED
        for kind in ("cut", "garbage", "gone")
    ],
)
def test_a_damaged_file_is_named_in_one_line(
    done: Path, tmp_path: Path, file: str, concerned: set[str], kind: str
) -> None:
    copy = Path(shutil.copytree(done, tmp_path / "run", ignore=shutil.ignore_patterns("export", "report")))
    path = copy / file
    parts = {"corpus": copy / "corpus", "features": copy / "features" / "store.zarr"}
    named = parts.get(file.split("/")[0], path)
    whole = path.read_bytes()
    if kind == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[: len(whole) // 2] if kind == "cut" else b'{"\xff\x00' * 40)
    run = Run(copy)
    for name, read in READERS.items():
        if name in concerned:
            text = error_of(lambda read=read: read(run))
            assert str(named) in text, name
        elif kind == "cut" and name not in ("show", "probabilities"):
            read(run)
    if {"show", "classes"} & concerned:
        assert "overflow-wrap" in run._repr_html_()  # which says so and goes on


def test_a_damaged_manifest(copy: Path) -> None:
    run = Run(copy)
    (copy / "manifest.json").write_bytes((copy / "manifest.json").read_bytes()[:500])
    assert f"{copy / 'manifest.json'} is damaged" in error_of(lambda: Run(copy))
    assert "manifest.json is damaged" in error_of(lambda: run.stages)
    assert repr(run) == f"Run({str(copy)!r}: damaged)"
    assert "manifest.json is damaged" in run._repr_html_()


def test_an_artefact_that_was_deleted(copy: Path) -> None:
    shutil.rmtree(copy / "masks")
    assert error_of(lambda: Run(copy).mask(ONE)) == (f"masks: masks/ is gone from {copy}; run `segpipe refine {copy}`")


def test_a_photograph_that_is_gone_or_changed(reef: Path, copy: Path, tmp_path: Path) -> None:
    images, header = Path(shutil.copytree(reef / "images", tmp_path / "images")), copy / "corpus" / "header.json"
    header.write_text(json.dumps({**json.loads(header.read_text()), "root": str(images)}))
    relist(open_run(copy), "corpus")
    run, photo = Run(copy), images / f"{ONE}.png"
    run.show(ONE)
    photo.write_bytes(photo.read_bytes() + b"x")
    for read in (run.show, run.probabilities):
        with pytest.raises(CorpusError, match=f"{ONE}.png has changed since it was indexed"):
            read(ONE)
    photo.unlink()
    with pytest.raises(CorpusError, match=f"{ONE}.png cannot be opened any more"):
        run.show(ONE)
    assert run.mask(ONE).shape  # which needs no photograph
    assert len(run.images) == 6
    assert "cannot be opened any more" in run._repr_html_()


@pytest.fixture
def twins(tmp_path: Path) -> Path:
    """A run that has found two images of one name."""
    for i, folder in enumerate(("east", "west")):
        (tmp_path / "images" / folder).mkdir(parents=True)
        pixels = np.full((16, 16, 3), 90 * i, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / folder / "0001.png")
    segpipe.index(tmp_path / "images", tmp_path / "run")
    return tmp_path / "run"


def test_a_name_of_several_images_asks_for_more_of_the_path(twins: Path) -> None:
    reader = RunReader(twins)
    said = error_of(lambda: reader.find("0001"))
    assert said == f"0001 may mean 2 images of {twins} (east/0001, west/0001); give more of its path"
    assert [reader.find(name) for name in ("east/0001", "west/0001.png")] == [0, 1]


def test_what_was_opened_is_kept_until_its_stage_runs_again(twins: Path) -> None:
    reader = RunReader(twins)
    first = reader.corpus
    assert reader.corpus is first
    (twins.parent / "images" / "west" / "0001.png").unlink()
    assert reader.corpus is first
    segpipe.index(twins.parent / "images", twins)
    assert [image.id for image in reader.corpus.images] == ["east/0001"]
    assert reader.missing() == ["extract", "mine", "train", "cluster", "refine", "export", "cover", "report"]


def test_a_damaged_file_is_one_line_of_its_reader_s_many() -> None:
    path = Path("run/masks/index.jsonl")
    for error, what in ((ValueError("line 3 is odd\nand so on"), "line 3 is odd"), (KeyError(), "KeyError")):
        with pytest.raises(UsageError) as caught, reading(path, "segpipe refine run --force"):
            raise error
        expected = f"{path} is missing or damaged ({what}); make it again with `segpipe refine run --force`"
        assert str(caught.value) == expected
    own = CorpusError("photo.jpg has changed")
    with pytest.raises(CorpusError) as passed, reading(path, "x"):
        raise own
    assert passed.value is own
    with pytest.raises(ZeroDivisionError), reading(path, "x"):  # a mistake of ours
        _ = 1 / 0
