"""Values that came from outside as messages quote them: short, and never an error of their own."""

from __future__ import annotations

from typing import Any

_CURLED = ("“”", "„“", "””", "‘’", "‚‘", "’’", "«»", "»«")


def uncurled(text: str) -> str:
    """A text without the curly quotes around it that word processors make of straight ones.

    >>> uncurled("“soft coral”"), uncurled("“a” and “b”"), uncurled("diver’s hand")
    ('soft coral', '“a” and “b”', 'diver’s hand')
    """
    inner = text[1:-1]
    ends = text[:1] + text[-1:]
    return inner.strip() if len(text) > 1 and ends in _CURLED and not set(inner) & set(ends) else text


def counted(count: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "image"), counted(3, "image")
    ('1 image', '3 images')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def shorten(text: str, most: int = 80) -> str:
    """The text, its middle left out where it has more than `most` characters: messages end with the way out.

    >>> shorten("a" * 50 + "b" * 50, 21)
    'aaaaaaaaaaaa ... bbbb'
    """
    if len(text) <= most:
        return text
    end = (most - 5) * 2 // 7
    return f"{text[: most - 5 - end]} ... {text[len(text) - end :]}"


def quoted(value: Any, most: int = 80) -> str:
    """A value as Python writes it, in a line of at most `most` characters or so.

    >>> quoted(12), quoted("a" * 100, 20)
    ('12', "'aaaaaaaaaaa ... aaaa'")
    """
    text = value if isinstance(value, str) else _written(value)
    return repr(shorten(text, most)) if isinstance(value, str) else shorten(text, most)


def _written(value: Any) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):  # an integer of more than 4,300 digits; lists in lists without end
        return f"<{type(value).__name__} too large to show>"
