import pytest
from pydantic import ValidationError

from segpipe.records.guide import Guide

GUIDE = Guide(file="p.csv", points=7, labels=("a",), names=("", "a"), images=("x", "y"), held_out=3)


def test_what_every_result_says_and_what_is_no_guide():
    assert GUIDE.told == "guided by 7 points of 1 label in 2 images"
    with pytest.raises(ValidationError):
        Guide.model_validate(GUIDE.model_dump() | {"mask": 1})
