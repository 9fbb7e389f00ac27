"""The teacher's look at clips: its own answers, and masks by the formulas of the tracker."""

import pytest
import timm
import torch

from segpipe.base.errors import UsageError
from segpipe.commands.pretrain.object_finder import BLOCKS, MOST_HEADS, choose_heads, look
from segpipe.nn.block_parts import block_parts
from segpipe.nn.projection_head import Headed
from segpipe.ops.pretraining.object_tubes import Tracking, masks, prototypes
from tests.helpers.tiny_headed import HEADS, OUTPUTS, PATCH, tiny_headed

pytestmark = pytest.mark.usefixtures("one_torch_thread")

CLIPS, LENGTH, SIDE = 2, 3, 64
GRID = SIDE // PATCH


@pytest.fixture(scope="module")
def teacher() -> Headed:
    return tiny_headed()


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    return torch.randn(CLIPS, LENGTH, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def draws(clips: int = CLIPS) -> torch.Tensor:
    return torch.rand(clips, MOST_HEADS, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
@pytest.mark.parametrize("rule", ["coded", "paper"])
def test_scores_are_the_network_s_and_masks_those_of_its_block(teacher, frames, rule) -> None:
    how = Tracking(rule=rule)
    scores, kept = look(teacher, frames, draws(), 2, how)
    assert scores.shape == (CLIPS * LENGTH, OUTPUTS)
    assert torch.allclose(scores, teacher((frames.flatten(0, 1),)), atol=1e-4)
    assert kept.shape == (CLIPS, 2, LENGTH, GRID, GRID)
    parts = block_parts(teacher.backbone, frames.flatten(0, 1), block=BLOCKS[rule])
    attention = parts.attention.flatten(2).unflatten(0, (CLIPS, LENGTH))[:, 0]
    queries, keys, tokens = (
        each.flatten(1, 2).unflatten(0, (CLIPS, LENGTH)) for each in (parts.queries, parts.keys, parts.tokens)
    )
    heads = choose_heads(draws(), HEADS, 2)
    chosen = torch.stack([attention[clip, heads[clip]] for clip in range(CLIPS)])
    wanted = masks(prototypes(chosen, queries[:, 0], tokens[:, 0], how), keys, how)
    assert torch.equal(kept.flatten(3), wanted)
    assert 0 < kept.float().mean() < 1


def test_the_paper_looks_at_the_block_before_the_last() -> None:
    assert BLOCKS == {"coded": -1, "paper": -2}


def test_heads_are_drawn_evenly_and_none_twice() -> None:
    found = choose_heads(torch.rand(3000, MOST_HEADS, generator=torch.Generator().manual_seed(0)), 6, 3)
    assert found.shape == (3000, 3)
    assert (found.diff(dim=1) > 0).all()
    shares = torch.bincount(found.flatten(), minlength=6) / found.numel()
    assert torch.allclose(shares, torch.full((6,), 1 / 6), atol=0.01)


def test_all_heads_are_taken_where_there_are_no_more() -> None:
    assert choose_heads(draws(1), 3, 5).tolist() == [[0, 1, 2]]


def test_a_network_without_cls_is_refused(frames) -> None:
    vit = timm.create_model(
        *("vit_tiny_patch16_224",),
        **{"num_classes": 0, "dynamic_img_size": True, "depth": 2, "class_token": False, "global_pool": "avg"},
    )
    with pytest.raises(UsageError, match="no CLS token"):
        look(Headed(vit, torch.nn.Identity()), frames, draws(), 2, Tracking())
