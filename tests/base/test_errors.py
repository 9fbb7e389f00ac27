"""Errors: marked options are spelled by each face, and nothing else of a message changes."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.base import errors
from segpipe.base.errors import RenamedWarning, UsageError, named, spelled, warn

PLAIN = st.text(st.characters(exclude_categories=["Cs", "Co"]), max_size=20)


@given(st.lists(st.tuples(PLAIN, PLAIN.filter(bool), st.none() | PLAIN)), PLAIN)
def test_every_mark_is_spelled_and_all_else_stays(parts: list[tuple[str, str, str | None]], end: str) -> None:
    text = "".join(before + (named(name) if value is None else named(name, value)) for before, name, value in parts)
    seen: list[tuple[str, str | None]] = []

    def spell(name: str, value: str | None) -> str:
        seen.append((name, value))
        return "<>"

    assert spelled(text + end, spell) == "".join(before + "<>" for before, *_ in parts) + end
    assert seen == [(name, value) for _, name, value in parts]


def test_an_error_is_plain_where_no_face_spells_it() -> None:
    error = UsageError(f"{named('extract.input_size', 7)} and {named('crop', [1, 2])}: see {named('out')}")
    assert str(error) == "extract.input_size=7 and crop=1,2: see out"
    assert error.spelled(lambda name, value: f"--{name}" + ("" if value is None else f" {value}")) == (
        "--extract.input_size 7 and --crop 1,2: see --out"
    )


def test_an_earlier_name_is_warned_of() -> None:
    with pytest.warns(RenamedWarning, match="a is called b now"):
        warn("a is called b now")


def test_each_kind_of_error_has_an_exit_code_of_its_own() -> None:
    kinds = [errors.SegpipeError, *errors.SegpipeError.__subclasses__()]
    own = [kind for kind in kinds if kind.__module__ == errors.__name__]
    codes = {kind.__name__: kind.exit_code for kind in own} | {"partly": errors.SKIPPED}
    assert codes == {
        "SegpipeError": 1, "UsageError": 2, "CorpusError": 3, "partly": 4, "MachineError": 5, "LockedError": 6
    }  # fmt: skip


def test_a_signal_is_told_as_shells_do_and_is_no_ordinary_exception() -> None:
    assert errors.Stopped(signal.SIGINT).exit_code == 130
    assert errors.Stopped(signal.SIGTERM).exit_code == 143
    assert not issubclass(errors.Stopped, Exception)
