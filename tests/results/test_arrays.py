"""Features, codes, masks and probabilities of a run."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from segpipe.base.geometry import Box, Size
from segpipe.cli.entry import run_cli
from segpipe.ops.maps.segment import label_at, label_pixels
from segpipe.pipeline import open_run
from segpipe.results import Run
from segpipe.results.arrays import class_mask, cluster_mask, mask_entry
from segpipe.results.reader import RunReader
from tests.helpers.relist import relist
from tests.helpers.run_view import BAY, ONE, error_of


def test_the_mask_is_the_file(done: Path) -> None:
    mask = Run(done).mask(BAY)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, np.asarray(Image.open(done / "masks" / f"{BAY}.png")))


def test_features_and_codes(done: Path) -> None:
    run = Run(done)
    features, codes = run.features(ONE), run.codes(ONE)
    assert features.dtype == codes.dtype == np.float32
    assert features.shape[:2] == codes.shape[:2]
    assert features.shape[2] == run.stages["extract"]["dim"]
    assert codes.shape[2] == run.stages["train"]["dim"]
    assert run.crops(ONE) == (Box(0, 0, *run.mask(ONE).shape),)
    assert "crop=1: reef_03 has 1 crops, numbered 0 alone" in error_of(lambda: run.codes(ONE, crop=1))
    assert "crop=-1" in error_of(lambda: run.features(ONE, crop=-1))


def test_clusters_were_found_among_these_codes(done: Path) -> None:
    """The stage counts its patches by nearest center; counted here with nothing but the file of centers."""
    run, model = Run(done), np.load(done / "clusters" / "clusters.npz")
    codes = np.concatenate([run.codes(row["id"]).reshape(-1, 16) for row in run.images]).astype(np.float64)
    units = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    cosines = units @ model["centers"].T.astype(np.float64)
    said = run.stages["cluster"]
    assert len(codes) == said["of"] == said["patches"]
    shares = np.bincount(cosines.argmax(axis=1), minlength=5) / len(codes)
    np.testing.assert_allclose(shares, said["shares"], atol=2 / len(codes))
    assert cosines.max(axis=1).mean() == pytest.approx(float(model["inertia"]), abs=1e-4)


def test_codes_are_those_of_the_head_smoothed_as_the_clusters_say(windows: Path) -> None:
    """By the head's file: a linear one, as train.method=pca makes it; a neighbor counts half."""
    run = Run(windows)
    with safe_open(windows / "head" / "head.safetensors", framework="np") as head:
        weight, mean = head.get_tensor("linear.weight"), head.get_tensor("mean")
    plain = (run.features(ONE, 1) - mean) @ weight.T
    units = plain / np.linalg.norm(plain, axis=-1, keepdims=True)
    row, col = 2, 3
    around = units[row - 1 : row + 2, col - 1 : col + 2]
    expected = (0.5 * around.sum(axis=(0, 1)) + 0.5 * units[row, col]) / 5
    np.testing.assert_allclose(run.codes(ONE, 1)[row, col], expected, atol=1e-5)


@pytest.mark.parametrize("name", [ONE, BAY, "jardín 01", "reef_04"])
def test_masks_are_what_is_most_probable(done: Path, name: str) -> None:
    run = Run(done)
    found, mask = run.probabilities(name), run.mask(name)
    size = Size(*mask.shape)
    assert found.dtype == np.float32
    assert found.shape == (size.fit(96).height, size.fit(96).width, 5)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)
    # the function by which `refine` decides
    np.testing.assert_array_equal(label_pixels(found, size), mask)


