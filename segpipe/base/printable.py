"""Names and messages as others can show them: a terminal, a program that reads UTF-8, a page.

A file name is any bytes but NUL and a slash. Bytes that are not UTF-8 are surrogates in Python (surrogateescape), which
no program takes; an escape character steers a terminal; bidirectional controls turn text around, so that
`photo<U+202E>gnp.exe` is shown as `photoexe.png` (CVE-2021-42574).
"""

from __future__ import annotations

import re
import unicodedata

_JOINERS = "\u200c\u200d"  # of Persian and Indic letters, and of emoji
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters but for tab and line break, and all that turns the direction of text or ends a line."""


def printable(text: str, *, keep: str = "") -> str:
    r"""A text as one line that any terminal can show; what cannot be shown or would steer it is escaped.

    Args:
        text: any; surrogates stand for bytes that are not UTF-8.
        keep: characters that stay, such as a line break.

    >>> printable("a\x1b[31m\u202eb\udcff é\n")
    'a\\x1b[31m\\u202eb\\udcff é\\n'
    """
    if text.isprintable():
        return text
    return "".join(c if c in keep or _shown(c) else _escaped(c) for c in text)


def _shown(char: str) -> bool:
    return char.isprintable() or char in _JOINERS or unicodedata.category(char) == "Zs"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def readable(text: str) -> str:
    r"""A file name as text that any program reads: bytes that are no UTF-8 become question marks.

    >>> readable(b"a\xff.jpg".decode("utf-8", "surrogateescape"))
    'a?.jpg'
    """
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def harmless(text: str) -> str:
    r"""A text for a page: what is not UTF-8 becomes question marks, control characters and directions are escaped.

    >>> harmless("a\u202eb\udcff\n")
    'a\\u202eb?\n'
    """
    if text.isascii() and text.isprintable():
        return text
    return _STEERING.sub(lambda found: _escaped(found[0]), readable(text))
