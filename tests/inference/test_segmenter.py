"""Maps of plain stripes, pixel by pixel, of a photograph and of a mosaic in tiles."""

import numpy as np
import pytest

from segpipe.base.geometry import Box, tiles
from segpipe.inference.segmenter import (
    ImageCrops,
    ReadCodes,
    divide_tile,
    label_tile,
    segment_tile,
    tile_field,
    tile_side,
)
from segpipe.ops.maps.segment import label_at
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.ops.maps.tiling import TileLattice
from segpipe.records.clusters import Split
from segpipe.store.features import FeatureStore
from tests.helpers.striped_corpus import MOSAIC, PHOTO, Striped, plant

CENTERS = np.eye(4, dtype=np.float32)
MEMBERS = np.array([0, 1, 2, 2])
"""Two colors are one cluster, which `SPLIT` cuts into them again."""
SPLIT = Split(2, 3, CENTERS[2:], np.array([0, 1]))


@pytest.fixture(scope="module")
def striped(tmp_path_factory: pytest.TempPathFactory) -> Striped:
    return plant(tmp_path_factory.mktemp("striped"))


def crops_of(striped: Striped, index: int) -> ImageCrops:
    corpus, header = striped.corpus, FeatureStore(striped.features).header
    rows = corpus.crops_of[index]
    boxes = [corpus.crops[row].box for row in rows]
    return ImageCrops(corpus, corpus.images[index], rows, boxes, [header.grid(box.size) for box in boxes])


def reader(striped: Striped, seen: list[tuple[int, bool]] | None = None) -> ReadCodes:
    store = FeatureStore(striped.features)

    def read(row: int, flipped: bool) -> np.ndarray:
        if seen is not None:
            seen.append((row, flipped))
        return store.patches(row, flipped=flipped).astype(np.float32)

    return read


def expected(striped: Striped, index: int) -> np.ndarray:
    """Every color a class, and 255 where there is no image."""
    return np.where(striped.valid[index], striped.truth[index], 255)


@pytest.mark.parametrize("flip", [False, True])
def test_a_photograph_is_one_tile_and_has_no_class_in_its_hole(striped: Striped, flip: bool) -> None:
    crops = crops_of(striped, PHOTO)
    config = SegmentConfig(CENTERS, flip=flip, certainty=True)
    labels, maps = segment_tile(crops, crops.whole, config, reader(striped))
    np.testing.assert_array_equal(labels, expected(striped, PHOTO))
    assert labels.dtype == np.uint8
    assert maps is not None
    margin, entropy = maps
    assert not margin[:16, :16].any()
    assert not entropy[:16, :16].any()
    # in the middle of a stripe: the softmax of 2, 0, 0 and 0
    one, other = np.exp(2) / (np.exp(2) + 3), 1 / (np.exp(2) + 3)
    assert margin[40, 16] == round(255 * (one - other))
    assert entropy[40, 16] == round(-255 * (one * np.log(one) + 3 * other * np.log(other)) / np.log(4))
    assert margin[40, 47] < 60 < margin[40, 40]  # stripes meet after column 47
    assert segment_tile(crops, crops.whole, SegmentConfig(CENTERS), reader(striped))[1] is None


def test_tiles_of_a_mosaic_make_one_map_and_read_the_windows_that_meet_them(striped: Striped) -> None:
    """Windows begin at rows and columns 0, 32 and 64; the last tile holds no image."""
    crops, found = crops_of(striped, MOSAIC), np.full((128, 128), 99)
    near = [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], []]
    lattice = TileLattice(1.0, core=64, margin=0)
    for tile, some in zip(tiles(crops.image.size, lattice.tile), near, strict=True):
        seen: list[tuple[int, bool]] = []
        found[tile.slices] = label_tile(crops, tile, SegmentConfig(CENTERS), reader(striped, seen), lattice=lattice)
        assert seen == [(crops.rows[i], False) for i in some]
    np.testing.assert_array_equal(found, expected(striped, MOSAIC))


def test_a_tile_without_image_is_nodata_in_the_type_of_its_map(striped: Striped) -> None:
    crops, tile = crops_of(striped, MOSAIC), Box(64, 64, 64, 64)
    for count, dtype, nodata in ((255, np.uint8, 255), (256, np.uint16, 65535)):
        config = SegmentConfig(np.eye(count, 300, dtype=np.float32), certainty=True)
        labels, maps = segment_tile(crops, tile, config, reader(striped))
        assert labels.dtype == dtype
        assert labels.shape == (64, 64)
        assert (labels == nodata).all()
        assert maps is not None
        assert not np.any(maps)
    assert tile_field(crops, tile, SegmentConfig(CENTERS), reader(striped)) is None


@pytest.mark.parametrize("index", [PHOTO, MOSAIC])
def test_a_split_cuts_its_cluster_alone_and_a_finished_map_may_be_cut_later(striped: Striped, index: int) -> None:
    crops, truth = crops_of(striped, index), expected(striped, index)
    whole, cut = SegmentConfig(CENTERS, MEMBERS), SegmentConfig(CENTERS, MEMBERS, splits=(SPLIT,))
    labels = label_tile(crops, crops.whole, whole, reader(striped))
    np.testing.assert_array_equal(labels, np.where(truth == 3, 2, truth))
    np.testing.assert_array_equal(label_tile(crops, crops.whole, cut, reader(striped)), truth)
    np.testing.assert_array_equal(divide_tile(crops, crops.whole, cut, reader(striped), labels.copy()), truth)
    np.testing.assert_array_equal(divide_tile(crops, crops.whole, cut, reader(striped), labels.copy(), ()), labels)
    field = tile_field(crops, crops.whole, cut, reader(striped))
    assert field is not None
    before = label_at(*field)
    np.testing.assert_array_equal(before[striped.valid[index]], labels[striped.valid[index]])


def test_codes_are_not_read_where_no_cluster_of_the_map_was_split(striped: Striped) -> None:
    def refuse(row: int, flipped: bool) -> np.ndarray:
        raise AssertionError(f"row {row} was read")

    crops, cut = crops_of(striped, PHOTO), SegmentConfig(CENTERS, MEMBERS, splits=(SPLIT,))
    labels = np.tile(np.array([0, 1, 255], np.uint8), (64, 32))
    np.testing.assert_array_equal(divide_tile(crops, crops.whole, cut, refuse, labels.copy()), labels)


def test_the_tiles_of_a_mosaic_follow_the_canvas_and_a_photograph_has_none(striped: Striped) -> None:
    assert tile_side(crops_of(striped, PHOTO), SegmentConfig(CENTERS, side=16)) is None
    for side, factor in ((16, 4), (32, 2), (64, 1), (480, 1)):  # of windows of 64 pixels
        assert tile_side(crops_of(striped, MOSAIC), SegmentConfig(CENTERS, side=side)) == 576 * factor


def test_crops_are_encoded_in_the_order_asked_for_and_mirrored_where_wanted(striped: Striped) -> None:
    crops, seen = crops_of(striped, MOSAIC), list[tuple[int, bool]]()
    plain = crops.encode([4, 1], reader(striped, seen), flip=False)
    assert (plain.mirrored, seen) == (None, [(crops.rows[4], False), (crops.rows[1], False)])
    assert list(plain.boxes) == [crops.boxes[4], crops.boxes[1]]
    both = crops_of(striped, PHOTO).encode([1], reader(striped), flip=True)
    assert both.mirrored is not None
    np.testing.assert_array_equal(both.mirrored[0], both.codes[0][:, ::-1])
    assert not np.array_equal(both.mirrored[0], both.codes[0])
