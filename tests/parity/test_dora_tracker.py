"""DoRA's tracker: our formulas against numbers that the authors' code gave on the same tensors.

github.com/shashankvkt/DoRA_ICLR24, `utils.MOT` and `sinkhorn_knopp.py`, run once in float32 on these waves,
with heads 0, 1 and 3 drawn of four.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from segpipe.ops.tracking.appearance import Appearance, Discovery, PatchFacets, answer
from segpipe.ops.tracking.prototypes import above_mean, attend, pool, refine, unit
from segpipe.ops.tracking.sinkhorn import assign

ROWS, COLS, HEADS, WIDTH, FRAMES = 5, 6, 4, 16, 3
DRAWN = [0, 1, 3]

POOLED = [
    [-0.2018935, -0.0540316, 0.1033392, 0.2478849],
    [0.0109060, 0.1243526, 0.2144815, 0.2696353],
    [-0.0088317, 0.0828669, 0.1557346, 0.2042979],
]
SHARES = {
    0: [0.0577933, 0.0247399, 0.9174668],
    7: [0.8803453, 0.0979779, 0.0216768],
    19: [0.4255911, 0.0104533, 0.5639556],
    29: [0.0002959, 0.8869544, 0.1127497],
}
REFINED = [
    [-1.3533387, -0.3415526, 0.7182359, 1.6861342, 2.431257],
    [2.4876428, 2.7154057, 2.5767813, 2.0818841, 1.2896044],
    [-0.4939141, -1.1812946, -1.7982596, -2.1402056, -2.1284208],
]
LENGTHS = [7.9152, 8.2008, 5.7871]
MASKS = {
    (0, 0): "000010000001010000101000010000",
    (0, 1): "100001000010000000100001000010",
    (0, 2): "000000100001000000010000100100",
    (1, 0): "000000010000001010000100001000",
    (1, 1): "010000100001000010000100000001",
    (1, 2): "000010000000100001000000010000",
    (2, 0): "000000001010000001000010100101",
    (2, 1): "001010010100100001000010000100",
    (2, 2): "100001000010010000100001001000",
}
"""By object and frame."""


def wave(shape: tuple[int, ...], one: float, other: float) -> npt.NDArray[np.float64]:
    places = np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape)
    return np.sin(one * places + other * np.sqrt(places + 1))


def frames() -> list[PatchFacets]:
    patches = ROWS * COLS
    attention = np.exp(2 * wave((FRAMES, HEADS, patches), 0.7, 0.3))
    attention = 0.9 * attention / attention.sum(axis=-1, keepdims=True)
    queries = wave((FRAMES, patches, WIDTH), 0.37, 1.1)
    keys = 3 * wave((FRAMES, patches, WIDTH), 0.53, 0.9)
    tokens = wave((FRAMES, patches, WIDTH), 0.29, 1.7)
    parts = zip(attention, queries, keys, tokens, strict=True)
    return [PatchFacets(*(part.astype(np.float32) for part in each)) for each in parts]


@pytest.fixture(scope="module")
def first() -> PatchFacets:
    return frames()[0]


def refined(first: PatchFacets) -> npt.NDArray[np.float64]:
    return refine(first.tokens, pool(first.attention[DRAWN], first.queries), rule="coded")[0]


def test_prototypes_are_those_of_the_authors_code(first: PatchFacets) -> None:
    assert np.allclose(pool(first.attention[DRAWN], first.queries)[:, :4], POOLED, atol=1e-6)


def test_sinkhorn_is_that_of_the_authors_code(first: PatchFacets) -> None:
    prototypes = pool(first.attention[DRAWN], first.queries)
    shares = assign(unit(first.tokens) @ prototypes.T, rule="coded")
    for patch, row in SHARES.items():
        assert np.allclose(shares[patch], row, atol=2e-6), patch


def test_refined_prototypes_are_those_of_the_authors_code(first: PatchFacets) -> None:
    found = refined(first)
    assert np.allclose(found[:, :5], REFINED, atol=1e-5)
    assert np.allclose(np.linalg.norm(found, axis=1), LENGTHS, atol=1e-3)


@pytest.mark.parametrize("frame", range(FRAMES))
def test_masks_are_those_of_the_authors_code(first: PatchFacets, frame: int) -> None:
    maps = attend(refined(first), frames()[frame].keys, temperature=WIDTH**0.5)
    for i, mask in enumerate(above_mean(maps)):
        assert "".join(map(str, mask.astype(int))) == MASKS[i, frame]


def test_the_tracker_gives_each_patch_to_the_object_whose_mask_holds_it(first: PatchFacets) -> None:
    """Where masks of the authors' code overlap, the one that is further above its mean keeps the patch."""
    how = Discovery(tracker="dora")
    for frame, facets in enumerate(frames()):
        owners = answer(Appearance(refined(first), np.zeros(WIDTH)), facets, how).owners()
        held = np.array([[mark == "1" for mark in MASKS[i, frame]] for i in range(3)])
        assert ((owners >= 0) == held.any(axis=0)).all()
        assert all(held[owner, patch] for patch, owner in enumerate(owners) if owner >= 0)


def test_the_paper_s_plan_has_mass_one_and_equal_margins(first: PatchFacets) -> None:
    """Equation (4) as it stands: the plan between patches and objects, of tokens as they are."""
    prototypes = pool(first.attention[DRAWN], first.queries)
    scores = np.asarray(first.tokens, np.float64) @ prototypes.T
    plain = np.exp(scores / 0.05 - scores.max() / 0.05)
    for _ in range(30):
        plain /= plain.sum(axis=0, keepdims=True) * 3
        plain /= plain.sum(axis=1, keepdims=True) * len(plain)
    found, shares = refine(first.tokens, prototypes, rule="paper")
    assert np.allclose(shares, plain, atol=1e-9)
    assert shares.sum() == pytest.approx(1)
    assert np.allclose(shares.sum(axis=1), 1 / (ROWS * COLS))
    assert np.allclose(shares.sum(axis=0), 1 / 3, atol=0.05)
    assert np.allclose(found, plain.T @ first.tokens, atol=1e-9)
