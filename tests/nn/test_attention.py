"""CLS attention and rollout against plain numpy on the queries and keys that timm itself compares."""

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.models.vision_transformer import VisionTransformer

from segpipe.base.errors import UsageError
from segpipe.nn import attention, vit

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SMALL = {"num_classes": 0, "dynamic_img_size": True, "depth": 3, "embed_dim": 48, "num_heads": 3}
NETWORKS = {
    "dino 16": "vit_small_patch16_224",
    "dino 8": "vit_small_patch8_224",
    "dinov2": "vit_small_patch14_dinov2",
    "dinov2 with registers": "vit_small_patch14_reg4_dinov2",
    "dinov3": "vit_small_patch16_dinov3",
    "dinov3 with biases": "vit_small_patch16_dinov3_qkvb",
}


def shaken(model):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():  # norms, scales and biases must not stay as they begin
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@pytest.fixture(scope="module", params=NETWORKS.values(), ids=NETWORKS.keys())
def model(request):
    torch.manual_seed(3)
    return shaken(timm.create_model(request.param, **SMALL))


def images(model, rows, cols, count=2):
    side = model.patch_embed.patch_size[0]
    return torch.randn(count, 3, rows * side, cols * side, generator=torch.Generator().manual_seed(rows * 31 + cols))


def plain_maps(model, x):
    """(blocks, B, heads, N, N) float64: softmax(Q K^T / sqrt(d)) of what timm hands to torch's attention."""
    met = []
    real = torch.nn.functional.scaled_dot_product_attention

    def record(query, key, value, **options):
        met.append((query, key))
        return real(query, key, value, **options)

    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(torch.nn.functional, "scaled_dot_product_attention", record)
        model.forward_features(x)
    assert len(met) == len(model.blocks)
    maps = []
    for query, key in met:
        q, k = query.double().numpy(), key.double().numpy()
        scores = np.exp(np.einsum("bhid,bhjd->bhij", q, k) / np.sqrt(q.shape[-1]))
        maps.append(scores / scores.sum(-1, keepdims=True))
    return np.stack(maps)


def plain_rollout(maps):
    """Abnar and Zuidema: the product of (A + I) / 2, the first block on the right."""
    product = np.eye(maps.shape[-1])
    for one in maps.mean(axis=2):  # over heads
        product = (one + np.eye(maps.shape[-1])) / 2 @ product
    return product


@torch.inference_mode()
@pytest.mark.parametrize("block", [0, 1, -1])
@pytest.mark.parametrize("grid", [(5, 3), (4, 7), (1, 1)])
def test_maps_and_rollout_agree_with_plain_numpy(model, block, grid):
    x = images(model, *grid)
    prefix = model.num_prefix_tokens
    plain = plain_maps(model, x)
    heads, rollout = attention.cls_attention(model, x, block=block, rollout=True)
    assert heads.shape == (2, 3, *grid)
    assert rollout.shape == (2, *grid)
    expected = plain[block][:, :, 0, prefix:]
    np.testing.assert_allclose(heads.flatten(2), expected, atol=1e-5, rtol=0)
    wanted = plain_rollout(plain[: block % 3 + 1])[:, 0, prefix:]
    np.testing.assert_allclose(rollout.flatten(1), wanted, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_the_row_of_cls_is_that_of_the_whole_map(model):
    x = images(model, 3, 4)
    heads, none = attention.cls_attention(model, x, block=1, rollout=False)
    whole = vit.attention(model, x, 1)[:, :, 0, model.num_prefix_tokens :]
    torch.testing.assert_close(heads.flatten(2), whole, atol=1e-6, rtol=1e-5)
    assert none is None


@torch.inference_mode()
@settings(max_examples=15, deadline=None)
@given(st.integers(1, 400))
def test_rollout_does_not_depend_on_how_much_is_made_at_once(budget):
    torch.manual_seed(0)
    model = shaken(VisionTransformer(img_size=32, patch_size=8, **SMALL))
    steps = list(vit.walk(model, images(model, 3, 5), 2))
    rolled = attention.attention_rollout(steps, budget=budget)
    torch.testing.assert_close(rolled, attention.attention_rollout(steps), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(rolled.sum(1), torch.ones(2))


def test_a_network_without_cls_says_so():
    model = VisionTransformer(img_size=16, patch_size=8, class_token=False, global_pool="avg", **SMALL).eval()
    with pytest.raises(UsageError, match="no CLS token"):
        attention.cls_attention(model, images(model, 2, 2), block=-1, rollout=False)


def test_a_block_that_does_not_exist_is_named(model):
    with pytest.raises(UsageError, match=r"names block 3; this network has 3"):
        attention.cls_attention(model, images(model, 2, 2), block=3, rollout=False)


@torch.inference_mode()
@pytest.mark.parametrize("block", [1, -1])
def test_one_pass_gives_the_map_and_the_features(model, block):
    """The map against plain numpy, the tokens against timm's own forward pass and against `extract_facets`."""
    x = images(model, 3, 4)
    seen, patches, cls = attention.cls_attention_and_tokens(model, x, block=block)
    expected = plain_maps(model, x)[block][:, :, 0, model.num_prefix_tokens :].mean(axis=1)
    np.testing.assert_allclose(seen.flatten(1).numpy(), expected, atol=1e-5)
    facets = vit.extract_facets(model, x, facet="token", blocks=(block,), norm=True)
    torch.testing.assert_close(patches, facets[0])
    torch.testing.assert_close(cls, facets[1])
    if block == -1:
        torch.testing.assert_close(cls, model.forward_features(x)[:, 0])
