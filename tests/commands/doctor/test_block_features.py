"""Features of several blocks: timm's own, from one pass."""

from typing import Any

import numpy as np
import pytest
import timm
import torch
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer

from segpipe.base.errors import MachineError, UsageError
from segpipe.base.geometry import Size
from segpipe.base.runtime import Runtime
from segpipe.commands.doctor import block_features as seen
from segpipe.images.sources import SourceImage
from segpipe.nn import classical
from segpipe.nn.backbones import Backbone, find_backbone
from segpipe.ops.drawing.reef import reef_scene

pytestmark = pytest.mark.usefixtures("one_torch_thread")

NORM = ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
SIZES = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 2, "num_classes": 0}


def learned() -> Any:
    return VisionTransformer(**SIZES, reg_tokens=2, dynamic_img_size=True)


def rotary() -> Any:
    """As DINOv3 is: rotary positions, registers."""
    own = {"use_rot_pos_emb": True, "use_abs_pos_emb": False, "num_reg_tokens": 4, "use_fc_norm": False}
    return Eva(**SIZES, **own, dynamic_img_size=True)


def photo(height: int, width: int, seed: int = 0) -> SourceImage:
    return SourceImage("photo", reef_scene(np.random.default_rng(seed), Size(height, width))[0], None)


def opened(monkeypatch: pytest.MonkeyPatch, model: Any, row: Backbone) -> seen.Eye:
    monkeypatch.setattr(seen, "load_network", lambda row, weights: (model, "a file"))
    eye = seen.open_eye(row, None, Runtime())
    assert eye is not None
    return eye


@pytest.mark.parametrize("depth", [1, 2, 12, 13, 24, 40])
def test_the_blocks_that_are_shown(depth: int) -> None:
    blocks = seen.shown_blocks(depth)
    assert len(blocks) == min(depth, len(blocks)) <= seen.MOST_BLOCKS
    assert blocks[-1] == depth - 1
    assert len(set(np.diff(blocks))) <= 1
    assert depth > 12 or blocks == tuple(range(depth))


@pytest.mark.parametrize("make", [learned, rotary])
def test_every_block_is_timms_and_an_image_passes_once(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = make().eval()
    torch.nn.init.normal_(model.norm.weight)  # so that the norm of another network would be seen
    row = Backbone("tiny", "tiny", "vit", 8, 24, 3, 2, model.num_prefix_tokens, NORM, "none")
    eye = opened(monkeypatch, model, row)
    passed: list[int] = []
    model.blocks[0].register_forward_hook(lambda *_: passed.append(1))
    image = photo(24, 40).rgb
    features, norms = eye.see(image)
    assert len(passed) == 1
    x = (image[None] / 255.0 - np.array(NORM[0])) / np.array(NORM[1])
    batch = torch.from_numpy(x.transpose(0, 3, 1, 2)).float()
    with torch.inference_mode():
        raw, normed = (
            model.forward_intermediates(batch, norm=norm, output_fmt="NLC", intermediates_only=True)
            for norm in (False, True)
        )
    assert norms is not None
    assert eye.blocks == (0, 1, 2)
    assert eye.depth == 3
    for i in range(3):
        np.testing.assert_allclose(features[i].reshape(15, 24), normed[i][0].numpy(), atol=1e-4)
        np.testing.assert_allclose(norms[i].ravel(), raw[i][0].norm(dim=-1).numpy(), rtol=1e-4)


def test_a_cnn_shows_its_last_stage_and_has_no_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = timm.create_model("resnet18", num_classes=0).eval()
    eye = opened(monkeypatch, model, Backbone("r18", "resnet18", "cnn", 32, 512, 5, 0, 0, NORM, "none"))
    image = photo(64, 96).rgb
    (features,), norms = eye.see(image)
    x = (image[None] / 255.0 - np.array(NORM[0])) / np.array(NORM[1])
    with torch.inference_mode():
        expected = model.forward_features(torch.from_numpy(x.transpose(0, 3, 1, 2)).float())[0].permute(1, 2, 0)
    assert norms is None
    assert (eye.blocks, eye.depth, eye.patch) == ((4,), 5, 32)
    np.testing.assert_allclose(features, expected.numpy(), atol=1e-4)


def test_classical_features_are_whitened_over_the_images() -> None:
    row = find_backbone("classical")
    cuts = [seen.cut_image(photo(64, 96, i), side=80, patch=16, row=i) for i in range(4)]
    eye = seen.classical_eye(row, cuts, Runtime())
    whitening = classical.fit_whitening([classical.raw_features(item.rgb)[item.valid] for item in cuts])
    (features,), norms = eye.see(cuts[0].rgb)
    np.testing.assert_allclose(features, classical.describe(cuts[0].rgb, whitening), atol=1e-5)
    assert norms is None
    assert seen.open_eye(row, None, Runtime()) is None


def test_classical_takes_no_weights(tmp_path: Any) -> None:
    with pytest.raises(UsageError, match=r"takes no weights; leave out .*mine\.pth"):
        seen.open_eye(find_backbone("classical"), tmp_path / "mine.pth", Runtime())


def planted_eye(bad: float = 0.0) -> seen.Eye:
    """Its first block tells the place of a patch, its second the color of the image."""

    def see(image: Any) -> seen.Seen:
        rows, cols = image.shape[0] // 8, image.shape[1] // 8
        place = np.stack(np.mgrid[:rows, :cols], axis=-1).astype(np.float32)
        color = np.full((rows, cols, 1), image.mean() + bad, np.float32)
        return [place, color], [place.sum(axis=-1), color[..., 0]]

    return seen.Eye(see, (3, 7), 8, 8, "planted", "cpu", 2)


def test_patches_keep_their_place_and_their_image_in_all_blocks() -> None:
    images = [SourceImage("a", np.full((200, 240, 3), value, np.uint8), None) for value in (10, 90)]
    cuts = [seen.cut_image(image, side=240, patch=8, row=i) for i, image in enumerate(images)]
    found = seen.see_all(planted_eye(), cuts, Runtime(), seed=0)
    grid = cuts[0].valid.shape
    assert found.norms is not None
    assert np.bincount(found.images).tolist() == [seen.PATCHES, seen.PATCHES]
    np.testing.assert_allclose(found.places * grid - 0.5, found.blocks[0], atol=1e-9)
    np.testing.assert_allclose(found.norms[0], found.blocks[0].sum(axis=1), atol=1e-9)
    assert found.blocks[1][:, 0].tolist() == np.array([10, 90])[found.images].tolist()
    again = seen.see_all(planted_eye(), cuts, Runtime(workers=2), seed=0)
    other = seen.see_all(planted_eye(), cuts, Runtime(), seed=1)
    assert np.array_equal(again.places, found.places)
    assert not np.array_equal(other.places, found.places)


def test_patches_without_image_are_left_out() -> None:
    valid = np.ones((80, 80), bool)
    valid[:40] = False
    item = seen.cut_image(SourceImage("half", np.zeros((80, 80, 3), np.uint8), valid), side=80, patch=8, row=0)
    found = seen.see_all(planted_eye(), [item], Runtime(), seed=0)
    assert len(found.images) == 50
    assert found.places[:, 0].min() > 0.5


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e6])
def test_what_is_not_finite_is_an_error(bad: float) -> None:
    item = seen.cut_image(photo(80, 80), side=80, patch=8, row=0)
    with pytest.raises(MachineError, match="not finite"):
        seen.see_all(planted_eye(bad), [item], Runtime(), seed=0)
