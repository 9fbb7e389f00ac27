"""What a scene's objects look like, on drawn frames whose objects are known."""

import numpy as np
import pytest

from segpipe.ops.tracking.appearance import Discovery, answer, discover
from tests.helpers.tracked_frames import PATCHES, TWO, frame


def test_objects_own_their_patches_and_no_others() -> None:
    facets = frame(TWO)
    found = answer(discover(facets, Discovery(objects=2)), facets, Discovery())
    owners = found.owners()
    assert owners[TWO[0]].tolist() == [0] * 6
    assert owners[TWO[1]].tolist() == [1] * 8
    assert (np.delete(owners, TWO[0] + TWO[1]) == -1).all()
    assert found.maps.shape == found.likeness.shape == (2, PATCHES)


def test_objects_are_found_where_they_went() -> None:
    look = discover(frame(TWO), Discovery(objects=2))
    later = frame({0: [30, 31, 32], 1: [0, 1, 2, 3]}, seed=5)
    owners = answer(look, later, Discovery()).owners()
    assert np.flatnonzero(owners == 0).tolist() == [30, 31, 32]
    assert np.flatnonzero(owners == 1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("merge", "objects"), [(0.1, 2), (0.0, 3)])
def test_two_heads_on_one_object_are_one(merge: float, objects: int) -> None:
    heads = {0: [3, 4, 5], 1: TWO[1], 2: [6, 7, 8]}
    look = discover(frame(TWO, attended=heads), Discovery(objects=3, merge=merge))
    assert len(look.prototypes) == objects
    assert np.allclose(np.linalg.norm(look.prototypes, axis=1), 1)


def test_the_formulas_of_dora_ask_for_no_surroundings() -> None:
    facets = frame(TWO)
    for rule in ("coded", "paper"):
        how = Discovery(objects=2, tracker="dora", sinkhorn=rule)
        look = discover(facets, how)
        assert not look.surroundings.any()
        found = answer(look, facets, how)
        assert found.rest.tolist() == [1.0] * PATCHES
        assert ((found.maps == 0) | (found.maps > 1)).all()
        assert found.owners().max() <= 1
