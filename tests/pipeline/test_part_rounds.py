"""Stages in rounds: by number in any order, by leases, killed in between, they leave the bytes of one process."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from segpipe import pipeline
from segpipe.base.errors import MachineError, UsageError
from segpipe.base.parts import PartNumber
from segpipe.base.runtime import no_track
from segpipe.pipeline import part_work
from segpipe.pipeline.part_bench import open_bench
from segpipe.pipeline.part_rounds import CLOSING, close_by_lease, told_missing, what_comes_next
from segpipe.pipeline.part_status import StageStatus, status_of_parts
from segpipe.stages.cluster.tree_rounds import TreeGrowth
from segpipe.store.leases import Leases
from segpipe.store.part_folder import PartFolder
from segpipe.store.shared_work import Round
from tests.helpers.parted_run import artefact, copied, do, merge, plan_reef, replan, settings_of, small_shards

ARTEFACTS = ("pairs", "head", "clusters")


def set_up(run: Path) -> None:
    """A sample of half of the patches, so that clusters take four rounds; few small clusters."""
    run_dir, _ = settings_of(run)
    sets = ["cluster.patches=300", "cluster.prototypes=16", "cluster.n_init=2", "cluster.max_iter=10"]
    pipeline.save_settings(run_dir, pipeline.resolve(run_dir, sets=sets))


def plainly(run: Path, start: str, stop: str) -> None:
    pipeline.work(*settings_of(run), no_track, start=start, stop=stop)


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run up to `extract`, with five shards of two crops."""
    run = plan_reef(tmp_path_factory.mktemp("rounds"), "run", parts=3)
    set_up(run)
    with small_shards():
        plainly(run, "extract", "extract")
    return run


@pytest.fixture(scope="module")
def whole(extracted: Path) -> Path:
    """The same up to `cluster`, by one process."""
    run = copied(extracted, extracted.parent / "whole")
    plainly(run, "mine", "cluster")
    return run


@pytest.fixture(scope="module")
def trained(whole: Path) -> Path:
    """The same up to `train`."""
    run = copied(whole, whole.parent / "trained")
    run_dir, _ = settings_of(run)
    run_dir.record("cluster", None)
    for path in sorted((run / "clusters").iterdir()):
        path.unlink()
    (run / "clusters").rmdir()
    return run


def same(run: Path, whole: Path, *names: str) -> None:
    for name in names:
        assert artefact(run, name) == artefact(whole, name)
    assert not list(run.glob("*.partial"))


def cluster_status(run: Path) -> StageStatus:
    return next(each for each in status_of_parts(*settings_of(run)) if each.stage == "cluster")


