from pathlib import Path

import pytest
import yaml
from pydantic import Field

from segpipe.base.config import AbsolutePath, Layer, Section, before, build, read_sets, read_yaml, setting, to_yaml
from segpipe.base.errors import RenamedWarning, UsageError


class Mine(Section):
    k: int = setting(7, "neighbors kept per crop", ge=1)
    batch: int = setting(8, "rows at once", result=False)
    file: AbsolutePath | None = setting(None, "a file")
    blocks: tuple[int, ...] = setting((-1,), "blocks")


class Bare(Section):
    name: str = Field("x", description="a name")


SECTIONS: dict[str, type[Section]] = {"mine": Mine, "bare": Bare}


def test_later_layers_win_and_values_are_typed() -> None:
    built = build(
        SECTIONS,
        [Layer("a.yaml", {"mine.k": 3, "mine.batch": 2}), read_sets(["mine.k=5", "mine.blocks=[3, -1]"])],
    )
    mine = built["mine"]
    assert isinstance(mine, Mine)
    assert (mine.k, mine.batch, mine.blocks) == (5, 2, (3, -1))


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (["mine.kk=3"], "--set: mine.kk is not a setting; did you mean mine.k?"),
        (["k=3"], "--set: k is not a setting; did you mean mine.k?"),
        (["mine.k=0"], "--set: mine.k=0 should be greater than or equal to 1"),
        (["mine.k=many"], "--set: mine.k='many' should be a valid integer"),
        (["mine.k"], "--set mine.k: expected key=value"),
        (["mine.k=[1"], "--set mine.k:1: not YAML at '[1' (expected"),
        (["zzz.yyy=1"], "sections are mine, bare"),
        (["mine.blocks=3,a"], "--set: mine.blocks='3,a' should be a valid integer"),
        (["mine.blocks={a: 1}"], "should be one or several values, such as a,b"),
    ],
)
def test_wrong_settings_name_the_place_and_the_way_out(sets: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        build(SECTIONS, [read_sets(sets)])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "blocks"), [("9", (9,)), ("9, 12", (9, 12)), ("[9, 12]", (9, 12)), ("''", ())])
def test_a_setting_of_several_values_takes_them_with_commas_and_one_alone(text: str, blocks: tuple[int, ...]) -> None:
    mine = build(SECTIONS, [read_sets([f"mine.blocks={text}"])])["mine"]
    assert isinstance(mine, Mine)
    assert mine.blocks == blocks


class Numbers(Section):
    seed: int = setting(0, "a seed", ge=0)
    weight: float = setting(0.5, "a weight")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seed", 2**63, "numbers.seed=9223372036854775808: is beyond 64 bits"),
        ("seed", str(10**30), "is beyond 64 bits"),
        ("weight", float("nan"), "numbers.weight=nan: should be a finite number"),
        ("weight", float("inf"), "should be a finite number"),
        ("weight", "1e999", "should be a finite number"),
    ],
)
def test_numbers_that_no_array_holds_are_refused(key: str, value: object, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        build({"numbers": Numbers}, [Layer("", {f"numbers.{key}": value})])
    assert message in str(caught.value)


def test_an_integer_that_python_itself_refuses_to_write_is_refused() -> None:
    with pytest.raises(UsageError, match=r"numbers\.seed=\.\.\.: is beyond 64 bits"):
        build({"numbers": Numbers}, [Layer("", {"numbers.seed": 10**5000})])


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        build(SECTIONS, [read_sets(["mine.kk=3", "mine.k=x"])])
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("text", ["mine: [1]", "- a", "mine:\n  k: [", "3"])
def test_a_config_that_is_not_sections_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"c\.yaml"):
        read_yaml(tmp_path / "c.yaml")


def test_a_missing_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.yaml: cannot read"):
        read_yaml(tmp_path / "nothing.yaml")


