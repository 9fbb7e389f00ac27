"""Maps, features and vectors of a backbone view against what timm itself gives, and against plain numpy."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from segpipe.base.errors import MachineError, UsageError
from segpipe.base.runtime import Runtime
from segpipe.inference import backbone_view
from segpipe.inference.backbone_view import (
    BackboneView,
    fit_to_images,
    mahalanobis_map,
    open_backbone_view,
    relative_to_uniform,
)
from segpipe.nn import classical

pytestmark = pytest.mark.usefixtures("one_torch_thread")

VIT, CNN = "vit_tiny_patch16_224", "resnet10t"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, found = tmp_path_factory.mktemp("weights"), {}
    for name in (VIT, CNN):
        torch.manual_seed(0)
        found[name] = folder / f"{name}.safetensors"
        save_file(timm.create_model(name, num_classes=0).state_dict(), found[name])
    return found


def opened(name: str, weights: dict[str, Path], **more: bool | int) -> BackboneView:
    return open_backbone_view(name, weights.get(name), Runtime(), **({"block": -1} | more))  # type: ignore[arg-type]


def pixels(count: int, height: int = 64, width: int = 96) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def normalized(model: torch.nn.Module, images: np.ndarray) -> torch.Tensor:
    mean, std = (np.array(model.pretrained_cfg[key]) for key in ("mean", "std"))  # type: ignore[index]
    return torch.from_numpy((images / 255 - mean) / std).float().permute(0, 3, 1, 2)


@torch.inference_mode()
def test_features_of_a_vit_are_timms(weights: dict[str, Path]) -> None:
    torch.manual_seed(0)
    model = timm.create_model(VIT, num_classes=0, dynamic_img_size=True).eval()
    images = pixels(3)
    expected = model.forward_features(normalized(model, images)).numpy()
    view = opened(VIT, weights)
    assert (view.kind, view.where, view.patch) == ("attention", "block 11 of 0 to 11", 16)
    assert view.weights == weights[VIT].name
    found = view.patch_views(list(images))
    np.testing.assert_allclose(
        np.stack([each.patches for each in found]).reshape(3, 24, -1), expected[:, 1:], atol=1e-4
    )
    np.testing.assert_allclose(np.stack([each.vector for each in found]), expected[:, 0], atol=1e-4)
    for each, maps in zip(found, view.attention_maps(images), strict=True):
        np.testing.assert_allclose(each.map, maps["mean"], atol=1e-6)


def test_rollout_is_made_where_it_is_wanted(weights: dict[str, Path]) -> None:
    heads = ("head00", "head01", "head02")
    assert opened(VIT, weights).maps == ("mean", *heads)
    view = opened(VIT, weights, rollout=True, block=1)
    assert view.maps == ("mean", *heads, "rollout")
    assert view.heads == heads
    assert view.where == "block 1 of 0 to 11"


@torch.inference_mode()
def test_activation_of_a_cnn_is_the_mean_square_of_its_stage(weights: dict[str, Path]) -> None:
    torch.manual_seed(0)
    model = timm.create_model(CNN, num_classes=0).eval()
    images = pixels(2)
    expected = model.forward_features(normalized(model, images)).numpy().transpose(0, 2, 3, 1)
    view = opened(CNN, weights)
    assert (view.kind, view.maps, view.patch, view.heads) == ("activation", ("activation",), 32, ())
    for each, maps, features in zip(view.patch_views(list(images)), view.attention_maps(images), expected, strict=True):
        np.testing.assert_allclose(each.patches, features, atol=1e-4)
        np.testing.assert_allclose(each.map, np.square(features).mean(axis=-1), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(each.vector, features.mean(axis=(0, 1)), atol=1e-4)
        np.testing.assert_array_equal(maps["activation"], each.map)


def test_large_batches_are_cut_and_cut_again_where_memory_is_short(
    weights: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from segpipe.nn import attention

    view, images = opened(VIT, weights), pixels(7, 32, 32)
    whole = view.patch_views(list(images))
    real, met, room = attention.cls_attention_and_tokens, [], 2

    def small(model, x, *, block):  # type: ignore[no-untyped-def]
        met.append(len(x))
        if len(x) > room:
            raise torch.OutOfMemoryError("no")
        return real(model, x, block=block)

    monkeypatch.setattr(attention, "cls_attention_and_tokens", small)
    parts = view.patch_views(list(images))
    assert met == [4, 2, 2, 3, 1, 2]
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one.patches, other.patches, atol=1e-5)
    room = 0
    with pytest.raises(
        MachineError, match=r"an image of 32 x 32 pixels .* lower extract.input_size, or give runtime.device=cpu"
    ):
        view.patch_views(list(images))


def test_a_mahalanobis_map_by_way_of_the_singular_values() -> None:
    """With X = U S V' centered and scaled by groups, directions of variance v count U^2 n v / (v + shrinkage)."""
    raw = classical.raw_features(np.random.default_rng(0).integers(0, 256, (160, 192, 3), np.uint8))
    x = raw.reshape(120, -1).astype(float)
    x -= x.mean(axis=0)
    start = 0
    for length in classical.GROUPS.values():
        group = x[:, start : start + length]
        group /= np.sqrt(group.var(axis=0).sum())
        start += length
    left, singular, _ = np.linalg.svd(x, full_matrices=False)
    variance = singular[: classical.DIM] ** 2 / 120
    variance = variance[variance > 1e-6 * variance[0]]
    weights = 120 * variance / (variance + classical._SHRINK * variance[0])
    expected = (left[:, : len(variance)] ** 2 * weights).mean(axis=1)
    found = mahalanobis_map(raw)
    assert found.shape == (10, 12)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-3)


