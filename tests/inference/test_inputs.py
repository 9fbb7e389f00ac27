"""From a corpus and its store to the masks of tiles, made anew or from finished ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box
from segpipe.inference.inputs import SegmentInputs, image_crops, refine_tile, split_tile, tile_paths
from segpipe.inference.reuse_masks import find_reusable, save_made
from segpipe.nn.head import linear_head
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.records.clusters import ClusterModel, Split
from segpipe.store import masks
from segpipe.store.certainty import write_certainty
from segpipe.store.features import FeatureStore
from tests.helpers.striped_corpus import MOSAIC, PHOTO, Striped, plant

CENTERS, MEMBERS = np.eye(4, dtype=np.float32), np.array([0, 1, 2, 2])
SPLIT = Split(2, 3, CENTERS[2:], np.array([0, 1]))
WHOLE = {PHOTO: Box(0, 0, 64, 96), MOSAIC: Box(0, 0, 128, 128)}


@pytest.fixture(scope="module")
def striped(tmp_path_factory: pytest.TempPathFactory) -> Striped:
    return plant(tmp_path_factory.mktemp("striped"))


def inputs_of(striped: Striped, *, splits: tuple[Split, ...] = (), certainty: bool = False) -> SegmentInputs:
    clusters = ClusterModel(CENTERS, 1.0, MEMBERS, splits=splits)
    config = SegmentConfig(CENTERS, MEMBERS, certainty=certainty, splits=splits)
    return SegmentInputs(
        striped.corpus, FeatureStore(striped.features), linear_head(2 * np.eye(4), np.zeros(4)), clusters, config
    )


@pytest.mark.parametrize("index", [PHOTO, MOSAIC])
def test_masks_show_the_stripes_and_finished_ones_are_split_into_the_same(
    striped: Striped, index: int, tmp_path: Path
) -> None:
    whole = inputs_of(striped, certainty=True)
    mask, maps = refine_tile(whole, index, WHOLE[index])
    truth = np.where(striped.valid[index], striped.truth[index], 255)
    np.testing.assert_array_equal(mask, np.where(truth == 3, 2, truth))
    assert maps is not None
    path, places = tile_paths(whole, tmp_path, index, WHOLE[index])
    masks.write_mask(path, mask, classes=3)
    for place, values in zip(places, maps, strict=True):
        write_certainty(place, values)
    masks.save_header(tmp_path, {"classes": 3, "nodata": 255})
    save_made(tmp_path, "origin", ())

    later = replace(
        inputs_of(striped, splits=(SPLIT,), certainty=True), reusable=find_reusable(tmp_path, "origin", (SPLIT,))
    )
    divided, kept = split_tile(later, index, WHOLE[index])
    np.testing.assert_array_equal(divided, truth)
    np.testing.assert_array_equal(refine_tile(later, index, WHOLE[index])[0], truth)
    np.testing.assert_array_equal(kept, maps)
    path.unlink()
    with pytest.raises(UsageError, match=rf"{path.name} does not exist; make the masks with `segpipe refine`"):
        split_tile(later, index, WHOLE[index])


def test_masks_and_certainty_lie_under_the_image_and_those_of_a_mosaic_under_the_corner_of_their_tile(
    striped: Striped,
) -> None:
    tile, sure = Box(576, 1152, 30, 40), inputs_of(striped, certainty=True)
    root = Path("masks")
    assert tile_paths(sure, root, PHOTO, WHOLE[PHOTO]) == (
        root / "photo.png",
        [root / "certainty" / kind / "photo.png" for kind in ("margin", "entropy")],
    )
    assert tile_paths(sure, root, MOSAIC, tile) == (
        root / "mosaic.tiles/576_1152.png",
        [root / "certainty" / kind / "mosaic.tiles/576_1152.png" for kind in ("margin", "entropy")],
    )
    assert tile_paths(inputs_of(striped), root, PHOTO, WHOLE[PHOTO]) == (root / "photo.png", [])


def test_codes_of_the_mirrored_crop_are_mirrored_with_their_valid_patches(striped: Striped) -> None:
    """Smoothing takes no neighbors from the hole: its place must be mirrored too."""
    plain = inputs_of(striped)
    row = striped.corpus.crops_of[PHOTO][0]
    stored = plain.features.patches(row).astype(np.float32)
    np.testing.assert_array_equal(plain.read_codes(row, False), 2 * stored)
    read = replace(plain, clusters=replace(plain.clusters, smooth=0.5)).read_codes
    np.testing.assert_allclose(read(row, True), read(row, False)[:, ::-1], atol=1e-6)
    assert not plain.features.valid(row).all()
    assert not np.allclose(read(row, False), 2 * stored)


def test_images_that_are_no_frames_have_the_codes_they_had(striped: Striped) -> None:
    plain = inputs_of(striped)
    steady = replace(plain, config=replace(plain.config, steady=2))
    for row in range(len(striped.corpus.crops)):
        for flipped in (False, True):
            np.testing.assert_array_equal(steady.read_codes(row, flipped), plain.read_codes(row, flipped))


def test_crops_of_an_image_are_its_own_rows_of_the_store(striped: Striped) -> None:
    crops = image_crops(striped.corpus, FeatureStore(striped.features).header, MOSAIC)
    assert (crops.image.id, crops.whole) == ("mosaic", WHOLE[MOSAIC])
    assert list(crops.rows) == list(range(2, 11))  # after the two of the photograph
    assert [(box.top, box.left) for box in crops.boxes] == [(y, x) for y in (0, 32, 64) for x in (0, 32, 64)]
    assert {(grid.rows, grid.cols, grid.patch) for grid in crops.grids} == {(8, 8, 8)}