def test_yaml_round_trip(tmp_path: Path) -> None:
    built = build(SECTIONS, [read_sets(["mine.file=some/é file.txt", "mine.k=4", "bare.name='3: x # y'"])])
    (tmp_path / "c.yaml").write_text(to_yaml(built), "utf-8")
    assert build(SECTIONS, [read_yaml(tmp_path / "c.yaml")]) == built
    assert "# neighbors kept per crop" in (tmp_path / "c.yaml").read_text("utf-8")
    assert yaml.safe_load((tmp_path / "c.yaml").read_text("utf-8"))["mine"]["k"] == 4


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The config.yaml of a run that differs from the defaults in every section."""
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(build(SECTIONS, [read_sets(["mine.k=4", "bare.name=y"])])), "utf-8")
    return path


def test_a_file_of_ours_that_is_cut_short_is_never_read(written: Path) -> None:
    whole = written.read_bytes()
    for length in range(len(whole.rstrip())):  # a line feed less loses nothing
        written.write_bytes(whole[:length])
        with pytest.raises(UsageError, match=r"config\.yaml:\d+: is cut short, so settings are missing"):
            read_yaml(written, own=True)
    written.write_bytes(whole.rstrip())
    assert read_yaml(written, own=True).values["bare.name"] == "y"


def test_a_person_may_add_and_remove_sections_and_lines_of_it(written: Path) -> None:
    text = written.read_text("utf-8")
    head, mine, bare = text.index("mine:"), text.index("mine:"), text.index("bare:")
    end = text.index("# End")
    for edited in (
        text + "more:\n  x: 1\n",  # below the last line
        text[:mine] + text[bare:],  # without a section
        text[:head] + "more: {x: 1}\n" + text[mine:],
        text[:mine] + text[end:],  # without any
        text[head:],  # without the first line, as if it were another file
        text[head:end],  # as earlier versions wrote it
        text.replace("\n", "\r\n"),
    ):
        written.write_text(edited, "utf-8", newline="")
        read_yaml(written, own=True)
    assert read_yaml(written, own=True).values["mine.k"] == 4
    written.write_text(text[:end], "utf-8")
    with pytest.raises(UsageError, match="if nothing is missing, write its last line again: # End of the settings"):
        read_yaml(written)


def test_a_config_of_a_person_may_be_empty_or_hold_comments_alone(tmp_path: Path) -> None:
    for text in ("", "\n", "# The settings", "# one\n# two\n"):
        (tmp_path / "c.yaml").write_text(text)
        assert read_yaml(tmp_path / "c.yaml").values == {}


@pytest.mark.parametrize(
    "text",
    [
        "mine:\n  k: " + "x" * 100_000,
        "mine:\n  blocks: [" + "x, " * 50_000 + "]",
        f"mine:\n  {'k' * 100_000}: 1",
        "k" * 100_000 + ": {a: 1}",
        "k" * 100_000 + ": 1",
        "mine:\n" + "".join(f"  k{i}: 1\n" for i in range(20_000)),
        "mine: {k: 2026-11-29}",
        f"mine: {{k: {'9' * 5000}}}",
        f"mine: {{k: '{'9' * 5000}'}}",
    ],
)
def test_messages_stay_short_whatever_the_values_are(tmp_path: Path, monkeypatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(text)
    with pytest.raises(UsageError) as told:
        build(SECTIONS, [read_yaml(Path("c.yaml"))])
    lines = str(told.value).split("\n")
    assert lines[0].startswith("c.yaml:")
    assert max(map(len, lines)) <= 300
    assert len(lines) <= 11


def test_identity_leaves_out_what_cannot_change_the_result() -> None:
    assert Mine(batch=3).identity() == Mine().identity()
    assert Mine(k=3).identity() != Mine().identity()


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Mine(file=Path("a/../b.txt")).file == tmp_path / "b.txt"


class Renamed(Section):
    """Settings of which one has had two earlier names."""

    n_init: int = setting(3, "runs", ge=1, was=("restarts", "tries"))
    seed: int = setting(0, "seed")


def test_no_path_is_not_the_current_folder() -> None:
    class Places(Section):
        labels: AbsolutePath | None = setting(None, "labels")

    with pytest.raises(UsageError, match=r"--set: place\.labels='' is empty; give a value"):
        build({"place": Places}, [Layer("--set", {"place.labels": ""})])


def test_earlier_names_work_for_one_version_with_a_warning() -> None:
    for old in ("restarts", "tries"):
        with pytest.warns(RenamedWarning, match=rf"config.yaml: part.{old} is called part.n_init now"):
            made = build({"part": Renamed}, [Layer("config.yaml", {f"part.{old}": 5})])["part"]
        assert made == Renamed(n_init=5)


def test_a_run_s_own_file_may_use_them_in_silence() -> None:
    assert build({"part": Renamed}, [Layer("run", {"part.restarts": 5}, own=True)])["part"] == Renamed(n_init=5)


def test_a_renamed_setting_keeps_its_first_name_in_the_key_of_a_stage() -> None:
    assert Renamed(n_init=5).identity() == {"restarts": 5, "seed": 0}


class Grown(Section):
    """Settings of which one is younger than some runs."""

    rule: str = setting("new", "rule", before="old")
    seed: int = setting(0, "seed")


def test_what_a_run_does_not_say_means_what_its_version_did() -> None:
    sections = {"part": Grown}
    assert before(sections).values == {"part.rule": "old"}
    assert build(sections, [before(sections), Layer("run", {"part.seed": 3}, own=True)])["part"] == Grown(
        rule="old", seed=3
    )
    assert build(sections, [before(sections), Layer("run", {"part.rule": "x"}, own=True)])["part"] == Grown(rule="x")
