import numpy as np
import torch

from segpipe.ops.clustering import sampler as draws


def test_an_epoch_passes_every_crop_once_and_epochs_differ() -> None:
    crops = np.array([3, 5, 8, 9, 11, 20])
    rows_of = draws.draw_rows(crops, np.zeros((21, 0), np.int64), batch=2, seed=0)
    epochs = [np.concatenate([rows_of(step)[0] for step in range(e * 3, e * 3 + 3)]) for e in range(4)]
    assert all(sorted(epoch) == crops.tolist() for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1
    assert rows_of(0)[1] is None


def test_neighbors_are_drawn_evenly_and_a_step_does_not_depend_on_those_before() -> None:
    crops, neighbors = np.arange(10), np.arange(10)[:, None] + np.arange(1, 5) * 100
    rows_of = draws.draw_rows(crops, neighbors, batch=5, seed=1)
    ranks = np.zeros(4)
    for step in range(400):
        anchors, found = rows_of(step)
        assert found is not None
        np.testing.assert_array_equal(found % 100, anchors)
        np.add.at(ranks, found // 100 - 1, 1)
    assert ranks.min() > 430  # of 500 each
    again = draws.draw_rows(crops, neighbors, batch=5, seed=1)
    np.testing.assert_array_equal(again(399)[1], rows_of(399)[1])


def test_generators_differ_by_step_and_seed_alone() -> None:
    def first(seed: int, step: int) -> float:
        return torch.rand(1, generator=draws.step_generator(seed, step)).item()

    assert first(0, 1) == first(0, 1)
    assert len({first(seed, step) for seed in range(3) for step in range(3)}) == 9
