"""Features come as they would come back from a packed store."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.inference.encoder import Encoder, open_encoder, reopen_encoder, round_trip
from segpipe.records.features import FeatureHeader


class Halves:
    """A codec that keeps halves."""

    def round_trip(self, patches):
        return np.round(patches * 2) / 2


def test_round_trip_passes_every_crop_through_the_codec_and_leaves_the_rest():
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    encoder = Encoder(lambda images: (values, values[:, 0, 0]), 8, 5, "w")
    assert round_trip(encoder, None) is encoder
    patches, cls = round_trip(encoder, Halves()).describe(np.zeros((2, 24, 32, 3), np.uint8))
    assert np.abs(patches - values).max() <= 0.25
    assert np.array_equal(patches * 2, np.rint(patches * 2))
    assert np.array_equal(cls, values[:, 0, 0])


def test_the_network_must_be_the_one_of_the_features(tmp_path: Path) -> None:
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=0, dynamic_img_size=True)
    path = tmp_path / "tiny.safetensors"
    save_file(model.state_dict(), path)
    header = FeatureHeader("vit_tiny_patch16_224", "token", (-1,), 64, 16, 192, "mean", False, weights=str(path))
    with pytest.raises(UsageError, match="made by an earlier version and does not name its network"):
        reopen_encoder(header, tmp_path, Runtime())
    named = replace(header, source=open_encoder(header, tmp_path, Runtime()).weights)
    assert reopen_encoder(named, tmp_path, Runtime()).weights == named.source
    with torch.no_grad():
        model.norm.weight.add_(1)
    save_file(model.state_dict(), path)
    with pytest.raises(UsageError, match=r"was made with the weights tiny\.safetensors sha256:\w+, found are tiny"):
        reopen_encoder(named, tmp_path, Runtime())
