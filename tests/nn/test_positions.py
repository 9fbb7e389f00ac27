"""Positions on other grids against values of the authors' code, and whole networks against timm's made for the grid."""

import numpy as np
import pytest
import timm
import torch
from timm.layers import resample_abs_pos_embed
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer

from segpipe.base.errors import UsageError
from segpipe.nn import positions, vit

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SIDES = {8: 28, 16: 14, 14: 37}  # patches a side at the size of the training: 224, DINOv2 518

# rule, patch, height and width of the input: two numbers of the first, a middle and the last position, from
# `interpolate_pos_encoding` of github.com/facebookresearch/dino (patch 8 and 16) and .../dinov2 (14; `timm`: the one
# with registers, whose rule is timm's)
ORIGINAL = {
    ("dino", 8, 224, 224): [[-0.26428, -0.967835], [-2.874294, 0.422756], [-0.910115, -0.059837]],
    ("dino", 8, 112, 112): [[0.417451, -0.592387], [-0.164272, 1.174232], [0.138498, -0.853675]],
    ("dino", 8, 448, 448): [[-0.348348, -1.107447], [-0.396104, 0.785772], [-1.23148, -0.113836]],
    ("dino", 8, 336, 560): [[-0.341086, -1.140926], [0.0979, 1.006911], [-1.19013, -0.113175]],
    ("dino", 8, 560, 224): [[-0.318294, -0.834888], [-2.193563, -0.109243], [-0.909135, -0.02067]],
    ("dino", 16, 224, 224): [[0.173977, -0.072337], [1.920328, -0.621324], [0.12539, -0.807959]],
    ("dino", 16, 112, 112): [[-0.305281, -0.249911], [-1.075733, 1.078505], [-0.700083, -0.322984]],
    ("dino", 16, 448, 448): [[0.618942, -0.091218], [0.253539, -0.208905], [0.3428, -0.824656]],
    ("dino", 16, 336, 560): [[0.593891, -0.093312], [0.963283, -1.100862], [0.301536, -0.878413]],
    ("dino", 16, 560, 224): [[0.34911, -0.058194], [-1.782341, 0.688455], [0.181902, -0.581727]],
    ("dino", 14, 224, 224): [[1.160469, -0.509498], [-0.109278, 1.364397], [0.01417, 0.201875]],
    ("dino", 14, 112, 112): [[0.65788, -0.070643], [2.09003, 0.180597], [0.784874, 0.346635]],
    ("dino", 14, 448, 448): [[0.305327, -1.153036], [0.031585, 0.371085], [1.465789, 0.257813]],
    ("dino", 14, 336, 560): [[-0.224528, -1.321185], [0.426393, 0.075455], [1.824543, 0.509616]],
    ("dino", 14, 560, 224): [[1.270239, 0.420308], [0.411031, 0.443558], [0.178985, -0.184398]],
    ("dino", 14, 518, 518): [[0.346647, -1.300346], [-0.865665, 2.457923], [1.689126, 0.294661]],
    ("timm", 14, 224, 224): [[0.570101, -0.640958], [-0.146274, 0.572356], [0.356488, 0.07221]],
    ("timm", 14, 112, 112): [[0.067554, -0.247471], [0.208366, -0.148411], [-0.196405, 0.20723]],
    ("timm", 14, 448, 448): [[0.314736, -1.003172], [-0.049127, 0.197325], [1.571244, 0.280948]],
    ("timm", 14, 336, 560): [[-0.4668, -1.312372], [0.347764, 0.255891], [1.880749, 0.396469]],
    ("timm", 14, 560, 224): [[0.847848, -0.181162], [-0.314545, 0.300496], [0.642994, 0.460785]],
    ("timm", 14, 518, 518): [[0.346647, -1.300346], [-0.865665, 2.457923], [1.689126, 0.294661]],
}


def drawn(side: int) -> torch.Tensor:
    values = np.random.RandomState(side).normal(size=(1, side * side + 1, 2))  # its stream never changes
    return torch.from_numpy(values.astype(np.float32))


