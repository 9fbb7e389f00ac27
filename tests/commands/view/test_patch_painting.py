import numpy as np

from segpipe.base.geometry import Box, Size
from segpipe.commands.view.patch_painting import nearest_crops, paint
from segpipe.commands.view.pyramid import Tile, tile_at
from segpipe.ops.metrics.probes import nearest_box
from segpipe.records.features import FeatureHeader

HEADER = FeatureHeader("drawn", "token", (1,), 64, 8, 4, "mean", False)


def test_each_pixel_is_of_the_crop_whose_middle_is_nearest() -> None:
    boxes = [Box(0, 0, 60, 100), Box(0, 0, 30, 40), Box(20, 50, 40, 50)]
    y, x = np.arange(60) + 0.5, np.arange(100) + 0.5
    found = nearest_crops(y, x, boxes)
    rows, cols = (grid.ravel() for grid in np.meshgrid(y, x, indexing="ij"))
    expected = nearest_box(boxes, rows, cols).reshape(60, 100)
    inside = np.array([[boxes[k].top <= r < boxes[k].bottom and boxes[k].left <= c < boxes[k].right
                        for c, k in zip(x, row, strict=True)] for r, row in zip(y, expected, strict=True)])  # fmt: skip
    assert (found[inside] == expected[inside]).all()
    assert inside.mean() > 0.9


def test_classes_are_drawn_patch_by_patch_and_numbers_between_them() -> None:
    size = Size(64, 64)
    tile = tile_at(size, 0, 0, 0)
    assert tile is not None
    grid = np.arange(64, dtype=np.uint16).reshape(8, 8)
    boxes = [Box(0, 0, 64, 64)]
    drawn = paint(tile, boxes, HEADER, lambda _: grid, empty=65535, blended=False)
    assert (drawn == grid.repeat(8, 0).repeat(8, 1)).all()
    smooth = paint(tile, boxes, HEADER, lambda _: grid.astype(np.float32), empty=0, blended=True)
    assert smooth.dtype == np.float32
    assert np.diff(smooth, axis=1).min() >= 0
    assert smooth[:5, :5].tolist()[0] == [0, 0, 0, 0, 0.0625]  # pixel 4 lies 1/16 of a patch behind the first middle


def test_only_crops_that_are_seen_are_asked_for() -> None:
    asked = list[int]()

    def field(crop: int) -> np.ndarray:
        asked.append(crop)
        return np.zeros((8, 8), np.uint16)

    boxes = [Box(0, 0, 64, 64), Box(0, 500, 64, 64)]
    drawn = paint(Tile(Box(0, 0, 64, 100), Size(64, 100), 1), boxes, HEADER, field, empty=65535, blended=False)
    assert asked == [0]
    assert (drawn[:, :64] == 0).all()
    assert (drawn[:, 64:] == 65535).all()
