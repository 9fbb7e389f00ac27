"""What a sample of crops shows of the classes, where features say the class of every patch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segpipe.base.geometry import Box
from segpipe.inference.class_gallery import GalleryInputs, open_inputs, survey
from segpipe.records.class_names import Entry, Naming
from segpipe.records.clusters import ClusterModel
from segpipe.records.gallery import Patch
from segpipe.records.legend import Legend, plain_legend
from segpipe.store import masks
from segpipe.store.class_names import naming_text
from segpipe.store.features import FeatureStore
from tests.helpers import report_run
from tests.helpers.striped_corpus import MOSAIC, PHOTO, Striped, plant

CENTERS = np.array([(0.6, 0.8, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)], np.float32)
"""Of these the first is a little off its color: its patches have a cosine of 0.6."""


@pytest.fixture(scope="module")
def striped(tmp_path_factory: pytest.TempPathFactory) -> Striped:
    return plant(tmp_path_factory.mktemp("striped"))


def inputs_of(striped: Striped, legend: Legend) -> GalleryInputs:
    def encode(patches: np.ndarray, valid: np.ndarray) -> np.ndarray:
        return patches.astype(np.float32)

    store = FeatureStore(striped.features)
    return GalleryInputs(striped.corpus, store, encode, ClusterModel(CENTERS, 1.0), Path(), [], legend)


def class_in_the_middle(striped: Striped, inputs: GalleryInputs, patch: Patch) -> int:
    box = inputs.box(patch)
    return int(striped.truth[patch.image][box.top + box.height // 2, box.left + box.width // 2])


def test_the_fit_of_an_image_is_the_mean_over_its_crops(striped: Striped) -> None:
    """The left crop of the photograph has 60 valid patches, 16 of them of class 0; the right crop has 16 of 64."""
    inputs = inputs_of(striped, plain_legend(4))
    found = survey(inputs, [(PHOTO, 0), (PHOTO, 1), (MOSAIC, 2)], keep=4, per_crop=5, seed=0)
    assert found.crops == 3
    left, right = (44 + 16 * 0.6) / 60, (48 + 16 * 0.6) / 64
    assert found.fit == {PHOTO: pytest.approx((left + right) / 2), MOSAIC: pytest.approx(1)}


def test_patches_shown_lie_in_a_stripe_of_their_class_and_show_image(striped: Striped) -> None:
    inputs = inputs_of(striped, plain_legend(4))
    crops = [(crop.image, row) for row, crop in enumerate(striped.corpus.crops)]
    found = survey(inputs, crops, keep=3, per_crop=5, seed=0)
    assert [len(patches) for patches in found.best] == [3, 3, 3, 3]
    for label, patches in enumerate(found.best):
        for patch in patches:
            box = inputs.box(patch)
            assert class_in_the_middle(striped, inputs, patch) == label
            assert striped.valid[patch.image][box.slices].all()
            assert patch.cosine == pytest.approx(0.6 if label == 0 else 1)


def test_merged_clusters_are_one_class_and_one_left_out_has_no_patches(striped: Striped) -> None:
    legend = Legend(("hard", "soft"), np.zeros((2, 3), np.uint8), np.array([0, 1, -1, 0]))
    inputs = inputs_of(striped, legend)
    # the photograph's right crop shows 0, 1 and 3, the mosaic's window below 2 and 0
    found = survey(inputs, [(PHOTO, 1), (MOSAIC, 8)], keep=50, per_crop=5, seed=0)
    shown = [{class_in_the_middle(striped, inputs, patch) for patch in patches} for patches in found.best]
    assert shown == [{0, 3}, {1}]


def test_a_patch_lies_where_its_crop_has_it(striped: Striped) -> None:
    inputs = inputs_of(striped, plain_legend(4))
    assert inputs.box(Patch(MOSAIC, 2 + 5, 3, 7, 1.0)) == Box(32 + 24, 64 + 56, 8, 8)  # windows lie 32 pixels apart


def test_the_drawing_of_patches_follows_the_seed_and_colors_tell_the_classes_apart(striped: Striped) -> None:
    inputs, crops = inputs_of(striped, plain_legend(4)), [(PHOTO, 0), (MOSAIC, 2), (MOSAIC, 8)]
    first, same, other = (survey(inputs, crops, keep=1, per_crop=9, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.feature_axes.mean, same.feature_axes.mean)
    assert not np.array_equal(first.feature_axes.mean, other.feature_axes.mean)
    every = survey(inputs, crops, keep=1, per_crop=64, seed=0)
    np.testing.assert_allclose(every.feature_axes.mean.sum(), 1, rtol=1e-6)
    seen = np.concatenate([inputs.features.patches(row)[inputs.features.valid(row)] for _, row in crops])
    np.testing.assert_allclose(every.feature_axes.mean, seen.mean(axis=0, dtype=np.float64), rtol=1e-6)
    assert len(np.unique(every.code_axes.paint(np.eye(4)), axis=0)) == 4


def test_a_run_is_opened_by_a_legend_or_by_the_names_of_its_classes(tmp_path: Path) -> None:
    """The features say the class exactly, so every best patch must lie in a field of its class."""
    names = [f"{i}" for i in range(5)]
    run_dir = report_run.make_run(tmp_path, names, classes=3)
    entries = {0: Entry((9, 9, 9), "sand"), 1: Entry((1, 2, 3), "tape", ignore=True), 2: Entry((1, 2, 3), "sand")}
    (run_dir.root / "classes.yaml").write_text(naming_text(Naming(entries), {}, {}), "utf-8")
    plain = open_inputs(run_dir, plain_legend(3))
    found = survey(plain, [(image, image) for image in range(5)], keep=6, per_crop=8, seed=0)
    for label, patches in enumerate(found.best):
        assert len(patches) == 6
        for patch in patches:
            mask = masks.read_mask(masks.mask_path(plain.masks, names[patch.image]))
            assert (mask[plain.box(patch).slices] == label).all()
    assert min(found.fit.values()) > 0.9
    named = open_inputs(run_dir)
    assert named.legend.names == ("sand",)
    for before, after in zip(plain.index, named.index, strict=True):
        pixels = before["pixels"]
        assert after["pixels"] == {"0": pixels["0"] + pixels["2"]}
        assert after["nodata"] == pixels["1"]


def test_a_class_at_the_same_place_of_every_frame_is_told(tmp_path: Path) -> None:
    """Corners of all photographs were named by points as if they were ground."""
    run_dir = report_run.make_run(tmp_path, [f"{i:02}" for i in range(12)], classes=3, five=True)
    plain, rng = open_inputs(run_dir, plain_legend(3)), np.random.default_rng(0)

    def encode(patches: np.ndarray, valid: np.ndarray) -> np.ndarray:
        rows, cols = patches.shape[:2]
        labels = rng.integers(1, 3, (rows, cols))
        if rows == 6:  # a whole image of 6 x 8 patches
            labels[np.ix_([0, rows - 1], [0, cols - 1])] = 0
        return np.eye(3, dtype=np.float32)[labels]

    inputs = replace(plain, encode=encode, clusters=ClusterModel(np.eye(3, dtype=np.float32), 1.0))
    whole = [(crop.image, row) for row, crop in enumerate(inputs.corpus.crops) if crop.box.top == 0 == crop.box.left]
    first = [pair for pair in whole if inputs.corpus.crops[pair[1]].box.height == 48]
    assert survey(inputs, first, keep=2, per_crop=4, seed=0).fixed == [0]
    assert survey(inputs, first[:7], keep=2, per_crop=4, seed=0).fixed == []


def test_middles_of_patches_are_those_of_their_boxes(tmp_path: Path) -> None:
    run_dir = report_run.make_run(tmp_path, ["a"], classes=3, five=True)
    inputs = open_inputs(run_dir, plain_legend(3))
    for row, crop in enumerate(inputs.corpus.crops):
        valid = inputs.features.valid(row)
        middles = np.stack(inputs.middles(0, row, valid), axis=1) * (48, 64)
        for (y, x), (i, j) in zip(middles.tolist(), np.argwhere(valid).tolist(), strict=True):
            box = inputs.box(Patch(0, row, i, j, 1.0))
            assert (y, x) == pytest.approx((box.top + box.height / 2, box.left + box.width / 2), abs=0.51), crop


def test_the_gallery_of_a_merged_class_shows_its_clusters_by_their_share(striped: Striped) -> None:
    """Cluster 0 has the lower cosine, so it was never shown although most of the class is it."""
    legend = Legend(("both", "rest"), np.zeros((2, 3), np.uint8), np.array([0, 1, 1, 0]))
    inputs = inputs_of(striped, legend)
    crops = [(crop.image, row) for row, crop in enumerate(striped.corpus.crops)]
    found = survey(inputs, crops, keep=4, per_crop=5, seed=0)
    shown = [class_in_the_middle(striped, inputs, patch) for patch in found.best[0]]
    assert sorted(set(shown)) == [0, 3]
    assert len(shown) == 4
