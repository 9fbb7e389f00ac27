"""Our ViT features against a plain statement of the DINO forward pass (arXiv 2010.11929, 2104.14294)."""

import math

import pytest
import timm
import torch
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer

from segpipe.base.errors import UsageError
from segpipe.nn import vit

PATCH, WIDTH, HEADS, DEPTH = 8, 48, 3, 4


pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = VisionTransformer(
        img_size=32,
        patch_size=PATCH,
        embed_dim=WIDTH,
        depth=DEPTH,
        num_heads=HEADS,
        num_classes=0,
        dynamic_img_size=True,
    )
    return shaken(model)


def shaken(model):
    with torch.no_grad():
        for parameter in model.parameters():  # norms and biases must not stay at 1 and 0
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    return model.eval()


def images(height=32, width=32, count=2):
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(2))


def layer_norm(x, weight, bias, eps=1e-6):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + eps) * weight + bias


def plain_forward(p, x):
    """Every block's queries, keys, values, attention and output for square inputs of the training size."""
    count, _, height, width = x.shape
    rows, cols = height // PATCH, width // PATCH
    tiles = x.reshape(count, 3, rows, PATCH, cols, PATCH).permute(0, 2, 4, 1, 3, 5).reshape(count, rows * cols, -1)
    tokens = tiles @ p["patch_embed.proj.weight"].reshape(WIDTH, -1).T + p["patch_embed.proj.bias"]
    tokens = torch.cat([p["cls_token"].repeat(count, 1, 1), tokens], dim=1) + p["pos_embed"]
    levels = []
    for i in range(DEPTH):
        block = {k.removeprefix(f"blocks.{i}."): v for k, v in p.items() if k.startswith(f"blocks.{i}.")}
        normed = layer_norm(tokens, block["norm1.weight"], block["norm1.bias"])
        joint = normed @ block["attn.qkv.weight"].T + block["attn.qkv.bias"]
        q, k, v = joint[..., :WIDTH], joint[..., WIDTH : 2 * WIDTH], joint[..., 2 * WIDTH :]
        size = WIDTH // HEADS
        maps, outs = [], []
        for h in range(HEADS):
            span = slice(h * size, (h + 1) * size)
            scores = torch.einsum("bid,bjd->bij", q[..., span], k[..., span]) / math.sqrt(size)
            weights = torch.exp(scores - scores.amax(-1, keepdim=True))
            weights = weights / weights.sum(-1, keepdim=True)
            maps.append(weights)
            outs.append(torch.einsum("bij,bjd->bid", weights, v[..., span]))
        tokens = tokens + torch.cat(outs, -1) @ block["attn.proj.weight"].T + block["attn.proj.bias"]
        normed = layer_norm(tokens, block["norm2.weight"], block["norm2.bias"])
        hidden = normed @ block["mlp.fc1.weight"].T + block["mlp.fc1.bias"]
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        tokens = tokens + hidden @ block["mlp.fc2.weight"].T + block["mlp.fc2.bias"]
        final = layer_norm(tokens, p["norm.weight"], p["norm.bias"])
        levels.append(
            {"query": q, "key": k, "value": v, "attention": torch.stack(maps, 1), "token": tokens, "norm": final}
        )
    return levels


