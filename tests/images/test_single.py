"""Images of no run: the stretch of deep samples by their own percentiles, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from segpipe.images import single
from segpipe.images.headers import BadImage
from segpipe.images.single import read_single


def write_deep(path: Path, values: np.ndarray) -> Path:
    profile = {"driver": "GTiff", "height": 50, "width": 40, "count": 3, "dtype": "uint16"}
    with rasterio.open(path, "w", **profile, transform=rasterio.Affine(2, 0, 7, 0, -2, 9)) as file:
        file.write(np.stack([values] * 3))
    return path


def test_eight_bits_stay_as_they_are(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    pixels = read_single(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels.rgb, rgb)
    assert pixels.valid is None


def test_deep_samples_are_stretched_between_their_own_percentiles(tmp_path: Path) -> None:
    values = (1000 + np.arange(2000, dtype=np.uint16)).reshape(50, 40)
    rgb = read_single(write_deep(tmp_path / "deep.tif", values)).rgb[..., 0].astype(int)
    low, high = np.percentile(values, (0.5, 99.5))
    expected = np.clip((values - low) / (high - low), 0, 1) * 255
    np.testing.assert_allclose(rgb, expected, atol=1)
    assert (rgb.min(), rgb.max()) == (0, 255)


def test_one_value_everywhere_has_no_span(tmp_path: Path) -> None:
    rgb = read_single(write_deep(tmp_path / "flat.tif", np.full((50, 40), 700, np.uint16))).rgb
    assert len(np.unique(rgb)) == 1


def test_what_shows_nothing_or_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.zeros((8, 8, 4), np.uint8)).save(tmp_path / "clear.png")
    with pytest.raises(BadImage, match="no pixel holds image: all are transparent"):
        read_single(tmp_path / "clear.png")
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "large.png")
    monkeypatch.setattr(single, "MAX_PIXELS", 2399)
    with pytest.raises(BadImage, match="60 x 40 pixels are more than"):
        read_single(tmp_path / "large.png")
