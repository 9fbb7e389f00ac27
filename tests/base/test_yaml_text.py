"""YAML from outside: what people write is read as PyYAML reads it; what could grow or run is refused in a line."""

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.base.errors import UsageError
from segpipe.base.yaml_text import load

WORDS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["2026-11-29", "1:30", "010", "0x1f", "yes", "null", "~", "=", "<<", "1e5", ".5", "!!python", "&a", "*a", "- a"]
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | WORDS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3))


def read(text: str) -> object:
    return load(text, "c.yaml", way_out="correct it")


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(WORDS, VALUES, max_size=4), st.booleans())
def test_what_pyyaml_writes_is_read_as_it_reads_it(value: object, flow: bool) -> None:
    text = yaml.safe_dump(value, allow_unicode=True, default_flow_style=flow)
    assert read(text) == yaml.safe_load(text)


PLAIN = (
    *("a: 1_000", "a: 0x1F", "a: -0b101", "a: +7", "a: .5e+3", "a: -.5", "a: 1.", "a: -.inf", "a: 1e5", "", "? a\n: b"),
    *(
        "a: [yes, Off, TRUE, ~, null, '']",
        "a: 'it''s'\nb: |\n  x\n  y\n",
        "a: word # c",
        'a: "\\u00e9"',
        "---\na: 1\n...",
    ),
)


@pytest.mark.parametrize("text", PLAIN)
def test_what_people_write_means_what_it_means_to_pyyaml(text: str) -> None:
    assert read(text) == yaml.safe_load(text)


def test_dates_and_times_are_text_and_numbers_have_one_base() -> None:
    assert read("[2026-11-29, 2001-12-14t21:59:43.10-05:00, 190:20:30, 1:30.5, 010, <<, =]") == [
        *("2026-11-29", "2001-12-14t21:59:43.10-05:00", "190:20:30", "1:30.5", "010", "<<", "=")
    ]
    assert math.isnan(read("a: .nan")["a"])  # type: ignore[index]


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 40))
HOSTILE = {
    "alias bomb": (LAUGHS, "c.yaml:1: not YAML at 'a0: &a0 [x, x]' (anchors (&) and aliases (*) are not read"),
    "self-reference": ("a: &a [*a]", "anchors (&) and aliases (*) are not read"),
    "alias of nothing": ("\na: *b", "c.yaml:2: not YAML"),
    "merge": ("a: &a {b: 1}\nc:\n  <<: *a", "anchors"),
    "flow nested": ("a: " + "[" * 100_000, "nested more than 20 deep"),
    "flow nested on lines": ("a:\n" + " [\n" * 100_000, "nested more than 20 deep"),
    "blocks nested": (
        "\n".join(" " * i + "a:" for i in range(1000)),
        "c.yaml:20: not YAML at 'a:' (nested",
    ),
    "sequences nested": ("- " * 5000 + "a", "nested more than 20 deep"),
    "keys nested": ("? " * 5000 + "a", "nested more than 20 deep"),
    "python": ("a: !!python/object/apply:os.system ['touch x']", "the tag 'tag:yaml.org,2002:python/ ... :os.system'"),
    "binary": ("a: !!binary aGFsbG8=", "is not read: take it away"),
    "own tag": ("a: !x 1", "the tag '!x' is not read"),
    "huge integer": (f"a:\n  b: {'9' * 100_000}", "c.yaml:2: not YAML"),
    "huge hexadecimal": (f"a: 0x{'f' * 100_000}", "is beyond 64 bits"),
    "past 64 bits": ("a: 9223372036854775808", "'9223372036854775808' is beyond 64 bits"),
    "twice": ("a:\n  b: 1\n  b: 2", "c.yaml:3: not YAML at 'b: 2' (the key 'b' stands twice: keep one of the two)"),
    "key a list": ("? [a]\n: b", "a key must be one word"),
    "tab": ("a:\n\tb: 1", "c.yaml:2: not YAML at 'b: 1' (found character '\\t'"),
    "escape character": (
        "a: 1\nb: \x1b[2J",
        "c.yaml:2: not YAML at 'b: \\x1b[2J' (special characters",
    ),
    "two documents": ("a: 1\n---\nb: 2", "c.yaml:2: not YAML at '---' (but found another document)"),
    "version": ("%YAML 9.9\n---\na: 1", "incompatible YAML document"),
    "version huge": (f"%YAML {'9' * 5000}.1\n---\na: 1", "c.yaml:1: not YAML"),
    "character beyond Unicode": ('a: "\\UFFFFFFFF"', "c.yaml:1: not YAML"),
    "one line": ("a: [" + "x, " * 100_000, "not YAML at"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_can_grow_or_run_is_refused_in_one_short_line(kind: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    text, problem = HOSTILE[kind]
    with pytest.raises(UsageError) as told:
        read(text)
    message = str(told.value)
    assert problem in message
    assert message.startswith("c.yaml:")
    assert message.endswith("; correct it")
    assert "\n" not in message
    assert len(message) <= 300
    assert not list(tmp_path.iterdir())


ALPHABET = st.sampled_from(list("ab1: -?,[]{}#&*!|>'\"%@`\n\t\\.~=<_+0xe\x00\x85\u2028\ufeff\ud800é"))


@settings(max_examples=500, deadline=None)
@given(st.lists(ALPHABET, max_size=40).map("".join))
def test_no_text_is_an_error_of_ours(text: str) -> None:
    message = ""
    try:
        read(text)
    except UsageError as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) <= 300