@torch.inference_mode()
@pytest.mark.parametrize("facet", ["token", "key", "query", "value"])
@pytest.mark.parametrize("blocks", [(-1,), (1,), (-1, 0, 2)])
@pytest.mark.parametrize("norm", [True, False])
def test_facets_agree_with_the_plain_forward_pass(model, facet, blocks, norm):
    levels = plain_forward(dict(model.named_parameters()), images())
    patches, cls = vit.extract_facets(model, images(), facet=facet, blocks=blocks, norm=norm)
    name = "norm" if facet == "token" and norm else facet
    expected = torch.cat([levels[b][name] for b in blocks], dim=-1)
    assert patches.shape == (2, 4, 4, WIDTH * len(blocks))
    torch.testing.assert_close(patches.flatten(1, 2), expected[:, 1:], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(cls, expected[:, 0], atol=1e-4, rtol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("block", [0, 2, -1])
def test_attention_agrees_with_the_plain_forward_pass(model, block):
    expected = plain_forward(dict(model.named_parameters()), images())[block]["attention"]
    torch.testing.assert_close(vit.attention(model, images(), block), expected, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_any_grid_agrees_with_timm(model):
    x = images(40, 24)
    patches, cls = vit.extract_facets(model, x, facet="token", blocks=(-1,), norm=True)
    expected = model.forward_features(x)
    assert patches.shape == (2, 5, 3, WIDTH)
    torch.testing.assert_close(patches.flatten(1, 2), expected[:, 1:])
    torch.testing.assert_close(cls, expected[:, 0])


REGISTERS = {
    "dinov2": "vit_small_patch14_reg4_dinov2",
    "dinov3": "vit_small_patch16_dinov3",
    "dinov3 with biases": "vit_small_patch16_dinov3_qkvb",
}


@pytest.fixture(scope="module", params=REGISTERS.values(), ids=REGISTERS.keys())
def with_registers(request):
    torch.manual_seed(3)
    model = timm.create_model(
        request.param, num_classes=0, dynamic_img_size=True, depth=2, embed_dim=WIDTH, num_heads=HEADS
    )
    return shaken(model)


@torch.inference_mode()
def test_registers_are_no_patches(with_registers):
    model = with_registers
    side = model.patch_embed.patch_size[0]
    x = images(5 * side, 3 * side)
    expected = model.forward_features(x)
    patches, cls = vit.extract_facets(model, x, facet="token", blocks=(-1,), norm=True)
    assert model.num_prefix_tokens == 5
    assert expected.shape[1] == 5 + 15
    torch.testing.assert_close(patches.flatten(1, 2), expected[:, 5:])
    torch.testing.assert_close(cls, expected[:, 0])


def embedded(model, x):
    parts = model._pos_embed(model.patch_embed(x))
    return parts if isinstance(parts, tuple) else (parts,)


@torch.inference_mode()
def test_attention_and_values_make_up_the_block(with_registers):
    """The block's own attention output must follow from our maps and values, rotary positions included."""
    model = with_registers
    side = model.patch_embed.patch_size[0]
    x = images(3 * side, 4 * side)
    seen = {}
    handle = model.blocks[-1].attn.proj.register_forward_pre_hook(lambda _, args: seen.update(joined=args[0]))
    model.forward_features(x)
    handle.remove()
    maps = vit.attention(model, x, -1)
    torch.testing.assert_close(maps.sum(-1), torch.ones(maps.shape[:-1]), atol=1e-5, rtol=0)
    patches, cls = vit.extract_facets(model, x, facet="value", blocks=(-1,), norm=True)
    assert patches.shape == (2, 3, 4, WIDTH)
    assert cls.shape == (2, WIDTH)
    _, _, values = vit.projections(model.blocks[-1], model.blocks[0](*embedded(model, x)))
    torch.testing.assert_close(patches.flatten(1, 2), values.transpose(1, 2).flatten(2)[:, 5:])
    torch.testing.assert_close((maps @ values).transpose(1, 2).flatten(2), seen["joined"], atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_the_forward_pass_ends_with_the_last_block_needed_and_leaves_no_hook(model):
    calls = []
    handles = [b.register_forward_pre_hook(lambda *_, i=i: calls.append(i)) for i, b in enumerate(model.blocks)]
    vit.extract_facets(model, images(), facet="token", blocks=(1, 0), norm=True)
    assert calls == [0, 1]
    calls.clear()
    vit.extract_facets(model, images(), facet="key", blocks=(1,), norm=True)
    assert calls == [0]
    for handle in handles:
        handle.remove()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_a_network_without_cls_has_no_cls_vector():
    model = VisionTransformer(
        img_size=16, patch_size=8, embed_dim=12, depth=1, num_heads=1, num_classes=0, class_token=False,
        reg_tokens=2, global_pool="avg", dynamic_img_size=True,
    ).eval()  # fmt: skip
    patches, cls = vit.extract_facets(model, images(16, 16), facet="token", blocks=(0,), norm=True)
    assert patches.shape == (2, 2, 2, 12)
    assert cls is None


@torch.inference_mode()
@pytest.mark.parametrize("variant", [{"rope_type": "mixed"}, {"qkv_fused": False, "num_kv_heads": 1}])
def test_rotary_variants_agree_with_timm(variant):
    torch.manual_seed(4)
    model = shaken(
        Eva(
            img_size=16, patch_size=8, embed_dim=24, depth=2, num_heads=2, num_classes=0, dynamic_img_size=True,
            use_rot_pos_emb=True, qk_norm=True, attn_type="rope", global_pool="avg", use_fc_norm=False, **variant,
        )
    )  # fmt: skip
    x = images(24, 16)
    patches, _ = vit.extract_facets(model, x, facet="token", blocks=(-1,), norm=True)
    torch.testing.assert_close(patches.flatten(1, 2), model.forward_features(x)[:, model.num_prefix_tokens :])
    keys, _ = vit.extract_facets(model, x, facet="key", blocks=(-1,), norm=True)
    assert keys.shape == (2, 3, 2, 12 * variant.get("num_kv_heads", 2))
    assert vit.attention(model, x, -1).shape == (2, 2, 7, 7)


@pytest.mark.parametrize("blocks", [(4,), (-5,), ()])
def test_a_block_that_does_not_exist_is_named(model, blocks):
    with pytest.raises(UsageError, match=r"extract\.blocks=\[.*has 4: 0 to 3, or -1 \(the last\) to -4"):
        vit.extract_facets(model, images(), facet="token", blocks=blocks, norm=True)
