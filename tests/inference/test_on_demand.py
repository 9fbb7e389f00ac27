"""Features described when they are asked for."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.geometry import Box, Size
from segpipe.inference.encoder import Encoder
from segpipe.inference.on_demand import LiveFeatures
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.features import FeatureHeader
from tests.helpers.digests import sha256_of


def test_crops_of_an_image_are_described_once_and_hold_its_colors(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    Pillow.fromarray(rgb).save(tmp_path / "a.png")
    size = (tmp_path / "a.png").stat().st_size
    image = Image("a", "a.png", Size(16, 24), "uint8", sha256_of(tmp_path / "a.png"), size)
    corpus = Corpus(tmp_path, (image,), (Crop(0, Box(0, 0, 16, 16)), Crop(0, Box(0, 8, 16, 16))))
    header = FeatureHeader("colors", "mean", (0,), side=16, patch=8, dim=3, pool="mean", flipped=False)
    calls = []

    def describe(images: np.ndarray) -> tuple[np.ndarray, None]:
        calls.append(len(images))
        return images.reshape(len(images), 2, 8, 2, 8, 3).mean(axis=(2, 4)).astype(np.float32), None

    features = LiveFeatures(corpus, header, Encoder(describe, 8, 3, "test"))
    assert calls == []
    for row, left in ((0, 0), (1, 8), (0, 0)):
        mean = rgb[:, left : left + 16].reshape(2, 8, 2, 8, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(features.patches(row), mean, atol=0.1)
        np.testing.assert_allclose(features.vector(row), mean.mean(axis=(0, 1)), rtol=1e-5)
        assert features.valid(row).all()
    assert calls == [2]
    with pytest.raises(ValueError, match="not mirrored"):
        features.patches(0, flipped=True)
