import math
from collections.abc import Sequence
from typing import Any

import pytest

from segpipe.records.finding import KEPT, MIOU, Finding, tolerated


def row(level: float, value: float | None, measure: str = KEPT, **changes: Any) -> Finding:
    given = {"low": None, "high": None, "images": 1} | changes
    return Finding("roll", "geometry", level, "degrees", measure, value, **given)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.9, 0.8, 0.79], 2), ([0.79, 0.9], None), ([0.9, 0.5, 0.9], 1), ([0.9, None, 0.9], 1), ([], None), ([1, 1], 2)],
)
def test_what_is_tolerated_ends_at_the_first_level_that_is_not(
    values: Sequence[float | None], expected: float | None
) -> None:
    found = [row(level, value) for level, value in enumerate(values, 1)]
    assert tolerated(found) == expected
    assert tolerated([row(9, 0.1, MIOU), *found, row(9, 0.1, MIOU)]) == expected


def test_numbers_that_say_nothing_are_refused() -> None:
    for changes in ({"value": math.nan}, {"low": -math.inf}, {"high": math.nan}):
        with pytest.raises(ValueError, match="is no finding; say None"):
            row(1, **({"value": 0.5} | changes))
    with pytest.raises(ValueError, match="-1 images"):
        row(1, 0.5, images=-1)
