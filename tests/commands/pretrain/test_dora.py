"""DoRA as a method: a batch against one frame after the other, shares of a batch, views, figures."""

import numpy as np
import pytest
import torch

from segpipe.base.errors import UsageError
from segpipe.commands.pretrain.dora import Dora
from segpipe.commands.pretrain.film_clips import plan_clips
from segpipe.commands.pretrain.method import Batch
from segpipe.commands.pretrain.object_finder import choose_heads
from segpipe.nn.block_parts import block_parts
from segpipe.ops.tracking import prototypes as one_frame
from tests.helpers.tiny_headed import HEADS, NORM, OUTPUTS, PATCH, SmallOptions, tiny_headed

pytestmark = pytest.mark.usefixtures("one_torch_thread")

FRAMES = np.random.default_rng(0).integers(0, 256, (14, 50, 70, 3), np.uint8)
FRAMES[:, 10:30, 20:50] //= 4


def made(**given: object) -> Dora:
    chosen = SmallOptions(**given)
    plan = plan_clips(len(FRAMES), length=chosen.clip_frames, spacing=chosen.clip_spacing)
    return Dora(FRAMES, plan, chosen, NORM, outputs=OUTPUTS, steps=10, device="cpu")


def batch_of(method: Dora, items: tuple[int, ...]) -> Batch:
    return method.collate([method.views(item, np.random.default_rng(item)) for item in items])


def loss_of(method: Dora, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
    return method.loss(tiny_headed(1), tiny_headed(2), batch, 0, np.random.default_rng(0))


def test_items_are_the_clips_of_the_film() -> None:
    assert len(made()) == 14 - 3 * 2
    assert len(made(clip_frames=2)) == 14 - 2 * 2


@pytest.mark.parametrize(("formulas", "crops"), [("coded", 2), ("paper", 3)])
def test_views_are_frames_crops_and_draws(formulas: str, crops: int) -> None:
    """The first crop is not used by the authors' code, so it is not made."""
    frames, local, draws = batch_of(made(formulas=formulas), (0, 5))
    assert frames.shape == (2, 3, 3, 64, 64)
    assert local.shape == (2, crops, 3, 3, 32, 32)
    assert draws.shape[0] == 2
    assert abs(float(frames.mean())) < 1.5  # normalized
    again = batch_of(made(formulas=formulas), (0, 5))
    assert all(torch.equal(one, other) for one, other in zip((frames, local, draws), again, strict=True))


def slow_loss(batch: Batch, student, teacher) -> float:
    """The paper's loss, frame by frame and object by object, with the tracker of one frame in double precision."""
    frames, local, draws = batch
    terms = []
    for clip in range(len(frames)):
        parts = [block_parts(teacher.backbone, frame[None], block=-2) for frame in frames[clip]]
        heads = choose_heads(draws[clip : clip + 1], HEADS, 2)[0].tolist()
        first = parts[0]
        pooled = one_frame.pool(first.attention[0, heads].flatten(1).numpy(), first.queries[0].flatten(0, 1).numpy())
        objects, _ = one_frame.refine(first.tokens[0].flatten(0, 1).numpy(), pooled, rule="paper")
        for place, frame in enumerate(frames[clip]):
            target = torch.softmax(teacher((frame[None],))[0] / 0.04, dim=-1)
            keys = parts[place].keys[0].flatten(0, 1).numpy()
            maps = one_frame.attend(objects, keys, temperature=keys.shape[1] ** 0.5)
            crops = [
                -(target * (student((crop[None],))[0] / 0.1).log_softmax(-1)).sum() for crop in local[clip, :, place]
            ]
            for kept in one_frame.above_mean(maps):
                mask = np.kron(kept.reshape(4, 4), np.ones((PATCH, PATCH))).astype(np.float32)
                said = student(((frame * torch.from_numpy(mask))[None],))[0]
                masked = -(target * (said / 0.1).log_softmax(-1)).sum()
                terms.append((masked + torch.stack(crops).mean()) / 2)
    return float(torch.stack(terms).mean())


@torch.no_grad()
def test_a_batch_s_loss_is_that_of_its_frames_one_by_one() -> None:
    method = made(formulas="paper")
    batch = batch_of(method, (1, 4))
    found, _ = loss_of(method, batch)
    assert float(found) == pytest.approx(slow_loss(batch, tiny_headed(1), tiny_headed(2)), rel=1e-4)


@torch.no_grad()
def test_the_paper_s_loss_is_the_mean_over_its_clips() -> None:
    """The code's is not: what is masked depends on the other clips of a batch."""
    method = made(formulas="paper")
    both = float(loss_of(method, batch_of(method, (1, 4)))[0])
    single = [float(loss_of(method, batch_of(method, (item,)))[0]) for item in (1, 4)]
    assert both == pytest.approx(np.mean(single), rel=1e-5)


def test_the_student_alone_learns() -> None:
    method, student, teacher = made(), tiny_headed(1), tiny_headed(2)
    loss, figures = method.loss(student, teacher, batch_of(method, (0, 3)), 0, np.random.default_rng(0))
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(each.grad is None for each in teacher.parameters())
    learned = [name for name, each in student.named_parameters() if each.grad is not None and each.grad.abs().sum() > 0]
    assert {"backbone.cls_token", "backbone.patch_embed.proj.weight", "head.last_layer.directions"} <= set(learned)
    assert figures.keys() == {"entropy", "mean_entropy", "masked_loss", "local_loss", "kept_share"}
    assert 0 < figures["kept_share"] < 1
    assert 0 < figures["entropy"] <= figures["mean_entropy"] <= np.log(OUTPUTS) + 1e-6


def test_the_center_moves_once_a_step_and_is_kept() -> None:
    method = made()
    loss_of(method, batch_of(method, (0,)))
    assert not method.state()["center"].any()
    method.after_step(0, lambda tensor: tensor)
    other = made()
    other.load_state(method.state())
    assert method.state()["center"].any()
    assert torch.equal(other.state()["center"], method.state()["center"])
    assert method.figures(0) == {"teacher_temperature": 0.04}


def test_what_the_student_is_shown_is_the_frame_or_nothing() -> None:
    method = made()
    batch = batch_of(method, (0, 3))
    shown = method.masked_frames(tiny_headed(2), batch)
    assert shown.shape == (2, 3, 2, 3, 64, 64)
    whole = batch[0].transpose(0, 1)[None].expand_as(shown)
    assert torch.equal(shown[shown != 0], whole[shown != 0])
    assert (shown == 0).any()


def test_a_pair_is_two_views_of_one_frame() -> None:
    method = made()
    first, second = method.pair(2, np.random.default_rng(0))
    assert first.shape == second.shape == (3, 64, 64)
    assert not torch.equal(first, second)
    assert torch.equal(method.pair(2, np.random.default_rng(0))[1], second)


def test_the_sheet_has_a_caption_for_each_picture() -> None:
    for formulas in ("coded", "paper"):
        method = made(formulas=formulas)
        pictures = method.pictures(method.views(0, np.random.default_rng(0)))
        assert len(pictures) == len(method.captions()) == (5 if formulas == "coded" else 6)
        assert {picture.ndim for picture in pictures} == {3}


@pytest.mark.parametrize(
    ("given", "words"), [({"local_crops": 1}, "local_crops=1: DoRA needs 2"), ({"mix": 0.5}, "mix=0.5: clips")]
)
def test_options_that_dora_does_not_have_are_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        made(**given)
    assert len(made(local_crops=1, formulas="paper"))
