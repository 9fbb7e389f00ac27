"""New images by a bundle: what is opened, in which order results come, and what a mask is joined of."""

import hashlib
import json
import tempfile
import threading
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import segpipe
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.commands.model import predict
from segpipe.nn import hub
from segpipe.records.corpus import Corpus, Rejected
from tests.helpers.films import write_film

pytestmark = pytest.mark.usefixtures("one_torch_thread")

Finished = tuple[Path, Path]


def test_a_bundle_is_laid_out_for_the_time_of_a_with_block(
    packed: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, path = packed
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with predict.open_model(path, Runtime()) as model:
        assert list(tmp_path.iterdir())
        assert model.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (model.device, model.clusters.clusters) == ("cpu", 4)
        np.testing.assert_array_equal(model.clusters.centers, np.load(run / "clusters" / "clusters.npz")["centers"])
        settings = predict.settings_of(model, every=7)
    assert not list(tmp_path.iterdir())
    assert (settings.crops, settings.window, settings.frame_step) == ("windows", 120, 7)


@pytest.mark.parametrize("kind", ["network", "whole"])
def test_a_bundle_without_its_weights_is_damaged_and_never_asks_the_hub(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    asked = list[str]()
    monkeypatch.setattr(hub, "cached", lambda repo: asked.append(repo))
    monkeypatch.setattr(hub, "fetch", lambda repo, name: asked.append(repo))
    weights = {"network": "backbone.safetensors", "whole": "whitening.safetensors"}[kind]
    raw = request.getfixturevalue(kind)[1].read_bytes()
    (tmp_path / "renamed.segpipe").write_bytes(raw.replace(weights.encode(), b"C" + weights[1:].encode()))
    with (
        zipfile.ZipFile(request.getfixturevalue(kind)[1]) as old,
        zipfile.ZipFile(tmp_path / "without.segpipe", "w") as new,
    ):
        for name in old.namelist():
            if name != weights:
                new.writestr(name, old.read(name))
    for path, reason in (("renamed", "does not belong in it"), ("without", f"damaged: {weights} is missing")):
        with (
            pytest.raises(UsageError, match=rf"{path}\.segpipe is .*{reason}"),
            predict.open_model(tmp_path / f"{path}.segpipe", Runtime()),
        ):
            pass
    assert asked == []


@pytest.mark.parametrize(
    ("section", "key", "value", "reason"),
    [
        ("refine", "crf", {"iterations": 10**9}, "crf_iterations: .*less than or equal to 1000"),
        ("refine", "crf", {"iteration": 3}, "crf_iteration: Extra inputs"),
        ("refine", "crf", [3], "settings lack"),
        ("refine", "side", 10**7, "canvas_size: "),
        ("refine", "sharpness", float("nan"), "sharpness: "),
        ("index", "overlap", 0.999, "overlap: "),
        ("index", "window", 16, "moves by less than 4 pixels"),
        ("index", "max_pixels", "many", "max_pixels: "),
        ("index", "code", "import os", "code: Extra inputs"),
    ],
)
def test_settings_that_no_run_would_take_are_damage(
    whole: Finished, tmp_path: Path, section: str, key: str, value: object, reason: str
) -> None:
    path = tmp_path / "odd.segpipe"
    with zipfile.ZipFile(whole[1]) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "bundle.json":
                facts = json.loads(content)
                facts["index"]["overlap"] = 0.9
                facts[section][key] = value
                content = json.dumps(facts).encode()
            new.writestr(name, content)
    with pytest.raises(UsageError, match=rf"odd\.segpipe is damaged: .*{reason}"), predict.open_model(path, Runtime()):
        pass


@pytest.mark.parametrize("part", ["head.safetensors", "clusters.npz", "whitening.safetensors"])
def test_a_damaged_part_is_said_of_the_bundle(whole: Finished, tmp_path: Path, part: str) -> None:
    path = tmp_path / "odd.segpipe"
    with zipfile.ZipFile(whole[1]) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"?" if name == part else old.read(name))
    said = rf"^{path} is damaged: {part} is missing.* damaged.*; make it again with `segpipe bundle`$"
    with pytest.raises(UsageError, match=said), predict.open_model(path, Runtime()):
        pass


def test_images_that_are_not_there_are_named(whole: Finished, tmp_path: Path) -> None:
    with predict.open_model(whole[1], Runtime()) as model:
        with pytest.raises(UsageError, match=rf"{tmp_path}/nowhere.*no such file or folder"):
            predict.list_new(str(tmp_path / "nowhere"), model)
        with pytest.raises(CorpusError, match=rf"{tmp_path}.*no image"):
            predict.list_new(str(tmp_path), model)


def test_one_image_alone_gives_the_mask_of_its_run_without_the_weights_file(
    network: Finished, reef: Path, weights: Path, tmp_path: Path
) -> None:
    run, model = network
    expected = dict(segpipe.masks(run))
    chosen = next(reef.glob("reef*00*"))
    aside = weights.rename(tmp_path / "aside")
    try:
        ((name, mask),) = segpipe.apply(model, chosen)
    finally:
        aside.rename(weights)
    assert name == chosen.stem
    np.testing.assert_array_equal(mask, expected[name])


def test_results_come_in_the_order_of_the_files_whichever_is_done_first(
    whole: Finished, reef: Path, tmp_path: Path
) -> None:
    second_is_done, link = threading.Event(), Rejected("link.jpg", "leads outside")

    def on_result(corpus: Corpus, segment: predict.Segment) -> str:
        name = corpus.images[0].id
        if name == first:
            assert second_is_done.wait(60)
        elif name == second:
            second_is_done.set()
        elif name == third:
            raise CorpusError("the file changed meanwhile")
        return name

    with predict.open_model(whole[1], Runtime()) as model:
        listing = replace(predict.list_new(str(reef), model), rejected=(link,))
        first, second, third, *rest = (path.rsplit(".", 1)[0] for path in listing.paths)
        found = list(predict.apply(model, listing, Runtime(workers=2), on_result, tmp_path))
    assert found == [link, first, second, Rejected(listing.paths[2], "the file changed meanwhile"), *rest]


@pytest.mark.parametrize("stay", [False, True])
def test_frames_lie_there_as_long_as_they_are_needed(whole: Finished, tmp_path: Path, stay: bool) -> None:
    home = tmp_path / "home"
    home.mkdir()

    def on_result(corpus: Corpus, segment: predict.Segment) -> str:
        assert corpus.path(corpus.images[0]).is_file()
        return corpus.images[0].id

    with predict.open_model(whole[1], Runtime()) as model:
        listing = predict.list_new(str(write_film(tmp_path / "dive.avi", [12])), model)
        found = list(predict.apply(model, listing, Runtime(), on_result, home, every=5, frames_stay=stay))
    assert [str(name).split("/")[0] for name in found] == ["dive.avi"] * 3
    assert [int(str(name).split("/")[1]) for name in found] == [0, 5, 10]
    assert len([path for path in home.rglob("*") if path.is_file()]) == (3 if stay else 0)


@pytest.mark.parametrize(("side", "tiles"), [(None, 1), (20, 6), (64, 1)])
def test_the_mask_of_a_mosaic_is_joined_of_its_tiles(
    monkeypatch: pytest.MonkeyPatch, side: int | None, tiles: int
) -> None:
    size, asked = Size(37, 50), list[Box]()
    expected = np.random.default_rng(0).integers(0, 9, (size.height, size.width)).astype(np.uint16)

    def of_the_tile(inputs: Any, index: int, tile: Box) -> tuple[np.ndarray, None]:
        asked.append(tile)
        return expected[tile.slices], None

    monkeypatch.setattr(predict, "refine_tile", of_the_tile)
    inputs: Any = SimpleNamespace(corpus=SimpleNamespace(images=[SimpleNamespace(size=size)]))
    segment = predict.Segment(inputs, side)
    found = segment.whole()
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, expected)
    assert asked == segment.tiles
    assert len(asked) == tiles
