from typing import Any

import pytest

from segpipe.commands.view.asked import BadRequest, coordinate, flag, json_object, number, place, text, whole


@pytest.mark.parametrize("given", ["", "-1", "1.5", "x", "1e3", "٣", "1 ", "99999999999", "../1", None])
def test_a_number_is_digits_alone(given: str | None) -> None:
    with pytest.raises(BadRequest, match="image"):
        number(given, "image")


def test_numbers_and_places() -> None:
    assert number("12", "image") == 12
    assert number(None, "k", default=7) == 7
    assert place("12.5", "row") == 12.5
    for wrong in ("nan", "inf", "-1", "", None, "9" * 50):
        with pytest.raises(BadRequest, match="row"):
            place(wrong, "row")


def test_a_body_is_one_object() -> None:
    assert json_object(b'{"a": 1}') == {"a": 1}
    for wrong in (b"", b"[]", b"1", b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(BadRequest, match="JSON"):
            json_object(wrong)


@pytest.mark.parametrize("value", [True, 1.0, "1", None, -1, 11, [1]])
def test_whole_numbers_have_limits(value: Any) -> None:
    with pytest.raises(BadRequest, match="k must be"):
        whole({"k": value}, "k", most=10)


def test_texts_flags_and_coordinates() -> None:
    assert (whole({"k": 3}, "k"), text({"n": "a"}, "n"), flag({"f": False}, "f")) == (3, "a", False)
    assert coordinate({"row": 3}, "row") == 3.0
    for read, wrong in ((text, 3), (flag, 1), (coordinate, True), (coordinate, float("inf")), (coordinate, "1")):
        with pytest.raises(BadRequest, match="x must be"):
            read({"x": wrong}, "x")
