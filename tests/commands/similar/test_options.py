"""Options of similar."""

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.commands.similar.options import SimilarOptions


def test_a_second_image_needs_a_point() -> None:
    given = {"run": "runs/reef", "query": "a.jpg", "in_image": "b.jpg"}
    with pytest.raises(UsageError, match="in_image shows where a point lies in another image; give it, such as point="):
        make(SimilarOptions, given)
    made = make(SimilarOptions, {**given, "point": (340, 512)})
    assert (made.point, made.k) == ((340.0, 512.0), 11)


def test_at_least_one_image_is_found() -> None:
    with pytest.raises(UsageError, match="k=0: should be greater than or equal to 1"):
        make(SimilarOptions, {"run": "r", "query": "a", "k": 0})
