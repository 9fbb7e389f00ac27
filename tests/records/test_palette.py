import numpy as np

from segpipe.records.palette import class_colors


def test_colors_differ_and_do_not_move() -> None:
    colors = class_colors(60)
    assert len({tuple(color) for color in colors.tolist()}) == 60
    np.testing.assert_array_equal(class_colors(7), colors[:7])
