"""Actions against a real run, without a network: what each writes, and that undo and redo are exact."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import segpipe.cli.app
from segpipe.base.errors import LockedError, SegpipeError
from segpipe.commands.view.actions import Actions
from segpipe.commands.view.asked import BadRequest
from segpipe.commands.view.live_state import LiveState, naming_of
from segpipe.commands.view.opened_run import NotHere, OpenedRun
from segpipe.commands.view.point_file import PointFile
from segpipe.pipeline import open_run, resolve
from segpipe.store.class_names import CLASSES, load_naming
from tests.helpers.view_run import K


class Opened:
    """A run with its actions, and what they come to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.run = OpenedRun(root)
        self.points = PointFile(self.run)
        self.actions = Actions(self.run, self.points)
        self.live = LiveState(self.run, self.points)

    def do(self, action: str, **values: Any) -> dict[str, Any]:
        return self.actions.do({"action": action, **values})

    def state(self) -> dict[str, Any]:
        return self.live.now(self.actions.state())

    def meaning(self) -> tuple[Any, ...]:
        """What the files say, that actions may change."""
        path = self.root / "points.csv"
        settings: Any = resolve(open_run(self.root))["cluster"]
        classes = dict(naming_of(self.run).entries) if (self.root / CLASSES).exists() else None
        return classes, path.read_bytes() if path.exists() else None, settings.k


@pytest.fixture
def opened(reef: Path) -> Opened:
    return Opened(reef)


def test_a_name_is_written_and_shown_with_its_command(opened: Opened) -> None:
    told = opened.do("name", cluster=2, name="  soft   coral ")
    assert told["command"] == f"segpipe name {opened.root} --name 2 'soft coral'"
    assert load_naming(opened.root / CLASSES).naming.entries[2].name == "soft coral"
    state = opened.state()
    assert state["classes"][2]["name"] == "soft coral"
    assert state["undo"] == "name cluster 2 soft coral"
    assert state["redo"] is None


def test_clusters_of_one_name_are_one_class(opened: Opened) -> None:
    opened.do("name", cluster=1, name="sand")
    opened.do("name", cluster=3, name="sand")
    classes = opened.state()["classes"]
    own = opened.state()["own"]
    assert classes[3]["root"] == classes[1]["root"] == 1
    assert classes[3]["share"] == pytest.approx(own[1] + own[3])


def test_merging_leaving_out_and_coloring(opened: Opened) -> None:
    assert opened.do("merge", cluster=3, into=0)["command"].endswith("--merge 3 0")
    assert opened.do("ignore", cluster=1, ignore=True)["command"].endswith("--ignore 1")
    assert opened.do("color", cluster=0, color="#A1b2c3")["command"].endswith("--color 0 '#A1b2c3'")
    classes = opened.state()["classes"]
    assert (classes[3]["merge_into"], classes[3]["root"]) == (0, 0)
    assert (classes[1]["ignore"], classes[1]["root"]) == (True, None)
    assert classes[0]["color"] == "#a1b2c3"
    opened.do("unmerge", cluster=3)
    opened.do("ignore", cluster=1, ignore=False)
    assert [line["root"] for line in opened.state()["classes"]] == [0, 1, 2, 3]


