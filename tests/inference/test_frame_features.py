"""Features of frames: those of the last block, or classical ones whitened over the film."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.inference.frame_features import open_frame_features
from tests.helpers.wandering import wandering

VIT = "vit_tiny_patch16_224"
pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_those_of_a_vit_are_its_last_tokens_after_the_norm(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = timm.create_model(VIT, num_classes=0, dynamic_img_size=True).eval()
    save_file(model.state_dict(), tmp_path / "a.safetensors")
    features = open_frame_features(VIT, tmp_path / "a.safetensors", Runtime(), block=-1, samples=list)
    rgb = wandering(0)[0]
    found = features.describe(rgb)
    mean, std = (np.array(values, np.float32) for values in ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))
    x = torch.from_numpy((rgb.astype(np.float32) / 255 - mean) / std).permute(2, 0, 1)[None]
    with torch.no_grad():
        wanted = model.forward_features(x)[0, 1:].reshape(4, 6, -1).numpy()
    np.testing.assert_allclose(found, wanted, atol=2e-5)
    assert (features.patch, features.device) == (16, "cpu")
    assert features.weights.startswith("a.safetensors sha256:")


def test_classical_ones_are_whitened_over_the_samples() -> None:
    samples = [wandering(n)[0] for n in range(4)]
    features = open_frame_features("classical", None, Runtime(), block=-1, samples=lambda: samples)
    every = np.concatenate([features.describe(rgb).reshape(24, -1) for rgb in samples])
    assert np.abs(every.mean(axis=0)).max() < 1e-3
    assert features.name == "classical"
    with pytest.raises(UsageError, match="takes no weights"):
        open_frame_features("classical", Path("a.pth"), Runtime(), block=-1, samples=list)
