from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.records.class_names import Entry, Naming
from segpipe.store.class_names import load_naming, naming_text
from segpipe.store.yaml_comments import TAIL, Comments

NAMES = st.text(min_size=1, max_size=20).map(lambda text: " ".join(text.split())).filter(
    lambda name: bool(name) and name.isprintable()
)  # fmt: skip


COLORS = st.tuples(*[st.integers(0, 255)] * 3)


ENTRIES = st.builds(
    Entry, color=COLORS, name=st.one_of(st.just(""), NAMES), merge_into=st.one_of(st.none(), st.integers(0, 99), NAMES),
    ignore=st.booleans(),
)  # fmt: skip


COMMENTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=12).map(
    lambda text: f"# {text}".rstrip()
)


PLACES = ["", "name", "color", "merge_into", "ignore", "share", "picture"]


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.integers(0, 30), ENTRIES, min_size=1, max_size=4),
    st.dictionaries(st.tuples(st.integers(0, 3), st.sampled_from([*PLACES, "end"])), st.lists(COMMENTS, max_size=2)),
    st.dictionaries(st.tuples(st.integers(0, 3), st.sampled_from(PLACES)), COMMENTS),
    st.lists(COMMENTS, max_size=2),
)
def test_comments_stay_where_they_are_and_go_with_their_entry(tmp_path_factory, entries, above, beside, tail):
    numbers = sorted(entries)
    above = {(numbers[k], field): tuple(lines) for (k, field), lines in above.items() if k < len(numbers) and lines}
    beside = {(numbers[k], field): line for (k, field), line in beside.items() if k < len(numbers)}
    said = Comments({**above, (None, "clustering"): ("# first",), **({TAIL: tuple(tail)} if tail else {})}, beside)
    path = tmp_path_factory.mktemp("n") / "classes.yaml"
    shares, pictures = dict.fromkeys(entries, 0.5), dict.fromkeys(entries, "gallery/0.png")
    path.write_bytes(naming_text(Naming(entries, "abc"), shares, pictures, said).encode())
    written = load_naming(path)
    assert written.naming.entries == entries
    assert written.comments == said
    # other things are said of them, and they have other numbers
    moved = {k + 50: replace(entry, name="other", merge_into=None) for k, entry in entries.items()}
    moved[7] = Entry((1, 2, 3))
    text = naming_text(Naming(moved), {}, {}, written.comments.moved({k + 50: k for k in entries}))
    path.write_bytes(text.encode())
    again = load_naming(path)
    assert again.naming.entries == moved
    assert again.comments.moved({k: k + 50 for k in entries}) == said


def test_comments_of_any_hand_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    path.write_text(
        "# mine, at the top\n"
        "clusters: # all\n"
        "  0: {name: sand # flat\n    , color: '#aa0000'}  # behind\n"
        "# between\n"
        "  1:\n"
        "    name: 'a # b'   # not a comment, then one\n"
        '    color: "#00bb00"#no\n'.replace('"#no', '"')
        + "      # deep\n"
        "    merge_into: # nothing yet\n"
        "# the end\n"
    )
    written = load_naming(path)
    text = naming_text(written.naming, {}, {}, written.comments)
    for comment in ("# mine, at the top", "# all", "# flat", "# behind", "# between", "# not a comment, then one",
                    "# deep", "# nothing yet", "# the end"):  # fmt: skip
        assert text.count(comment) == 1, comment
    assert written.naming.entries[1].name == "a # b"
    path.write_text(text)
    assert naming_text(load_naming(path).naming, {}, {}, load_naming(path).comments) == text