def test_probabilities_follow_the_most_alike_center_where_nothing_sharpened(windows: Path) -> None:
    """Softmax of twice the cosines, at a patch that one crop alone shows: said without the code under test."""
    run = Run(windows)
    name = next(row["id"] for row in run.images if len(run.crops(row["id"])) > 1)
    box, codes = run.crops(name)[0], run.codes(name)
    height, width = run.mask(name).shape
    centers = np.load(windows / "clusters" / "clusters.npz")["centers"]
    found = run.probabilities(name)
    row, col = 1, 1  # far from the other windows
    y = (row + 0.5) * box.height / codes.shape[0] / height * found.shape[0] - 0.5
    x = (col + 0.5) * box.width / codes.shape[1] / width * found.shape[1] - 0.5
    near = found[int(y) : int(y) + 2, int(x) : int(x) + 2].reshape(-1, 5)
    code = codes[row, col] / np.linalg.norm(codes[row, col])
    expected = np.exp(2 * centers @ code)
    expected /= expected.sum()
    assert near.min(axis=0).max() <= 1
    assert np.abs(near - expected).max(axis=0).max() < 0.25
    assert near.mean(axis=0).argmax() == expected.argmax()


def test_an_image_of_several_crops(windows: Path) -> None:
    run = Run(windows)
    name = next(row["id"] for row in run.images if len(run.crops(row["id"])) > 1)
    boxes, shape = run.crops(name), run.mask(name).shape
    covered = np.zeros(shape, bool)
    for crop, box in enumerate(boxes):
        covered[box.slices] = True
        rows, cols, _ = run.features(name, crop).shape
        assert run.codes(name, crop=crop).shape[:2] == (rows, cols)
    assert covered.all()
    assert not np.array_equal(run.features(name, 0), run.features(name, 1))
    np.testing.assert_array_equal(label_pixels(run.probabilities(name), Size(*shape)), run.mask(name))
    assert f"has {len(boxes)} crops, numbered 0 to {len(boxes) - 1}" in error_of(lambda: run.features(name, 99))


def test_clusters_that_were_split(copy: Path) -> None:
    run = Run(copy)
    found, before = run.probabilities(ONE), run.mask(ONE)
    largest = max(run.classes, key=lambda row: row["pixels"])["number"]
    assert run_cli(["name", str(copy), "--split", str(largest)]) == 0
    assert run_cli(["refine", str(copy), "-q"]) == 0
    after = run.mask(ONE)
    assert len(run.classes) > 5
    assert (after != before).any()
    assert (before[after >= 5] == largest).all()
    np.testing.assert_array_equal(run.probabilities(ONE), found)


def test_probabilities_of_a_mosaic_join_those_of_its_tiles(mosaic: Path) -> None:
    run = Run(mosaic)
    found, mask = run.probabilities("plot"), run.mask("plot")
    assert sorted(path.name for path in (mosaic / "masks" / "plot.tiles").iterdir()) == [
        "0_0.png", "0_720.png", "720_0.png", "720_720.png",
    ]  # fmt: skip
    assert found.shape == (608, 640, 5)  # 760 x 800 pixels, 1.25 to a pixel of the canvas
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)
    y, x = ((np.arange(length) + 0.5) / 1.25 - 0.5 for length in mask.shape)
    np.testing.assert_array_equal(label_at(found, y, x), mask)


def test_classes_come_with_the_legend_that_says_what_they_are(copy: Path) -> None:
    assert run_cli(["name", str(copy), "--merge", "1", "0", "-q"]) == 0
    reader = RunReader(copy)
    index = reader.find(ONE)
    found, legend = class_mask(reader, index)
    assert legend.names == ("cluster 0", "cluster 2", "cluster 3", "cluster 4")
    np.testing.assert_array_equal(found, np.array([0, 0, 1, 2, 3])[cluster_mask(reader, index)])


def test_an_image_that_the_masks_do_not_know_is_named(copy: Path) -> None:
    path = copy / "masks" / "index.jsonl"
    lines = path.read_text("utf-8").splitlines()
    path.write_text("".join(f"{line}\n" for line in lines if json.loads(line)["id"] != ONE), "utf-8")
    relist(open_run(copy), "masks")
    reader = RunReader(copy)
    said = error_of(lambda: mask_entry(reader, reader.find(ONE)))
    assert said == f"{path} has no {ONE}; run `segpipe refine {copy}`"
    height, width = cluster_mask(reader, reader.find(BAY)).shape
    entry = mask_entry(reader, reader.find(BAY))
    assert (entry["height"], entry["width"]) == (height, width)
