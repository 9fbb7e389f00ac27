"""What light makes of maps, from maps with it and without."""

import numpy as np
import numpy.typing as npt

from segpipe.ops.change.light_effect import anything, light_effect

Int64 = npt.NDArray[np.int64]


def test_what_light_makes_is_the_difference_of_cover() -> None:
    kept, moved = np.diag([50, 30, 20]), np.array([[40, 10, 0], [0, 30, 0], [0, 0, 20]])
    found = light_effect([kept, moved], 0.5)
    np.testing.assert_allclose(found.by_light, [-0.05, 0.05, 0])
    np.testing.assert_allclose(found.most_moves, found.moves * 1.5)
    least, most = found.range
    # half as much again, and two standard errors: the maps differ by 10 and by 0 points
    np.testing.assert_allclose(least, [-0.05 * 1.5 - 2 * 0.05, min(0, 0.05 * 0.5 - 2 * 0.05), 0])
    np.testing.assert_allclose(most, [max(0, -0.05 * 0.5 + 2 * 0.05), 0.05 * 1.5 + 2 * 0.05, 0])


def test_what_may_be_to_either_side() -> None:
    counts = [np.diag([50, 30, 20]), np.array([[40, 10, 0], [0, 30, 0], [0, 0, 20]])]
    least, most = light_effect(counts, 0.0, either_way=True).range
    np.testing.assert_allclose(most, [0.05 + 2 * 0.05, 0.05 + 2 * 0.05, 0])
    np.testing.assert_array_equal(least, -most)


def test_without_maps_or_pixels_nothing_is_made() -> None:
    for counts in ([np.zeros((2, 2), np.int64)], [np.diag([3, 4])]):
        found = light_effect(counts, 2.0)
        assert not found.by_light.any()
        assert not np.array(found.range).any()


def test_its_error_is_that_of_maps_drawn_again() -> None:
    rng = np.random.default_rng(0)

    def maps(count: int) -> list[Int64]:
        drawn = [rng.multinomial(rng.integers(500, 1500), rng.dirichlet([8, 1, 1, 10])) for _ in range(count)]
        return [each.reshape(2, 2).astype(np.int64) for each in drawn]

    errors = [light_effect(maps(25), 0).error for _ in range(50)]
    values = np.array([light_effect(maps(25), 0).by_light for _ in range(2000)])
    np.testing.assert_allclose(np.mean(errors, axis=0), values.std(axis=0), rtol=0.06)


def test_where_no_map_can_be_made_light_could_make_anything() -> None:
    found = anything(3)
    np.testing.assert_array_equal(found.range, [[-1] * 3, [1] * 3])
    assert (found.most_moves >= 1).all()
    assert not found.known