def test_classical_features_wait_for_all_images() -> None:
    view = open_backbone_view("classical", None, Runtime(workers=2), block=-1)
    images = list(pixels(3))
    assert view.lanes == 2
    with pytest.raises(ValueError, match="fit_to_images"):
        view.patch_views(images)
    fitted = fit_to_images(view, iter(images))
    stacked = np.concatenate([each.patches.reshape(-1, each.patches.shape[-1]) for each in fitted.patch_views(images)])
    np.testing.assert_allclose(stacked.mean(axis=0), 0, atol=1e-3)
    for each, maps in zip(fitted.patch_views(images), view.attention_maps(np.stack(images)), strict=True):
        np.testing.assert_array_equal(each.map, maps["activation"])
        np.testing.assert_allclose(each.vector, each.patches.mean(axis=(0, 1)), atol=1e-6)


def test_networks_need_no_fit(weights: dict[str, Path]) -> None:
    view = opened(VIT, weights)
    assert fit_to_images(view, iter(())) is view


def test_a_uniform_map_is_one() -> None:
    assert relative_to_uniform(np.full((3, 4), 1 / 12, np.float32), "attention") == pytest.approx(1)
    assert relative_to_uniform(np.full((3, 4), 77, np.float32), "activation") == pytest.approx(1)
    assert relative_to_uniform(np.zeros((3, 4), np.float32), "activation") == pytest.approx(0)


def test_what_cannot_be_opened_is_refused(weights: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"extract.backbone=classical takes no weights; leave out .*w\.pth"):
        open_backbone_view("classical", tmp_path / "w.pth", Runtime(), block=-1)
    with pytest.raises(UsageError, match="this network has 12: 0 to 11"):
        opened(VIT, weights, block=12)
    assert open_backbone_view("classical", None, Runtime(), block=0).where == backbone_view.MAHALANOBIS


def test_classical_responds_to_what_is_unlike_the_rest() -> None:
    view = open_backbone_view("classical", None, Runtime(), block=-1, rollout=True)
    assert (view.kind, view.maps) == ("activation", ("activation",))
    rgb = np.random.default_rng(0).integers(90, 110, (1, 96, 128, 3)).astype(np.uint8)
    rgb[0, 32:48, 64:80] = (250, 10, 10)
    (maps,) = view.attention_maps(rgb)
    assert maps["activation"].shape == (6, 8)
    assert np.unravel_index(maps["activation"].argmax(), (6, 8)) == (2, 4)
    (alone,) = view.attention_maps(np.full((1, 16, 16, 3), 9, np.uint8))  # one patch has nothing to differ from
    assert np.isfinite(alone["activation"]).all()