@pytest.mark.parametrize(("rule", "patch", "height", "width"), ORIGINAL)
def test_positions_are_those_of_the_authors(rule: str, patch: int, height: int, width: int) -> None:
    rows, cols = height // patch, width // patch
    if rule == "dino":
        found = positions.interpolate(drawn(SIDES[patch])[:, 1:], rows, cols)[0]
    else:
        found = resample_abs_pos_embed(drawn(SIDES[patch]), [rows, cols])[0, 1:]
    assert found.shape == (rows * cols, 2)
    some = found[[0, rows * cols // 2 + 1, -1]]
    np.testing.assert_allclose(some, ORIGINAL[rule, patch, height, width], atol=2e-6)


def test_half_precision_stays_half_and_is_interpolated_in_float() -> None:
    given = drawn(14)[:, 1:]
    half = positions.interpolate(given.bfloat16(), 20, 9)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half, positions.interpolate(given.bfloat16().float(), 20, 9).bfloat16())


SIZE = {"patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 2, "num_classes": 0}
KINDS = [{}, {"reg_tokens": 3, "no_embed_class": True}, {"class_token": False, "global_pool": "avg"}]


def made(**settings: object) -> VisionTransformer:
    torch.manual_seed(0)
    return VisionTransformer(**SIZE, **settings).eval()  # type: ignore[arg-type]


@torch.inference_mode()
@pytest.mark.parametrize("kind", KINDS, ids=["cls", "registers", "patches alone"])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 64), (16, 16), (40, 88), (16, 64)])
def test_a_network_computes_as_one_made_for_that_grid(kind: dict[str, object], height: int, width: int) -> None:
    """timm's own forward pass, without any interpolation, of a network that holds the positions wanted."""
    model, other = made(img_size=32, dynamic_img_size=True, **kind), made(img_size=(height, width), **kind)
    weights = model.state_dict()
    prefix = weights["pos_embed"].shape[1] - 16
    places = positions.interpolate(weights["pos_embed"][:, prefix:], height // 8, width // 8)
    other.load_state_dict(weights | {"pos_embed": torch.cat([weights["pos_embed"][:, :prefix], places], dim=1)})
    positions.set_rule(model, "dino", name="made")
    x = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1))
    patches, _ = vit.extract_facets(model, x, facet="token", blocks=(-1,), norm=True)
    expected = other.forward_features(x)[:, other.num_prefix_tokens :]
    torch.testing.assert_close(patches.flatten(1, 2), expected)
    positions.set_rule(model, "timm", name="made")
    by_timm, _ = vit.extract_facets(model, x, facet="token", blocks=(-1,), norm=True)
    torch.testing.assert_close(by_timm.flatten(1, 2), model.forward_features(x)[:, model.num_prefix_tokens :])
    same = torch.allclose(by_timm, patches, atol=1e-5)
    assert same == ((height, width) == (32, 32))  # on the grid of the training the two rules agree


@torch.inference_mode()
def test_attention_follows_the_rule_too() -> None:
    model = made(img_size=32, dynamic_img_size=True)
    x = torch.randn(1, 3, 64, 48, generator=torch.Generator().manual_seed(1))
    maps = {}
    for rule in ("dino", "timm"):
        positions.set_rule(model, rule, name="made")
        maps[rule] = vit.attention(model, x, -1)
    assert not torch.allclose(maps["dino"], maps["timm"], atol=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(lambda: timm.create_model("resnet18", num_classes=0), id="no ViT"),
        pytest.param(lambda: timm.create_model("vit_small_patch16_dinov3", depth=1, embed_dim=48), id="rotary"),
        pytest.param(lambda: made(img_size=(32, 64), dynamic_img_size=True), id="not square"),
        pytest.param(lambda: VisionTransformerDistilled(img_size=32, **SIZE), id="positions of its own kind"),
        pytest.param(lambda: made(img_size=32, pos_embed="none"), id="no positions"),
    ],
)
def test_a_network_without_positions_of_a_square_is_refused(model) -> None:  # type: ignore[no-untyped-def]
    network = model()
    with pytest.raises(
        UsageError, match=r"extract\.positions=dino: extract\.backbone=n has no learned .*positions=auto"
    ):
        positions.set_rule(network, "dino", name="n")
    positions.set_rule(network, "timm", name="n")
