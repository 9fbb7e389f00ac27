"""Heads, prototypes and where they are."""

import numpy as np
import pytest

from segpipe.ops.tracking import prototypes as ours


def maps(*places: tuple[int, ...], patches: int = 12) -> np.ndarray:
    """Attention that lies on some patches alone."""
    found = np.full((len(places), patches), 1e-6)
    for row, own in zip(found, places, strict=True):
        row[list(own)] = 1 / len(own)
    return found


def test_heads_that_overlap_least_are_taken() -> None:
    attention = maps((0, 1, 2), (0, 1, 3), (6, 7), (9, 10), (6, 8))
    assert ours.choose_heads(attention, 3, "overlap", seed=0) in ([0, 2, 3], [1, 2, 3], [0, 3, 4], [1, 3, 4])
    assert ours.choose_heads(attention, 9, "overlap", seed=0) == [0, 1, 2, 3, 4]
    assert ours.choose_heads(attention, 1, "overlap", seed=0) == [3]


def test_all_heads_and_drawn_ones() -> None:
    attention = maps((0,), (1,), (2,), (3,))
    assert ours.choose_heads(attention, 2, "all", seed=0) == [0, 1, 2, 3]
    drawn = {tuple(ours.choose_heads(attention, 2, "random", seed=seed)) for seed in range(40)}
    assert len(drawn) == 6
    assert all(len(set(pair)) == 2 for pair in drawn)
    assert ours.choose_heads(attention, 2, "random", seed=7) == ours.choose_heads(attention, 2, "random", seed=7)


def test_many_heads_are_chosen_without_trying_all_sets() -> None:
    attention = maps(*[(i,) for i in range(30)], *[(0, 1)] * 10, patches=30)
    chosen = ours.choose_heads(attention, 20, "overlap", seed=0)
    assert len(set(chosen)) == 20
    assert max(chosen) < 30


def test_overlap_is_the_mass_on_the_same_patches() -> None:
    shared = ours.overlaps(np.array([[2.0, 2.0, 0.0], [0.0, 1.0, 1.0]]))
    assert np.allclose(shared, [[1, 0.5], [0.5, 1]])


def test_prototypes_are_weighted_sums() -> None:
    queries = np.arange(8.0).reshape(4, 2)
    assert np.allclose(ours.pool(np.array([[0.5, 0, 0, 0.5], [0, 1, 0, 0]]), queries), [[3, 4], [2, 3]])


def test_a_map_has_mass_one_and_lies_where_keys_are_like_the_prototype() -> None:
    found = ours.attend(np.array([[3.0, 0.0]]), np.array([[1.0, 0], [0, 1], [1, 0]]), temperature=1)
    assert found.sum() == pytest.approx(1)
    assert ours.above_mean(found).tolist() == [[True, False, True]]
    assert np.isfinite(ours.attend(np.array([[9000.0]]), np.array([[1.0], [-1.0]]), temperature=1)).all()


def test_refined_prototypes_tell_two_groups_apart() -> None:
    tokens = np.array([[1.0, 0.1]] * 5 + [[0.1, 1.0]] * 5)
    found, shares = ours.refine(tokens, np.array([[1.0, 0.0], [0.0, 1.0]]), rule="coded")
    assert shares.argmax(axis=1).tolist() == [0] * 5 + [1] * 5
    assert np.allclose(ours.cosines(found, np.eye(2)).round(1), [[1, 0.1], [0.1, 1]])


def test_heads_that_see_one_object_give_one_prototype() -> None:
    features = ours.unit(np.array([[1.0, 0, 0], [1, 0.1, 0], [0, 1, 0], [0, 0, 1]]))
    around = np.array([0.0, 0.0, 1.0])
    attention = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    merged = ours.merge_alike(attention, features, around, share=0.2)
    assert merged.shape == (2, 3)
    assert np.allclose(merged[0], ours.unit(features[0] + features[1]))
    assert np.allclose(merged[1], features[2])
    assert len(ours.merge_alike(attention, features, around, share=0)) == 3
    assert len(ours.merge_alike(attention[:1], features, around, share=0.9)) == 1


def test_a_vector_of_length_zero_stays() -> None:
    assert np.allclose(ours.unit(np.array([[0.0, 0.0], [3.0, 4.0]])), [[0, 0], [0.6, 0.8]])
