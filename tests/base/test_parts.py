from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.base.errors import UsageError
from segpipe.base.parts import PartNumber, parse_part, spans

SLURM = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "100"}


@given(units=st.integers(0, 10_000_000), parts=st.integers(1, 300))
def test_parts_hold_every_unit_once_and_differ_by_one(units: int, parts: int) -> None:
    ranges = [PartNumber(number, parts).of(units) for number in range(1, parts + 1)]
    assert ranges[0].start == 0
    assert ranges[-1].stop == units
    assert all(a.stop == b.start for a, b in pairwise(ranges))
    sizes = {len(each) for each in ranges}
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "100", "SLURM_ARRAY_TASK_MIN": "1"},
            PartNumber(7, 100),
        ),
        (
            {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "100", "SLURM_ARRAY_TASK_MIN": "0"},
            PartNumber(8, 100),
        ),
        (SLURM, PartNumber(8, 100)),
        ({"SKYPILOT_JOB_RANK": "0", "SKYPILOT_NUM_JOBS": "4"}, PartNumber(1, 4)),
        ({"RANK": "3", "WORLD_SIZE": "4"}, PartNumber(4, 4)),
        (
            {"RANK": "0", "WORLD_SIZE": "1", "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "2"},
            PartNumber(2, 2),
        ),
    ],
)
def test_schedulers_say_the_part(environment: dict[str, str], expected: PartNumber) -> None:
    assert parse_part("env", environment) == expected


def test_parts_are_given_by_number_or_taken() -> None:
    assert parse_part("3/100", {}) == PartNumber(3, 100)
    assert parse_part("auto", {"RANK": "1", "WORLD_SIZE": "2"}) is None
    assert str(PartNumber(3, 100)) == "3/100"


@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        ("3", {}, r"part=3: give i/n"),
        ("0/3", {}, r"part=0/3: part 0 of 3"),
        ("4/3", {}, r"part=4/3: part 4 of 3"),
        ("-1/3", {}, "give i/n"),
        ("env", {}, "no scheduler says a rank here"),
        ("env", {"RANK": "x", "WORLD_SIZE": "2"}, "RANK=x, WORLD_SIZE=2: not whole numbers"),
        ("env", {"SLURM_ARRAY_TASK_ID": "9", "SLURM_ARRAY_TASK_COUNT": "5"}, "part 10 of 5"),
    ],
)
def test_other_parts_are_refused(text: str, environment: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_part(text, environment)


def test_spans_are_cut_off() -> None:
    assert spans([5, 1, 2, 3]) == "1-3, 5"
    assert spans(range(0, 40, 2), most=2) == "0, 2, ..."
    assert spans([]) == ""
