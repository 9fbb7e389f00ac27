"""Where points lie, against torch's own sampling and plain sorting."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from segpipe.stages.train.losses import pairing
from segpipe.stages.train.losses import pairing_loops as loops
from segpipe.stages.train.losses.sampled_points import PointSet


def drawn_on(grids: torch.Tensor, rng: torch.Generator, samples: int) -> list[tuple[str, PointSet]]:
    """Points of three sets, some of them exactly on corners; the second set lies on neighbors."""
    count = len(grids) // 2
    found = []
    for kind, near in (("self", False), ("neighbor", True), ("negative", False)):
        coords = torch.rand((count, samples, samples, 2), generator=rng) * 2 - 1
        coords[:, 0, 0], coords[:, -1, -1] = -1, 1
        found.append((kind, PointSet(near, torch.randperm(count, generator=rng), coords)))
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**31),
    st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), min_size=2, max_size=8).filter(lambda x: len(x) % 2 == 0),
    st.integers(1, 4),
)
def test_points_read_what_torch_samples_and_nothing_else_is_kept(
    seed: int, grids: list[tuple[int, int]], samples: int
) -> None:
    rng = torch.Generator().manual_seed(seed)
    sizes, count = torch.tensor(grids), len(grids) // 2
    sides = [sizes[:count], sizes[count:]]
    lengths = [int(side.prod(1).max()) + 1 for side in sides]
    tokens = [torch.randn(count, length, 3, generator=rng) for length in lengths]
    drawn = drawn_on(sizes, rng, samples)
    layout = pairing.lay_out(drawn, sides, lengths)
    crops = [crop for side in tokens for crop in side]
    table = torch.cat([crop[read] for crop, read in zip(crops, layout.patches, strict=True)])
    read = (table[layout.interpolation.rows.long()] * layout.interpolation.shares[..., None]).sum(-2)
    for k, (_, points) in enumerate(drawn):
        for anchor, item in enumerate(points.items.tolist()):
            crop = item + points.near * count
            rows, cols = grids[crop]
            field = crops[crop][: rows * cols].T.reshape(1, 3, rows, cols)
            sampled = functional.grid_sample(
                field, points.coords[anchor][None], mode="bilinear", padding_mode="border", align_corners=True
            )
            torch.testing.assert_close(read[anchor, k], sampled[0].flatten(1).T, atol=1e-5, rtol=0)
    assert layout.kinds == ("self", "neighbor", "negative")
    assert np.array_equal(np.unique(layout.interpolation.rows), np.arange(len(table)))
    assert all(bool((kept.diff() > 0).all()) for kept in layout.patches)


def test_readers_collect_what_autograd_would() -> None:
    rng = torch.Generator().manual_seed(0)
    grids = torch.tensor([[5, 4], [3, 6], [4, 4], [6, 6]])
    layout = pairing.lay_out(drawn_on(grids, rng, 6), [grids[:2], grids[2:]], [20, 36])
    table = torch.randn(sum(map(len, layout.patches)), 5, generator=rng, dtype=torch.float64, requires_grad=True)
    read = (table[layout.interpolation.rows.long()] * layout.interpolation.shares[..., None]).sum(-2).flatten(0, 2)
    vectors = torch.randn(read.shape, generator=rng)
    (expected,) = torch.autograd.grad(read, table, vectors.double())
    torch.testing.assert_close(layout.readers.collect(vectors).double(), expected, atol=1e-5, rtol=0)


def test_a_point_lies_between_four_patches_of_its_crop_and_never_beyond_them() -> None:
    """A crop of one patch, which is row 0 of the table, and one of 2 x 3, rows 1 to 6."""
    coords = np.array([[[0.0, 0.0], [1.0, -1.0]], [[0.5, -0.5], [1.0, 1.0]], [[-2.0, 9.0], [0.0, 1.0]]], np.float32)
    rows, shares = np.empty((3, 2, 4), np.int32), np.empty((3, 2, 4), np.float32)
    loops.locate(coords, np.array([0, 1, 1]), np.array([[1, 1], [2, 3]]), np.array([0, 1]), rows, shares)
    assert rows[0].tolist() == [[0] * 4] * 2
    assert rows[1].tolist() == [[2, 3, 5, 6], [6, 6, 6, 6]]  # between columns 1 and 2, rows 0 and 1; the last corner
    assert shares[1, 0].tolist() == [0.375, 0.375, 0.125, 0.125]
    assert rows[2, 0, shares[2, 0] > 0].tolist() == [4]  # from outside the nearest, the first of the second row
    assert rows[2, 1, shares[2, 1] > 0].tolist() == [5]
    np.testing.assert_array_equal(shares.sum(-1), 1)


@given(st.lists(st.integers(0, 4), max_size=4), st.integers(0, 2**31), st.integers(0, 12))
def test_rows_that_are_read_are_numbered_in_their_order(lengths: list[int], seed: int, points: int) -> None:
    firsts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    rng, total = np.random.default_rng(seed), int(firsts[-1])
    before = rng.integers(0, total, 4 * points if total else 0).astype(np.int32)
    rows, starts = before.copy(), np.empty_like(firsts)
    patches, readers = np.full(total, -1), np.full(total + 1, -1, np.int32)
    count = loops.shorten(rows, firsts, starts, patches, readers)
    read, renumbered, times = np.unique(before, return_inverse=True, return_counts=True)
    assert count == len(read)
    np.testing.assert_array_equal(rows, renumbered)
    np.testing.assert_array_equal(starts, np.searchsorted(read, firsts))
    crops = np.searchsorted(firsts, read, side="right") - 1
    np.testing.assert_array_equal(patches[:count], read - firsts[crops])
    np.testing.assert_array_equal(readers[: count + 1], np.concatenate([[0], np.cumsum(times)]))


def test_readers_of_a_row_keep_their_order() -> None:
    rng = np.random.default_rng(0)
    rows, shares = np.append(rng.integers(0, 9, 76), [0, 3, 5, 8]).astype(np.int32), rng.random(80).astype(np.float32)
    starts = np.searchsorted(np.sort(rows), np.arange(9)).astype(np.int32)
    points, counts = np.empty(80, np.int32), np.empty(80, np.float32)
    loops.turn(rows, shares, starts, points, counts)
    order = np.argsort(rows, kind="stable")
    np.testing.assert_array_equal(points, order // 4)
    np.testing.assert_array_equal(counts, shares[order])
