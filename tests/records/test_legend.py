import numpy as np
import pytest

from segpipe.records.legend import Legend, plain_legend

COLORS = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)


def test_clusters_become_classes_and_those_left_out_become_nodata():
    legend = Legend(("coral", "sand"), COLORS, np.array([1, 0, -1, 0]))
    mask = np.array([[0, 1, 2], [3, 255, 0]], np.uint8)
    np.testing.assert_array_equal(legend.read(mask), [[1, 0, 255], [0, 255, 1]])
    assert legend.read(mask).dtype == np.uint8


def test_many_clusters_read_as_few_classes_and_back_in_16_bits():
    mask = np.array([[0, 299, 65535]], np.uint16)
    legend = Legend(("coral", "sand"), COLORS, np.arange(300) % 2)
    np.testing.assert_array_equal(legend.read(mask), [[0, 1, 255]])
    plain = plain_legend(300)
    np.testing.assert_array_equal(plain.read(mask), mask)
    assert plain.read(mask).dtype == np.uint16
    assert plain.nodata == 65535


@pytest.mark.parametrize(
    ("names", "colors", "classes_of", "match"),
    [
        (("a", "a"), COLORS, [0, 1], "unique"),
        (("a",), COLORS, [0], "colors"),
        (("a", "b"), COLORS, [0, 2], "below 2"),
        (("a", "b"), COLORS, [-2, 1], "below 2"),
    ],
)
def test_a_legend_checks_itself(names, colors, classes_of, match):
    with pytest.raises(ValueError, match=match):
        Legend(names, colors, np.array(classes_of))
