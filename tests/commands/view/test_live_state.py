import os
from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.base.files import write_json
from segpipe.commands.view.live_state import LiveState, describe_classes, naming_of, who_works
from segpipe.commands.view.opened_run import OpenedRun
from segpipe.commands.view.point_file import PointFile
from segpipe.records.class_names import Entry, Naming
from segpipe.store.class_names import CLASSES, naming_text
from tests.helpers.view_run import K


def write(root: Path, entries: dict[int, Entry], clustering: str = "") -> None:
    (root / CLASSES).write_text(naming_text(Naming(entries, clustering), {}, {}), "utf-8")


def plain() -> dict[int, Entry]:
    return {k: Entry((k, k, k)) for k in range(K)}


def test_shares_are_of_what_is_on_the_map(reef: Path) -> None:
    run = OpenedRun(reef)
    write(reef, {**plain(), 0: Entry((0, 0, 0), "", None, True), 2: Entry((2, 2, 2), "", 1)})
    naming = naming_of(run)
    found = describe_classes(run, naming, naming.legend(K))
    lines, own = found["classes"], found["own"]
    assert sum(own) == pytest.approx(1)
    assert [line["root"] for line in lines] == [None, 1, 1, 3]
    assert lines[0]["share"] == 0
    assert lines[1]["share"] == lines[2]["share"] == pytest.approx((own[1] + own[2]) / (1 - own[0]))
    held = [entry["pixels"] for entry in run.mask_index.values()]
    assert lines[1]["images"] == sum("1" in pixels or "2" in pixels for pixels in held)


def test_the_root_of_a_class_is_the_cluster_that_gives_name_and_color(reef: Path) -> None:
    run = OpenedRun(reef)
    write(reef, {**plain(), 0: Entry((9, 9, 9), "", 3), 3: Entry((3, 3, 3), "sand")})
    naming = naming_of(run)
    lines = describe_classes(run, naming, naming.legend(K))["classes"]
    assert [lines[0]["root"], lines[3]["root"]] == [3, 3]


def test_names_of_other_clusters_are_an_error(reef: Path) -> None:
    write(reef, plain(), "0123456789abcdef")
    with pytest.raises(UsageError, match="no longer has"):
        naming_of(OpenedRun(reef))
    run = OpenedRun(reef)
    state = LiveState(run, PointFile(run)).now({})
    assert "no longer has" in state["error"]
    assert state["classes"] == []


def test_intervals_of_cover_stay_after_a_rename(reef: Path, one_torch_thread: None) -> None:
    import segpipe

    segpipe.cover(reef)
    run = OpenedRun(reef)
    live = LiveState(run, PointFile(run))
    first = live.now({})["classes"]
    assert all(line["low"] <= line["share"] <= line["high"] for line in first)
    write(reef, {**plain(), 1: Entry((1, 1, 1), "sand"), 3: Entry((3, 3, 3), "", 2)})
    second = live.now({})["classes"]
    assert [second[k]["low"] for k in (0, 1)] == [first[k]["low"] for k in (0, 1)]
    assert [second[k]["low"] for k in (2, 3)] == [None, None]
    write(reef, {**plain(), 1: Entry((1, 1, 1), "", None, True)})
    assert {line["low"] for line in live.now({})["classes"]} == {None}


def test_another_command_at_work_is_told(reef: Path) -> None:
    run = OpenedRun(reef)
    assert who_works(run) is None
    for process, told in ((os.getppid(), True), (os.getpid(), False), (2**22 + 1, False)):
        write_json(reef / ".lock.json", {"pid": process, "since": "noon"})
        assert (who_works(run) is not None) == told
    write_json(reef / ".lock.json", {"pid": os.getppid(), "since": "noon"})
    live = LiveState(run, PointFile(run))
    assert "works on this run" in live.now({"job": None})["busy"]
    assert "works on this run" in live.now({"job": {"failed": "no"}})["busy"]
    assert live.now({"job": {"failed": None}})["busy"] is None
    (reef / ".lock.json").write_text("{")
    assert who_works(run) is None


def test_the_version_rises_with_every_change(reef: Path) -> None:
    run = OpenedRun(reef)
    live = LiveState(run, PointFile(run))
    seen = [live.now({"undo": None})["version"] for _ in range(2)]
    write(reef, plain())
    seen.append(live.now({})["version"])
    assert np.diff(seen).tolist() == [0, 1]
