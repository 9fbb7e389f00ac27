"""Input of networks against plain numpy, and batches that do not fit into a memory of known size."""

import numpy as np
import pytest
import torch

from segpipe.base.errors import MachineError
from segpipe.nn.batching import forward_in_halves, normalize, to_input

NORM = ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def pixels(count: int, height: int = 4, width: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def test_bytes_become_normalized_channels_first() -> None:
    images = pixels(2)
    found = to_input(images, NORM, "cpu")
    assert found.dtype == torch.float32
    expected = (images / 255.0 - np.array(NORM[0])) / np.array(NORM[1])
    np.testing.assert_allclose(found.numpy(), expected.transpose(0, 3, 1, 2), atol=1e-6)


def test_normalize_takes_the_mean_before_the_deviation() -> None:
    mean, std = torch.full((3, 1, 1), 1.0), torch.full((3, 1, 1), 4.0)
    white = torch.full((1, 2, 2, 3), 255, dtype=torch.uint8)
    black = torch.zeros((1, 2, 2, 3), dtype=torch.uint8)
    assert normalize(white, mean, std).eq(0).all()
    assert normalize(black, mean, std).eq(-0.25).all()


@pytest.mark.parametrize(
    ("count", "room", "parts"), [(8, 8, [8]), (8, 3, [2, 2, 2, 2]), (5, 2, [2, 1, 2]), (1, 1, [1])]
)
def test_what_does_not_fit_is_halved_until_it_does(count: int, room: int, parts: list[int]) -> None:
    images, done = pixels(count), []

    def forward(batch: np.ndarray) -> np.ndarray:
        if len(batch) > room:
            raise torch.OutOfMemoryError("no")
        done.append(len(batch))
        return batch.astype(int) + 1

    found = forward_in_halves(forward, images, unit="an image", device="cpu", remedy="buy more")
    assert done == parts
    assert [len(part) for part in found] == parts
    np.testing.assert_array_equal(np.concatenate(found), images.astype(int) + 1)


def test_one_image_too_large_is_told_with_the_remedy() -> None:
    def forward(batch: np.ndarray) -> None:
        raise torch.OutOfMemoryError("no")

    with pytest.raises(MachineError, match=r"^a crop of 4 x 6 pixels does not fit .* of cuda:1; buy more$"):
        forward_in_halves(forward, pixels(3), unit="a crop", device="cuda:1", remedy="buy more")


def test_other_errors_pass() -> None:
    def forward(batch: np.ndarray) -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        forward_in_halves(forward, pixels(3), unit="a crop", device="cpu", remedy="")
