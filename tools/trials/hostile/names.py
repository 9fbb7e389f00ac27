"""Names that do harm where they are taken for something else; each holds a tag of its own by which it is found again.

Of file names: all that POSIX allows, any bytes but NUL and a slash. Of classes and sites: any text.
"""

from __future__ import annotations

from collections.abc import Iterator

_FORMULAS = (
    *("=cmd|'/c calc'!A1", '=HYPERLINK("http://x.test",1)', "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1"),
    *("\uff1d1+1", "\uff0b1", "\uff0d1", "\uff201", "'=1+1", "''=1+1", "-", "--help", "-q", "=", "%0A=1+1", " =1+1"),
    *(";=1+1", ",=1+1", '";=1+1', '"=1+1"', "|=1+1", "\u200b=1+1", "\ufeff=1+1"),
)
_MARKUP = (
    *("<script>hostile()</script>", "<img src=x onerror=hostile()>", '"><svg onload=hostile()>', "'-hostile()-'"),
    *('" onmouseover="hostile()', "' onfocus='hostile()", "javascript:hostile()", "</title><script>hostile()"),
    *(
        "</script><script>hostile()",
        "<!--",
        "-->",
        "]]>",
        "<![CDATA[",
        "&lt;script&gt;",
        "{{7*7}}",
        "{% raw %}",
        "${7*7}",
    ),
    *(
        "&#60;b&#62;",
        "<iframe srcdoc='x'>",
        "<base href=//x.test>",
        "<style>*{display:none}",
        "`hostile()`",
        "%3Cscript%3E",
    ),
    *("[red]hostile[/red]", "[/]", ":smiley:", "[link=http://x.test]x[/link]", "%s%s%n", "\\u003cscript\\u003e", "\\"),
)
_STEERING = (
    *(
        "\x1b[31mred",
        "\x1b]0;title\x07",
        "\x1b]52;c;aGk=\x07",
        "\x9b31m",
        "a\rb",
        "a\nb",
        "a\x08b",
        "a\x00b",
        "a\x7fb",
        "a\tb",
    ),
    *(
        "\u202egpj",
        "\u2066x\u2069",
        "\u200fx",
        "\u061cx",
        "\u2028x",
        "\u2029x",
        "\x85x",
        "\u200bx",
        "\u200dx",
        "\ufeffx",
    ),
    *("\U000e0041x", "\u0300x", "Z" + "\u0301" * 30, "\ud83dx", "\udcffx", "\udc80\udcfe"),
)
_PLACES = (
    *(
        "..",
        "...",
        "..\\..\\x",
        "C:\\x",
        "C:x",
        "\\\\host\\share",
        "~",
        "~root",
        "$HOME",
        "`id`",
        "$(id)",
        ";id",
        "|id",
        "&id",
    ),
    *(
        "CON",
        "nul.txt",
        "COM1",
        "aux",
        "LPT1.x",
        "trailing.",
        "trailing ",
        " leading",
        "x:stream",
        "*",
        "?",
        "[a-z]",
        "**",
    ),
    *(
        ".hidden",
        "a.png",
        "a.jpg.png",
        "a.zarr",
        "a%2f..%2fb",
        "..%2f..%2fx",
        "a#b",
        "a?b=c",
        "http:",
        "/vsicurl_x",
        "vrt:x",
    ),
    *("café", "cafe\u0301", "STRASSE", "straße", "ﬁle", "file", "İ", "i\u0307", "K\u212a", "kk", "x" * 40, "é" * 60),
)
_ABSOLUTE = (
    *("../../escaped", "/tmp/escaped", "../escaped", "a/../../escaped", "./../../../escaped", "a//b", "a/./b"),
)
"""Texts alone: a file name holds no slash."""


def texts() -> list[str]:
    """Names of classes and of sites, each with its tag."""
    plain = [text for text in _all() if "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)]
    return [f"{text}h{500 + number:03}" for number, text in enumerate([*plain, *_ABSOLUTE])]


def file_names() -> list[bytes]:
    """Names of files without their endings, each with its tag."""
    found = []
    for number, text in enumerate(_all()):
        raw = (
            text.replace("\0", "")
            .replace("/", "\u2215")
            .encode("utf-8", "surrogatepass" if "\ud83d" in text else "surrogateescape")
        )
        found.append(raw[:200] + f"h{number:03}".encode())
    twins = [b"caf\xc3\xa9 h900", b"cafe\xcc\x81 h901", b"Twin h902", b"tWIN h903", b"long" * 61 + b"h904"]
    return [*found, *twins]


def _all() -> Iterator[str]:
    yield from (*_FORMULAS, *_MARKUP, *_STEERING, *_PLACES)
