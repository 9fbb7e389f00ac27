"""Options of change."""

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.commands.change.options import ChangeOptions

GIVEN = {"run_a": "runs/a", "second": "photos", "out": "changed"}


def test_defaults() -> None:
    made = make(ChangeOptions, GIVEN)
    assert (made.align, made.unit, made.joint, made.harmonize, made.pairs) == ("shift", "auto", False, False, None)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"dates": "d.csv", "date_pattern": "(20..)"}, "dates and date_pattern both say the dates; leave one out"),
        ({"joint": True, "harmonize": True}, "harmonize moves the second date towards the model of the first"),
        ({"tolerance": 0}, "tolerance=0: should be greater than 0"),
        ({"align": "best"}, "align=best"),
    ],
)
def test_what_cannot_be_meant(more: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as error:
        make(ChangeOptions, {**GIVEN, **more})
    assert said in str(error.value)
