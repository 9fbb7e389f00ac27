"""Class maps to labels of patches and back."""

import numpy as np
import pytest
import torch
from PIL import Image

from segpipe.base.geometry import Size
from segpipe.ops.propagation.soft_maps import Deciding, blend, decide, one_hot, sampled, stretched


@pytest.mark.parametrize(
    ("out", "length"), [(30, 480), (52, 854), (34, 333), (97, 64), (5, 5), (40, 32), (30, 24), (854, 832)]
)
def test_the_nearest_pixel_is_pillow_s(out: int, length: int) -> None:
    row = np.arange(length, dtype=np.int32)[None]
    assert sampled(out, length).tolist() == np.asarray(Image.fromarray(row).resize((out, 1), 0))[0].tolist()


def test_labels_of_a_map_are_those_of_the_middles_of_patches() -> None:
    mask = np.repeat(np.repeat(np.array([[0, 2], [255, 1]], np.uint8), 4, 0), 6, 1)
    labels = one_hot(mask, 2, 2, classes=3, empty=255)
    assert labels.argmax(-1).tolist() == [[0, 2], [3, 1]]
    assert labels.sum(-1).tolist() == [[1, 1], [1, 1]]
    assert decide(labels, Size(8, 12), Deciding(4), empty=255).tolist() == mask.tolist()


def test_a_class_that_fades_is_kept_only_where_channels_are_stretched() -> None:
    labels = torch.zeros(4, 4, 3)
    labels[..., 0], labels[1, 1, :2] = 1.0, torch.tensor([0.8, 0.2])
    assert set(np.unique(decide(labels, Size(16, 16), Deciding(4), empty=255))) == {0, 1}
    assert set(np.unique(decide(labels, Size(16, 16), Deciding(4, stretch=False), empty=255))) == {0}


def test_many_classes_are_compared_some_at_a_time() -> None:
    torch.manual_seed(0)
    labels = torch.rand(5, 7, 301)
    planes = torch.nn.functional.interpolate(labels.permute(2, 0, 1)[None], scale_factor=2, mode="bilinear")[0]
    wanted = stretched(planes).argmax(0).numpy()
    found = decide(labels, Size(10, 14), Deciding(2), empty=65535)
    assert found.dtype == np.uint16
    assert np.array_equal(found, np.where(wanted == 300, 65535, wanted))


def test_one_class_alone_fills_the_frame() -> None:
    labels = torch.zeros(2, 2, 4)
    labels[..., 2] = 1.0
    assert np.unique(decide(labels, Size(5, 5), Deciding(2), empty=255)).tolist() == [2]
    assert stretched(torch.zeros(1, 2, 2)).tolist() == [[[0, 0], [0, 0]]]


def test_labels_are_blended_by_the_way_that_lies_behind() -> None:
    assert blend(torch.tensor([1.0]), torch.tensor([0.0]), 0.25).tolist() == [0.75]
