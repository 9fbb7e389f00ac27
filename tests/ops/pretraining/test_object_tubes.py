"""DoRA's masks of batches: numbers that the authors' code gave on the same tensors, and formulas of `ops.tracking`.

github.com/shashankvkt/DoRA_ICLR24, `utils.MOT`, run once in float32 on these waves, heads 0, 1 and 3 of four.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from segpipe.ops.pretraining.object_tubes import Tracking, assign, keep_objects, masks, prototypes
from segpipe.ops.tracking import prototypes as one_frame
from segpipe.ops.tracking import sinkhorn

CLIPS, FRAMES, HEADS, ROWS, COLS, WIDTH, PATCH = 2, 3, 4, 4, 5, 16, 2
DRAWN = [0, 1, 3]
MASKS = {
    (0, 0): ("00000000010100001010", "00010000100001000010", "00010000100001001000"),
    (0, 1): ("00000000101010000101", "00101001010010100101", "00101001000010000100"),
    (0, 2): ("00000000010100001010", "00010000100001000010", "00010000100001001000"),
    (1, 0): ("10010100100001001010", "01000010010000100101", "00100001001000010010"),
    (1, 1): ("01000010000100100001", "00101001000010010000", "10010000100100001001"),
    (1, 2): ("00100001000010010000", "10000100100001001000", "01001000010010000100"),
}
"""By clip and object, of each frame. The mean of clip 0's maps alone would give other masks."""
SUMS = [359.41813707, 409.87262255, 313.33103168]
"""Of all pixels kept of each object."""


def wave(shape: tuple[int, ...], one: float, other: float) -> Tensor:
    places = np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape)
    return torch.tensor(np.sin(one * places + other * np.sqrt(places + 1)), dtype=torch.float32)


def parts() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Attention (B, T, heads, n), queries, keys and tokens (B, T, n, d)."""
    patches = ROWS * COLS
    attention = torch.exp(2 * wave((CLIPS, FRAMES, HEADS, patches), 0.7, 0.3))
    attention = 0.9 * attention / attention.sum(dim=-1, keepdim=True)
    shape = (CLIPS, FRAMES, patches, WIDTH)
    return attention, wave(shape, 0.37, 1.1), 3 * wave(shape, 0.53, 0.9), wave(shape, 0.29, 1.7)


def found(how: Tracking, clips: slice = slice(None)) -> Tensor:
    attention, queries, keys, tokens = (part[clips] for part in parts())
    return masks(prototypes(attention[:, 0, DRAWN], queries[:, 0], tokens[:, 0], how), keys, how)


def test_masks_are_those_of_the_authors_code() -> None:
    kept = found(Tracking())
    assert kept.shape == (CLIPS, 3, FRAMES, ROWS * COLS)
    for (clip, thing), frames in MASKS.items():
        assert tuple("".join(str(int(at)) for at in frame) for frame in kept[clip, thing]) == frames, (clip, thing)


def test_masked_frames_are_those_of_the_authors_code() -> None:
    frames = 1 + 0.5 * wave((CLIPS, FRAMES, 3, ROWS * PATCH, COLS * PATCH), 0.11, 0.4)
    shown = keep_objects(frames, found(Tracking()).unflatten(-1, (ROWS, COLS)))
    assert shown.shape == (3, FRAMES, CLIPS, 3, ROWS * PATCH, COLS * PATCH)
    assert shown.double().sum(dim=(1, 2, 3, 4, 5)).tolist() == pytest.approx(SUMS, rel=1e-6)


def test_the_paper_s_masks_of_a_clip_do_not_depend_on_other_clips() -> None:
    how = Tracking(rule="paper")
    assert torch.equal(found(how)[:1], found(how, slice(0, 1)))
    assert not torch.equal(found(Tracking())[:1], found(Tracking(), slice(0, 1)))


@pytest.mark.parametrize("rule", ["coded", "paper"])
def test_prototypes_are_those_of_one_frame_in_double_precision(rule: sinkhorn.Rule) -> None:
    attention, queries, _, tokens = parts()
    batch = prototypes(attention[:, 0, DRAWN], queries[:, 0], tokens[:, 0], Tracking(rule=rule))
    for clip in range(CLIPS):
        pooled = one_frame.pool(attention[clip, 0, DRAWN].numpy(), queries[clip, 0].numpy())
        wanted, _ = one_frame.refine(tokens[clip, 0].numpy(), pooled, rule=rule)
        assert np.allclose(batch[clip].numpy(), wanted, atol=2e-5)


@pytest.mark.parametrize("how", [Tracking(), Tracking("paper"), Tracking("coded", 0.2, 3)])
def test_shares_of_many_are_those_of_each(how: Tracking) -> None:
    scores = wave((2, 3, 12, 4), 0.31, 0.7)
    shares = assign(scores, how)
    for one, wanted in zip(shares.flatten(0, 1), scores.flatten(0, 1), strict=True):
        alone = sinkhorn.assign(wanted.numpy(), rule=how.rule, epsilon=how.epsilon, rounds=how.rounds)
        assert np.allclose(one.numpy(), alone, atol=1e-5)


def test_scores_far_apart_stay_numbers() -> None:
    """The authors' code gives NaN here: exp(-400 / .05) is 0, and an object that loses every patch is 0 / 0."""
    assert torch.isfinite(assign(torch.tensor([[0.0, -400.0], [-1.0, -400.0], [-2.0, -400.0]]), Tracking())).all()
