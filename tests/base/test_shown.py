"""Values in messages: short, whatever they are."""

from hypothesis import given
from hypothesis import strategies as st

from segpipe.base.shown import quoted, shorten, uncurled


@given(st.text(), st.integers(12, 60))
def test_a_text_is_never_longer_than_wanted_and_begins_and_ends_as_it_does(text: str, most: int) -> None:
    short = shorten(text, most)
    assert len(short) <= most
    assert short == text or (text.startswith(short.split(" ... ")[0]) and text.endswith(short[-1]))


def test_what_python_refuses_to_write_is_quoted_too() -> None:
    endless: list[object] = []
    for _ in range(100_000):
        endless = [endless]
    assert quoted(endless) == "<list too large to show>"
    assert quoted(10**5000) == "<int too large to show>"
    assert quoted("a'b\n") == repr("a'b\n")
    assert quoted([1, "a"]) == "[1, 'a']"
    while endless:  # else the interpreter frees them one within the other
        endless = endless.pop()  # type: ignore[assignment]


@given(st.text())
def test_curly_quotes_come_off_in_pairs_alone(text: str) -> None:
    if not set(text) & set("“”„‘’‚«»"):
        assert uncurled(text) == text
        assert uncurled(f"“{text}”") == uncurled(f"„{text}“") == uncurled(f"«{text}»") == text.strip()
        assert uncurled(f"“{text}’") == f"“{text}’"
    assert len(uncurled(text)) <= len(text)
