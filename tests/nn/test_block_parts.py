"""What a block compares and makes, against what timm itself hands to torch's attention, and its own forward pass."""

import pytest
import timm
import torch

from segpipe.base.errors import UsageError
from segpipe.nn import attention, vit
from segpipe.nn.block_parts import block_parts, parts_and_cls

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SMALL = {"num_classes": 0, "dynamic_img_size": True, "depth": 3, "embed_dim": 48, "num_heads": 3}
NAMES = ("vit_small_patch16_224", "vit_small_patch14_reg4_dinov2", "vit_small_patch16_dinov3")


@pytest.fixture(scope="module", params=NAMES)
def model(request):
    torch.manual_seed(3)
    made = timm.create_model(request.param, **SMALL)
    with torch.no_grad():
        for parameter in made.parameters():  # norms, scales and biases must not stay as they begin
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return made.eval()


@pytest.fixture(scope="module")
def images(model):
    side = model.patch_embed.patch_size[0]
    return torch.randn(2, 3, 2 * side, 3 * side, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
@pytest.mark.parametrize("block", [1, -1])
def test_all_parts_are_those_of_separate_passes(model, images, block):
    parts = block_parts(model, images, block=block)
    heads, _ = attention.cls_attention(model, images, block=block, rollout=False)
    assert torch.allclose(parts.attention, heads, atol=1e-6)
    for name, found in (("query", parts.queries), ("key", parts.keys), ("token", parts.tokens)):
        alone, _ = vit.extract_facets(model, images, facet=name, blocks=(block,), norm=True)
        assert found.shape == (2, 2, 3, 48)
        assert torch.allclose(found, alone, atol=1e-5), name


@torch.inference_mode()
def test_tokens_of_the_last_block_are_the_network_s_output(model, images):
    found = block_parts(model, images, block=-1).tokens.flatten(1, 2)
    assert torch.allclose(found, model.forward_features(images)[:, model.num_prefix_tokens :], atol=1e-4)


@torch.inference_mode()
def test_attention_comes_of_queries_and_keys(images, model):
    parts = block_parts(model, images, block=-1)
    whole = vit.attention(model, images, -1)[:, :, 0, model.num_prefix_tokens :]
    assert torch.allclose(parts.attention.flatten(2), whole, atol=1e-6)
    assert (parts.attention.sum(dim=(2, 3)) < 1).all()


@torch.inference_mode()
@pytest.mark.parametrize("block", [0, -2, -1])
def test_one_pass_gives_a_block_s_parts_and_the_network_s_own_cls(images, model, block):
    parts, cls = parts_and_cls(model, images, block=block)
    alone = block_parts(model, images, block=block)
    for name in ("attention", "queries", "keys", "tokens"):
        assert torch.equal(getattr(parts, name), getattr(alone, name)), name
    assert torch.allclose(cls, model.forward_features(images)[:, 0], atol=1e-4)


def test_blocks_that_do_not_exist_and_networks_without_cls_are_refused(model, images):
    with pytest.raises(UsageError, match="names block 3"):
        block_parts(model, images, block=3)
    pooled = timm.create_model("vit_small_patch16_224", **SMALL, class_token=False, global_pool="avg")
    with pytest.raises(UsageError, match="no CLS token"):
        block_parts(pooled, torch.zeros(1, 3, 32, 32), block=-1)
