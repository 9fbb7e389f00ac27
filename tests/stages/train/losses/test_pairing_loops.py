"""Where points lie, against torch's own sampling and plain sorting."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from segpipe.stages.train.losses import pairing
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
