"""The published protocol against torchvision, Pillow and torch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from torch.nn import functional as F
from torchvision import transforms

from segpipe.base.geometry import Size, plan_grid
from segpipe.ops.crf.dense_crf import Crf, refine_probabilities
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.stages.evaluate import stego_views as published


def by_torchvision(array: np.ndarray, side: int) -> np.ndarray:
    steps = transforms.Compose(
        [transforms.Resize(side, transforms.InterpolationMode.NEAREST), transforms.CenterCrop(side)]
    )
    return np.asarray(steps(Pillow.fromarray(array)))


def by_stego(rgb: np.ndarray) -> np.ndarray:
    """What STEGO's CRF sees: the normalized image, scaled back, as a Pillow image, BGR."""
    norm = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    seen = transforms.Compose([transforms.ToTensor(), transforms.Normalize(*norm)])(Pillow.fromarray(rgb))
    for channel, mean, std in zip(seen, *norm, strict=True):
        channel.mul_(std).add_(mean)
    return np.ascontiguousarray(np.asarray(transforms.ToPILImage()(seen))[:, :, ::-1])


def numbered(height: int, width: int) -> np.ndarray:
    """An int32 picture in which every pixel is another number."""
    return np.arange(height * width, dtype=np.int32).reshape(height, width)


@pytest.mark.parametrize(
    ("height", "width"),
    [(320, 320), (375, 500), (640, 427), (1024, 2048), (321, 320), (319, 321), (200, 200), (333, 999), (51, 1000)],
)
def test_crops_are_torchvisions(height, width):
    stored = numbered(height, width)
    assert np.array_equal(published.crop(stored), by_torchvision(stored, 320))
    rgb = np.random.default_rng(0).integers(256, size=(height, width, 3), dtype=np.uint8)
    assert np.array_equal(published.crop(rgb), by_torchvision(rgb, 320))


@settings(deadline=None, max_examples=150)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40))
def test_crops_of_any_size_are_torchvisions(height, width, side):
    stored = numbered(height, width)
    found = published.crop(stored, side)
    assert found.shape == (side, side)
    assert np.array_equal(found, by_torchvision(stored, side))


@pytest.mark.parametrize(("patch", "side"), [(8, 320), (16, 320), (14, 320)])
@pytest.mark.parametrize("crf", [None, Crf(iterations=2)])
def test_a_crop_is_classified_as_torch_would(patch, side, crf):
    """Average with the mirrored-back codes of the mirror image, upsample the codes, cosine, softmax, CRF, argmax."""
    rng = np.random.default_rng(patch)
    grid = plan_grid(Size(side, side), side=side, patch=patch)
    codes, mirrored = rng.normal(size=(2, grid.rows, grid.cols, 5)).astype(np.float32)
    centers = rng.normal(size=(4, 5)).astype(np.float32)
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    rgb = np.kron(rng.integers(256, size=(20, 20, 3)), np.ones((16, 16, 1))).astype(np.uint8)

    first, second = (torch.from_numpy(part).permute(2, 0, 1)[None] for part in (codes, mirrored))
    code = (first + second.flip(dims=[3])) / 2
    np.testing.assert_allclose(published.unmirror(codes, mirrored), code[0].permute(1, 2, 0), rtol=1e-6)
    code = F.interpolate(code, (side, side), mode="bilinear", align_corners=False)
    cosines = torch.einsum("bchw,kc->bkhw", F.normalize(code, dim=1), F.normalize(torch.from_numpy(centers), dim=1))
    log_probs = torch.log_softmax(2 * cosines, dim=1)
    probabilities = torch.softmax(log_probs, dim=1)[0].numpy()
    if crf is not None:
        probabilities = refine_probabilities(probabilities, by_stego(rgb), crf, tolerance=0)
    wanted = probabilities.argmax(axis=0)

    found = published.classify_crop(codes, mirrored, grid, rgb, SegmentConfig(centers, crf=crf))
    assert found.shape == (side, side)
    top = np.sort(probabilities, axis=0)
    sure = top[-1] - top[-2] > 1e-5  # elsewhere rounding decides
    assert sure.mean() > 0.99
    assert np.array_equal(found[sure], wanted[sure])
