"""classes.yaml: what is written is read again, whatever a person calls things; what is wrong is told by its line."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.base.errors import UsageError
from segpipe.records.class_names import Entry, Naming
from segpipe.store.class_names import load_naming, naming_text, open_legend, save_naming
from segpipe.store.run_dir import RunDir

NAMES = st.text(min_size=1, max_size=20).map(lambda text: " ".join(text.split())).filter(
    lambda name: bool(name) and name.isprintable()
)  # fmt: skip
COLORS = st.tuples(*[st.integers(0, 255)] * 3)
ENTRIES = st.builds(
    Entry, color=COLORS, name=st.one_of(st.just(""), NAMES), merge_into=st.one_of(st.none(), st.integers(0, 99), NAMES),
    ignore=st.booleans(),
)  # fmt: skip

GOOD = """\
clustering: "abc"
clusters:
  0:
    name: sand
    color: "#aa0000"
    merge_into:
    ignore: false
  1:
    name: "no"
    color: 00bb00
    merge_into: 0
    ignore: yes
"""


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.integers(0, 300), ENTRIES, min_size=1, max_size=6), st.text("0123456789abcdef", max_size=16))
def test_what_is_written_is_read_again(tmp_path_factory, entries, clustering):
    path = tmp_path_factory.mktemp("n") / "classes.yaml"
    naming = Naming(entries, clustering)
    text = naming_text(naming, dict.fromkeys(entries, 0.25), dict.fromkeys(entries, "gallery/0.png"))
    path.write_bytes(text.encode())
    assert load_naming(path).naming == naming
    plain = yaml.safe_load(text)  # any other reader sees the same
    for k, entry in entries.items():
        assert plain["clusters"][k]["name"] == entry.name
        assert plain["clusters"][k]["merge_into"] == entry.merge_into
        assert plain["clusters"][k]["color"] == "#" + bytes(entry.color).hex()
        assert plain["clusters"][k]["ignore"] is entry.ignore


@pytest.mark.parametrize("field", ["name", "merge_into"])
def test_a_number_behind_a_hash_without_quotes_is_refused(tmp_path: Path, field: str) -> None:
    """YAML reads `sand #1` and `sand #2` as one name: both clusters became one class."""
    path = tmp_path / "classes.yaml"
    text = GOOD.replace("name: sand", "name: sand #1").replace('name: "no"', "name: sand #2")
    if field == "merge_into":
        text = GOOD.replace("merge_into: 0", "merge_into: sand #1")
    path.write_text(text)
    line, cluster = (4, 0) if field == "name" else (11, 1)
    with pytest.raises(UsageError) as refused:
        load_naming(path)
    assert str(refused.value) == (
        f"{path}:{line}: cluster {cluster}, {field}: without quotes 'sand #1' is 'sand' and a comment; "
        'write "sand #1", or a space behind #'
    )
    path.write_text(GOOD.replace("name: sand", 'name: "sand #1"').replace('name: "no"', 'name: "sand #2"'))
    assert [entry.name for entry in load_naming(path).naming.entries.values()] == ["sand #1", "sand #2"]
    path.write_text(GOOD.replace("name: sand", "name: sand # 1 of them").replace('"no"', '"no" #3'))
    assert [entry.name for entry in load_naming(path).naming.entries.values()] == ["sand", "no"]


def test_curly_quotes_are_quotes(tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    path.write_text(GOOD.replace("name: sand", "name: “soft coral”").replace('"#aa0000"', "“#aa0000”"), "utf-8")
    found = load_naming(path).naming.entries[0]
    assert (found.name, found.color) == ("soft coral", (170, 0, 0))
    path.write_text(GOOD.replace("name: sand", 'name: "“sand”"'), "utf-8")  # in straight quotes they are meant
    assert load_naming(path).naming.entries[0].name == "“sand”"


def test_what_people_write_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    path.write_text(GOOD.replace("name: sand", "name: 12  # twelve"))
    found = load_naming(path).naming
    assert found.clustering == "abc"
    assert found.entries == {
        0: Entry((0xAA, 0, 0), "12"),
        1: Entry((0, 0xBB, 0), "no", merge_into=0, ignore=True),
    }


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("name: sand", "name: [sand", 5, "not YAML at"),
        ("  0:", "\t0:", 3, "not YAML at '0:'"),
        ("name: sand", "nmae: sand", 4, "cluster 0: 'nmae' is not a field; did you mean name?"),
        ('"#aa0000"', '"#aa00"', 5, "cluster 0, color: '#aa00' is no color; write \"#rrggbb\""),
        ('"#aa0000"', "#aa0000", 5, "cluster 0, color: is empty: without quotes # begins a comment"),
        ('    color: "#aa0000"\n', "", 3, "cluster 0 has no color"),
        ("ignore: false", "ignore: nope", 7, "'nope' is neither true nor false"),
        ("  1:", "  0:", 8, "clusters: 0 stands on line 3 already; keep one of the two"),
        ("  1:", "  one:", 8, "'one' is no cluster"),
        ("  1:", "  14:", 8, "there is no cluster 14; clusters go from 0 to 1"),
        ("merge_into: 0", "merge_into: 1", 11, "cluster 1, merge_into: merges in a circle (1 -> 1)"),
        ("merge_into: 0", "merge_into: snad", 11, "did you mean 'sand'?"),
        ("merge_into: 0", "merge_into: {a: b}", 11, "cluster 1, merge_into: must be one value"),
        ('name: "no"', 'name: "SAND"', 9, "differ in case or spaces alone"),
        ("clusters:", "classes:", 2, "'classes' is not a field; did you mean clusters?"),
        ("name: sand", 'name: "a\\u200bb"', 4, "holds letters that no one can see"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(tmp_path: Path, old: str, new: str, line: int, problem: str) -> None:
    path = tmp_path / "classes.yaml"
    assert old in GOOD
    text = GOOD.replace("ignore: yes", "ignore: no").replace(old, new, 1)
    path.write_text(text.replace("merge_into: 0", "merge_into:") if "case" in problem else text)
    with pytest.raises(UsageError) as told:
        load_naming(path).legend(2)
    message = str(told.value)
    assert message.startswith(f"{path}:{line}: ")
    assert problem in message
    assert "\n" not in message


def test_other_mistakes_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    for content, problem in (
        (b"clusters: \xe9", ":1:.* not UTF-8"),
        (b"", "must be a block"),
        (b"clustering: a\n", "no `clusters:`"),
    ):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=problem):
            load_naming(path)


LONG = "x" * 100_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: sand", "name: &a [*a]"),
        ("name: sand", "name: " + "[" * 5000),
        ("name: sand", "name: !!python/name:os.system x"),
        ("name: sand", f"{LONG}: sand"),
        ("name: sand", f"[{LONG}]: sand"),
        ("name: sand", f'name: "{LONG}\\e"'),
        ('"#aa0000"', LONG),
        ("ignore: false", f"ignore: {LONG}"),
        ("merge_into: 0", f"merge_into: {LONG}"),
        ('name: "no"', f"name: {LONG}\n    share: [1]"),
        ("  1:", f"  {LONG}:"),
        ('clustering: "abc"', f"clustering: [{LONG}]"),
        ('clustering: "abc"', LONG),
        ("  1:", f"  {'9' * 5000}:"),
    ],
)
def test_what_is_wrong_is_a_short_line_however_long_the_value(tmp_path, monkeypatch, old: str, new: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(GOOD.replace("ignore: yes", "ignore: no").replace(old, new, 1))
    with pytest.raises(UsageError) as told:
        load_naming(Path("c.yaml")).legend(2)
    assert str(told.value).startswith("c.yaml:")
    assert "\n" not in str(told.value)
    assert len(str(told.value)) <= 300


def test_a_run_without_the_file_has_plain_names_and_one_of_other_clusters_is_refused(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path, {})
    assert open_legend(run_dir, 2).names == ("class 0", "class 1")
    path = tmp_path / "classes.yaml"
    path.write_text(GOOD)
    assert open_legend(run_dir, 2).names == ("sand",)
    (tmp_path / "manifest.json").write_text(
        '{"stages": {"cluster": {"key": "k", "artefact": "other", "parts": {}, "summary": {}, "seconds": 1,'
        ' "finished": "", "versions": {}, "machine": {}}}}'
    )
    with pytest.raises(UsageError, match="speaks of clusters that this run no longer has; `segpipe name"):
        open_legend(run_dir, 2)


def test_the_text_before_is_kept_beside(tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    assert save_naming(path, "a\n")
    assert not save_naming(path, "a\n")
    assert not (tmp_path / "classes.yaml.before").exists()
    assert save_naming(path, "b\n")
    assert (tmp_path / "classes.yaml.before").read_text() == "a\n"