def test_the_command_line_that_is_shown_does_the_same(opened: Opened, tmp_path: Path) -> None:
    other = Path(shutil.copytree(opened.root, tmp_path / "other"))
    steps = [
        {"action": "name", "cluster": 0, "name": "it's <b>sand</b>"},
        {"action": "name", "cluster": 1, "name": "-coral"},
        {"action": "color", "cluster": 1, "color": "#010203"},
        {"action": "merge", "cluster": 2, "into": 1},
        {"action": "ignore", "cluster": 3, "ignore": True},
        {"action": "name", "cluster": 1, "name": ""},
        {"action": "unmerge", "cluster": 2},
    ]
    for step in steps:
        command = opened.actions.do(step)["command"]
        opened.actions.close()
        words = [str(other) if word == str(opened.root) else word for word in shlex.split(command)]
        assert words[0] == "segpipe"
        assert segpipe.cli.app.run([*words[1:], "--quiet"]) == 0
        assert (other / CLASSES).read_bytes() == (opened.root / CLASSES).read_bytes(), command


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        ({"action": "merge", "cluster": 1, "into": 1}, "itself"),
        ({"action": "merge", "cluster": 1, "into": 99}, "no cluster 99"),
        ({"action": "name", "cluster": 99, "name": "x"}, "no cluster 99"),
        ({"action": "name", "cluster": 1, "name": "a\u200bb"}, "no one can see"),
        ({"action": "name", "cluster": 1, "name": "x" * 201}, "at most 200"),
        ({"action": "name", "cluster": 1, "name": "cluster 2"}, "has no name yet"),
        ({"action": "name", "cluster": "1", "name": "x"}, "whole number"),
        ({"action": "name", "cluster": True, "name": "x"}, "whole number"),
        ({"action": "color", "cluster": 1, "color": "red"}, "no color"),
        ({"action": "unmerge", "cluster": 1}, "into no other"),
        ({"action": "split", "cluster": 1, "into": 1}, "from 2"),
        ({"action": "split", "cluster": 77}, "no cluster 77"),
        ({"action": "keep_k", "k": 0}, "from 1"),
        ({"action": "point", "image": 0, "row": 0, "col": 0, "label": " "}, "label"),
        ({"action": "point", "image": 0, "row": -1, "col": 0, "label": "a"}, "row"),
        ({"action": "point", "image": 0, "row": float("nan"), "col": 0, "label": "a"}, "row"),
        ({"action": "undo"}, "nothing to undo"),
        ({"action": "redo"}, "nothing to redo"),
        ({"action": "no such"}, "action must be"),
        ({"action": ["name"]}, "action must be"),
        ({}, "action must be"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    opened: Opened, action: dict[str, Any], problem: str
) -> None:
    before = sorted(path.name for path in opened.root.iterdir())
    with pytest.raises(BadRequest, match=problem):
        opened.actions.do(action)
    assert sorted(path.name for path in opened.root.iterdir()) == before


def test_a_point_outside_its_image_is_refused(opened: Opened) -> None:
    with pytest.raises(SegpipeError, match="lies outside"):
        opened.do("point", image=0, row=5000, col=3, label="sand")
    with pytest.raises(NotHere):
        opened.do("point", image=500, row=5, col=3, label="sand")


def test_a_circle_of_merges_is_refused(opened: Opened) -> None:
    opened.do("merge", cluster=1, into=2)
    with pytest.raises(BadRequest, match="circle"):
        opened.do("merge", cluster=2, into=1)


def test_what_somebody_wrote_since_is_not_undone(opened: Opened) -> None:
    opened.do("name", cluster=1, name="sand")
    path = opened.root / CLASSES
    path.write_text(path.read_text().replace('"sand"', '"mud"  # seen by hand'))
    with pytest.raises(BadRequest, match="was changed in classes.yaml since".replace(".", "[.]")):
        opened.do("undo")
    assert 'name: "mud"  # seen by hand' in path.read_text()


def test_comments_of_a_person_stay(opened: Opened) -> None:
    opened.do("name", cluster=1, name="sand")
    path = opened.root / CLASSES
    path.write_text(path.read_text().replace('"sand"', '"sand"  # fine grained'))
    opened.do("name", cluster=2, name="coral")
    opened.do("undo")
    assert 'name: "sand"  # fine grained' in path.read_text()


def test_the_journal_survives_closing(opened: Opened) -> None:
    opened.do("name", cluster=1, name="sand")
    opened.do("merge", cluster=2, into=1)
    opened.do("undo")
    opened.actions.close()
    again = Opened(opened.root)
    assert (again.state()["undo"], again.state()["redo"]) == ("name cluster 1 sand", "merge 2 into 1")
    again.do("redo")
    assert again.state()["classes"][2]["root"] == 1


def test_a_new_action_ends_what_could_be_redone(opened: Opened) -> None:
    opened.do("name", cluster=1, name="sand")
    opened.do("undo")
    opened.do("name", cluster=1, name="mud")
    assert opened.state()["redo"] is None


def test_a_run_that_is_in_use_takes_no_action(opened: Opened) -> None:
    with open_run(opened.root).lock(), pytest.raises(LockedError, match="is in use"):
        opened.do("name", cluster=1, name="sand")
    assert not (opened.root / CLASSES).exists()