def test_mine_and_cluster_in_parts_are_what_one_process_makes(
    extracted: Path, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = copied(extracted, tmp_path / "run")
    for part in ("3/3", "1/3", "2/3"):
        assert do(run, "mine", part) == 1
    assert merge(run)["mine"].record is not None
    plainly(run, "train", "train")
    said = []
    for number in (1, 2, 3, 4):
        for part in ("2/3", "3/3", "1/3"):
            if part == "1/3":
                with pytest.raises(
                    UsageError, match=rf"1 of 3 parts of cluster, round {number} of 4.* are missing: 1;"
                ):
                    merge(run)
            with caplog.at_level(logging.INFO, logger="segpipe"):
                assert do(run, "cluster", part) == 1
        found = cluster_status(run)
        assert found.done == 3
        assert found.round.startswith(f"{number} of 4 (")
        merged = merge(run)["cluster"]
        assert (merged.closed, merged.record is not None) == (number < 4, number == 4)
        said.append(merged.said)
    assert said[0] == (
        "round 1 of 4 (codes of all patches) is closed; next: the parts of round 2 of 4 (members of the small "
        "clusters, pass 1 of 3)"
    )
    last = "members of the small clusters, pass 3 of 3"
    assert f"part 3/3 of round 4 of 4 ({last}) is done; 1 of 3 parts are left, then comes `segpipe merge" in caplog.text
    assert f"part 1/3 of round 4 of 4 ({last}) is done, as all others are; next: `segpipe merge" in caplog.text
    same(run, whole, *ARTEFACTS)
    ours, theirs = (pipeline.existing_run(path).manifest().stages for path in (run, whole))
    for name in ("mine", "cluster"):
        assert ours[name].summary == theirs[name].summary
        assert ours[name].artefact == theirs[name].artefact
    assert cluster_status(run).state == "finished"
    folders = [path.parent for path in (run / "parts" / "cluster").glob("*/closed.json")]
    closing = [PartFolder(run, "cluster", folder.name).closing_seconds for folder in folders]
    assert len(closing) == 3
    assert ours["cluster"].seconds > sum(closing) > 0


def test_more_parts_than_shards_by_leases(trained: Path, whole: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path / "run")
    replan(run, parts=7)
    assert do(run, "cluster", "5/7") == 1
    assert do(run, "cluster", "auto") == 4 * 7 - 1
    assert do(run, "cluster", "auto") == 0
    merge(run, verify=True)
    same(run, whole, "clusters")


def test_a_plain_command_goes_on_in_the_round_that_is_open(trained: Path, whole: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path / "run")
    for part in ("1/3", "2/3", "3/3"):
        do(run, "cluster", part)
    merge(run)
    do(run, "cluster", "2/3")
    assert cluster_status(run).done == 1
    plainly(run, "cluster", "cluster")
    same(run, whole, "clusters")


def test_who_closes_a_round_and_vanishes_loses_nothing(
    trained: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, real, closed = copied(trained, tmp_path / "run"), TreeGrowth.close_round, list[int]()

    def close(work: TreeGrowth) -> None:
        closed.append(work.round.number)
        if len(closed) == 1:
            raise MachineError("the disk is full")
        if len(closed) == 2:  # another comes and closes it too, while this one still works
            real(work)
        real(work)

    monkeypatch.setattr(TreeGrowth, "close_round", close)
    with pytest.raises(MachineError, match="the disk is full"):
        do(run, "cluster", "auto")
    assert cluster_status(run).round.startswith("1 of 4")
    assert do(run, "cluster", "auto") == 9  # the parts of the first round were done
    assert closed == [1, 1, 2, 3]
    merge(run)
    same(run, whole, "clusters")


def test_a_round_that_another_closed_meanwhile_is_not_closed_again(
    trained: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, real, close, closed = copied(trained, tmp_path / "run"), close_by_lease, TreeGrowth.close_round, list[int]()
    others = list[int]()

    def late(*given: Any, **options: Any) -> bool:
        if not others:  # before this one gets the lease of the first round another has done all rounds
            others.append(0)
            others.append(do(run, "cluster", "auto"))
        return real(*given, **options)

    def noted(work: TreeGrowth) -> None:
        closed.append(work.round.number)
        close(work)

    monkeypatch.setattr(part_work, "close_by_lease", late)
    monkeypatch.setattr(TreeGrowth, "close_round", noted)
    assert do(run, "cluster", "auto") == 3
    assert others == [0, 9]
    assert closed == [1, 2, 3]
    merge(run)
    same(run, whole, "clusters")


def test_files_that_are_gone_are_written_again(trained: Path, whole: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path / "run")
    for part in ("1/3", "2/3", "3/3"):
        do(run, "cluster", part)
    (place,) = run.glob("parts/cluster/*-1")
    leases = Leases(place, seconds=60, owner="a:1:x")
    assert cluster_status(run).state == "open"
    assert leases.take(CLOSING)
    assert cluster_status(run).state == "closing"
    with pytest.raises(UsageError, match="overwrite: a round of cluster is being done by a:1:x"):
        replan(run, parts=4)
    leases.give_back(CLOSING)
    (run / "clusters.partial" / ".units" / "every" / "000000002.npz").unlink()
    with pytest.raises(UsageError, match=r"1 of 3 parts of cluster, round 1 of 4 .* are missing: 2;"):
        merge(run)
    assert do(run, "cluster", "auto") == 1 + 9
    merge(run)
    same(run, whole, "clusters")


def test_the_tree_that_is_there_leaves_nothing_to_parts(whole: Path, tmp_path: Path) -> None:
    run = copied(whole, tmp_path / "run")
    run_dir, _ = settings_of(run)
    pipeline.save_settings(run_dir, pipeline.resolve(run_dir, sets=["cluster.k=3"]))
    bench = open_bench(*settings_of(run), no_track, "cluster")
    assert bench is not None
    assert (bench.work.units, bench.round) == (0, Round(what="the tree is there"))
    assert do(run, "cluster", "auto") == 3
    merge(run)
    record = pipeline.existing_run(run).manifest().stages["cluster"]
    assert (record.summary["cut_only"], record.summary["k"]) == (True, 3)
    assert artefact(run, "clusters")["tree.npz"] == artefact(whole, "clusters")["tree.npz"]


def test_what_a_worker_that_was_killed_had_is_taken_over(trained: Path, whole: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path / "run")
    command = [sys.executable, "-m", "segpipe", "cluster", str(run), "--part", "auto", "--lease-minutes", "0.02"]
    other = subprocess.Popen(command, text=True, stderr=subprocess.PIPE)
    until = time.monotonic() + 600
    while not list(run.glob("parts/cluster/*/*.lease")) and other.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    os.kill(other.pid, signal.SIGKILL)
    said = other.communicate()[1]
    assert other.returncode == -signal.SIGKILL, said
    assert 0 < do(run, "cluster", "auto", lease_minutes=0.02) <= 12
    assert not list(run.glob("parts/cluster/*/*.lease"))
    merge(run, verify=True)
    same(run, whole, "clusters")


def test_what_is_said_of_rounds(tmp_path: Path) -> None:
    run_dir, now = pipeline.open_run(tmp_path / "run"), Round(2, 3, "counts")
    said = what_comes_next(PartNumber(2, 5), now, run_dir, 4)
    assert said == (
        f"part 2/5 of round 2 of 3 (counts) is done; 1 of 5 parts are left, then comes `segpipe merge {run_dir.root}`"
    )
    said = what_comes_next(PartNumber(2, 5), now, run_dir, 5)
    assert said.endswith(f"`segpipe merge {run_dir.root}` closes it, and the parts of round 3 can begin")
    assert what_comes_next(PartNumber(1, 1), Round(3, 3, "x"), run_dir, 1).endswith("closes the stage")
    assert told_missing("mine", Round(), [1, 2], 4) == "2 of 4 parts of mine are missing: 1-2"
