import numpy as np
import pytest
import timm
import torch
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer

from segpipe.base.errors import MachineError, UsageError
from segpipe.nn.backbones import Backbone
from segpipe.nn.network import open_network

NORM = ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
VIT = Backbone("tiny", "tiny", "vit", 8, 24, 2, 2, 1, NORM, "none")
CNN = Backbone("r18", "resnet18", "cnn", 32, 512, 5, 0, 0, NORM, "none")


pytestmark = pytest.mark.usefixtures("one_torch_thread")


def tiny_vit():
    torch.manual_seed(0)
    size = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 2}
    return VisionTransformer(**size, num_classes=0, dynamic_img_size=True).eval()


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return timm.create_model("resnet18", num_classes=0).eval()


def opened(row, model, **changes):
    settings = {"device": "cpu", "facet": "token", "blocks": (-1,), "norm": True, "precision": "float32"}
    return open_network(row, model, **(settings | changes))


def pixels(height, width, count=2):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def test_bytes_are_normalised_by_the_row():
    model = tiny_vit()
    images = pixels(24, 40)
    patches, cls = opened(VIT, model)(images)
    x = (images / 255.0 - np.array(NORM[0])) / np.array(NORM[1])
    with torch.inference_mode():
        expected = model.forward_features(torch.from_numpy(x.transpose(0, 3, 1, 2)).float()).numpy()
    assert patches.dtype == np.float32
    np.testing.assert_allclose(patches.reshape(2, 15, 24), expected[:, 1:], atol=1e-5)
    np.testing.assert_allclose(cls, expected[:, 0], atol=1e-5)


def test_dim_and_cls_are_known_beforehand():
    network = opened(VIT, tiny_vit(), facet="key", blocks=(0, 1, 1))
    assert (network.patch, network.dim, network.has_cls) == (8, 72, True)


def test_bfloat16_is_near_float32():
    images = pixels(32, 32)
    exact, _ = opened(VIT, tiny_vit())(images)
    near, _ = opened(VIT, tiny_vit(), precision="bfloat16")(images)
    assert near.dtype == np.float32
    assert 0 < np.abs(near - exact).max() < 0.1


EVA = Backbone("eva", "eva", "vit", 8, 48, 2, 2, 5, NORM, "none")


def tiny_eva():
    torch.manual_seed(0)
    size = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 2, "use_rot_pos_emb": True}
    return Eva(**size, num_reg_tokens=4, num_classes=0, dynamic_img_size=True).eval()


@pytest.mark.parametrize("kind", ["vit", "eva", "cnn"])
def test_features_in_bfloat16_point_where_those_in_float32_do(kind, resnet):
    row, model = {"vit": (VIT, tiny_vit()), "eva": (EVA, tiny_eva()), "cnn": (CNN, resnet)}[kind]
    images = pixels(96, 64)
    exact, near = (opened(row, model, precision=name)(images)[0].astype(float) for name in ("float32", "bfloat16"))
    cosines = (exact * near).sum(-1) / np.linalg.norm(exact, axis=-1) / np.linalg.norm(near, axis=-1)
    assert np.percentile(cosines, 1) >= 0.999


def test_what_overflows_in_bfloat16_is_computed_again_in_float32(monkeypatch):
    network = opened(VIT, tiny_vit(), precision="bfloat16")
    exact, _ = opened(VIT, tiny_vit())(pixels(32, 32))
    features = type(network)._features
    asked = []

    def overflowing(self, x, *, half):
        asked.append(half)
        patches, cls = features(self, x, half=half)
        return (patches * float("inf") if half else patches), cls

    monkeypatch.setattr(type(network), "_features", overflowing)
    patches, _ = network(pixels(32, 32))
    assert asked == [True, False]
    np.testing.assert_array_equal(patches, exact)


def test_a_batch_too_large_for_the_memory_is_halved_and_a_crop_named(monkeypatch):
    network = opened(VIT, tiny_vit())
    images = pixels(32, 32, count=5)
    whole, whole_cls = network(images)
    forward, room = type(network)._forward, 2

    def small(self, images):
        if len(images) > room:
            raise torch.OutOfMemoryError("no")
        return forward(self, images)

    monkeypatch.setattr(type(network), "_forward", small)
    parts, parts_cls = network(images)
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    np.testing.assert_allclose(parts_cls, whole_cls, atol=1e-5)
    room = 0
    with pytest.raises(MachineError, match=r"32 x 32 pixels .*cpu; lower extract\.input_size"):
        network(images)


def test_a_cnn_through_the_same_door(resnet):
    network = opened(CNN, resnet, blocks=(-2,))
    patches, cls = network(pixels(48, 32))
    assert (network.patch, network.dim, network.has_cls) == (16, 256, False)
    assert patches.shape == (2, 3, 2, 256)
    assert cls is None
    with pytest.raises(UsageError, match=r"extract\.facet=key.*r18 has no attention"):
        opened(CNN, resnet, facet="key")
    with pytest.raises(UsageError, match="has 5: 0 to 4"):
        opened(CNN, resnet, blocks=(5,))