def test_keeping_a_number_of_classes_says_what_will_run(opened: Opened) -> None:
    before = resolve(open_run(opened.root))["train"]
    told = opened.do("keep_k", k=3)
    settings: Any = resolve(open_run(opened.root))
    assert settings["cluster"].k == 3
    whiten = settings["train"].whiten  # else classes of other components than those that were looked at
    assert settings["train"].identity() == before.identity()
    assert told["command"].endswith(f"--set cluster.k=3 --set train.whiten={whiten}")
    assert [line.split(":")[0] for line in told["will_run"]][:2] == ["cluster", "refine"]
    opened.do("undo")
    assert opened.meaning()[2] == K
    assert resolve(open_run(opened.root))["train"] == before
    redone = opened.do("redo")
    assert resolve(open_run(opened.root))["train"] == settings["train"], redone


def test_what_the_masks_hold_is_remembered_beside_the_names(opened: Opened) -> None:
    opened.do("name", cluster=1, name="sand")
    opened.actions.close()
    assert (opened.root / "gallery" / "seen.npz").exists()


@pytest.mark.usefixtures("one_torch_thread")
def test_a_split_is_a_job_that_can_be_undone(opened: Opened) -> None:
    opened.do("name", cluster=0, name="coral")
    before = opened.meaning()
    told = opened.do("split", cluster=0, into=2)
    assert told["command"] == f"segpipe name {opened.root} --split 0 --into 2"
    with pytest.raises(LockedError, match="at work"):
        opened.do("name", cluster=1, name="sand")
    assert opened.state()["job"]["what"] == told["command"]
    opened.actions.wait()
    state = opened.state()
    assert state["job"] is None
    assert len(state["classes"]) == K + 1
    assert [line["name"] for line in state["classes"]][0::K] == ["coral 1", "coral 2"]
    assert state["undo"] == "split 0 into 2"
    opened.do("undo")
    opened.actions.wait()
    assert opened.meaning() == before
    assert opened.state()["undo"] == "name cluster 0 coral"
    assert opened.state()["redo"] == "split 0 into 2"


def test_a_job_that_fails_says_why(opened: Opened) -> None:
    (opened.root / "masks" / "header.json").write_text("{}")
    opened.actions._begin(0, 2, lambda: None)
    opened.actions.wait()
    assert "header.json" in opened.actions.state()["job"]["failed"]


names = st.sampled_from(["sand", "coral", "", "it's <b>", "rock, hard", "=1+1", "砂", "-x"])
clusters = st.integers(0, K - 1)
acts = st.one_of(
    st.fixed_dictionaries({"action": st.just("name"), "cluster": clusters, "name": names}),
    st.fixed_dictionaries(
        {"action": st.just("color"), "cluster": clusters, "color": st.sampled_from(["#010203", "#fefefe"])}
    ),
    st.fixed_dictionaries({"action": st.just("merge"), "cluster": clusters, "into": clusters}),
    st.fixed_dictionaries({"action": st.just("unmerge"), "cluster": clusters}),
    st.fixed_dictionaries({"action": st.just("ignore"), "cluster": clusters, "ignore": st.booleans()}),
    st.fixed_dictionaries(
        {
            "action": st.just("point"),
            "image": st.integers(0, 3),
            "row": st.floats(0, 100),
            "col": st.integers(0, 100),
            "label": names.filter(bool),
        }
    ),
    st.fixed_dictionaries({"action": st.just("unpoint"), "which": st.integers(0, 3)}),
    st.fixed_dictionaries({"action": st.just("keep_k"), "k": st.integers(2, 5)}),
    st.sampled_from([{"action": "undo"}, {"action": "redo"}]),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(acts, max_size=12))
def test_all_undone_is_as_before_and_all_redone_as_after(reef: Path, sequence: list[dict[str, Any]]) -> None:
    for name in (CLASSES, "classes.yaml.before", "points.csv", "view.journal.jsonl"):
        (reef / name).unlink(missing_ok=True)
    opened = Opened(reef)
    opened.actions._remember = lambda: None  # type: ignore[method-assign]
    before = opened.meaning()
    for step in sequence:
        if step["action"] == "unpoint":
            points = opened.points.read()
            step = {"action": "unpoint", "id": points[step["which"]].id if step["which"] < len(points) else "p0"}
        try:
            opened.actions.do(step)
        except (BadRequest, SegpipeError, NotHere):
            continue
    after = opened.meaning()
    states = [after]
    while opened.state()["undo"] is not None:
        opened.do("undo")
        states.append(opened.meaning())
    assert opened.meaning() == before
    for expected in reversed(states[:-1]):
        opened.do("redo")
        assert opened.meaning() == expected
    while opened.state()["redo"] is not None:
        opened.do("redo")
    while opened.state()["undo"] is not None:
        opened.do("undo")
    assert opened.meaning() == before
