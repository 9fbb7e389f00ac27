"""Names of any bytes, as a terminal, another program and a page show them."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from segpipe.base.printable import harmless, printable, readable

NAMES = st.binary(max_size=40).map(lambda name: name.decode("utf-8", "surrogateescape")) | st.text(max_size=40)
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Classes of the characters that turn text around (Unicode Standard Annex 9)."""


def test_what_steers_a_terminal_is_escaped() -> None:
    name = b"r\xff\x1bif \xc3\xa9.jpg".decode("utf-8", "surrogateescape")
    assert printable(name) == "r\\udcff\\x1bif é.jpg"
    assert printable("photo\u202egnp.exe") == "photo\\u202egnp.exe"
    assert printable("two\nlines\r\t") == "two\\nlines\\r\\t"
    assert printable("two\nlines\x07", keep="\n") == "two\nlines\\x07"


def test_letters_of_all_scripts_stay() -> None:
    for name in ("礁 1", "می‌روم", "\U0001f469\u200d\U0001f52c", "全\u3000角", "1\u00a0m"):
        assert printable(name) == harmless(name) == readable(name) == name


@given(NAMES)
def test_nothing_that_is_shown_steers_or_cannot_be_written(name: str) -> None:
    for shown in (printable(name), harmless(name)):
        shown.encode("utf-8")
        assert not {unicodedata.bidirectional(c) for c in shown} & BIDI
        assert "\x1b" not in shown
    assert not {unicodedata.category(c) for c in printable(name)} & {"Cc", "Zl", "Zp", "Cs"}
    assert readable(name).encode("utf-8").decode("utf-8") == readable(name)
    assert len(readable(name)) == len(name)
