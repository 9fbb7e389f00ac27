"""Parts of stages: in any order, by number or by leases, killed or failed, they leave the bytes of one process."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import segpipe
from segpipe import pipeline
from segpipe.base.errors import LockedError, MachineError, UsageError
from segpipe.base.runtime import no_track
from segpipe.pipeline import part_work
from segpipe.pipeline.part_bench import PartBench
from segpipe.store.leases import Leases
from segpipe.store.part_folder import PartFolder
from segpipe.store.run_dir import RunDir
from tests.helpers.parted_run import artefact, between, copied, do, merge, plan_reef, settings_of, small_shards


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run up to `refine`, done at once, with shards of two crops."""
    folder = tmp_path_factory.mktemp("whole")
    run = plan_reef(folder, "whole", parts=3)
    with small_shards():
        pipeline.work(*settings_of(run), lambda items, **_: iter(items), stop="refine")
    return run


@pytest.fixture(scope="module")
def planned(whole: Path) -> Path:
    """The same images, indexed and planned in three parts, the features laid out by a first part."""
    run = plan_reef(whole.parent, "planned", parts=3)
    with small_shards():
        assert do(run, "extract", "2/3") == 1
    return run


@pytest.fixture(scope="module")
def clustered(planned: Path) -> Path:
    """All up to `cluster` is done, `extract` in parts."""
    run = copied(planned, planned.parent / "clustered")
    do(run, "extract", "auto")
    merge(run)
    between(run)
    return run


def same(run: Path, whole: Path, *names: str) -> None:
    for name in names:
        found, expected = artefact(run, name), artefact(whole, name)
        assert sorted(found) == sorted(expected)
        assert [path for path in expected if found[path] != expected[path]] == []


def test_parts_in_any_order_are_the_run_done_at_once(clustered: Path, whole: Path, tmp_path: Path) -> None:
    run = copied(clustered, tmp_path / "run")
    for part in ("3/3", "1/3", "2/3"):
        assert do(run, "refine", part) == 1
    assert list(merge(run)) == ["extract", "mine", "cluster", "refine", "export"]
    same(run, whole, "features", "clusters", "masks")
    ours, theirs = (pipeline.existing_run(path).manifest().stages for path in (run, whole))
    for name in ("extract", "refine"):
        assert ours[name].model_copy(update={"seconds": 0, "finished": ""}) == theirs[name].model_copy(
            update={"seconds": 0, "finished": ""}
        )
    assert not list(run.glob("*.partial"))


def test_more_parts_than_shards_and_another_plan_midway(planned: Path, whole: Path, tmp_path: Path) -> None:
    run = copied(planned, tmp_path / "run")  # a third is done
    before = artefact(run, "features.partial")
    assert plan_reef_again(run, parts=7)
    for number in (7, 2, 5, 1, 3, 6, 4):
        assert do(run, "extract", f"{number}/7") == 1
    after = artefact(run, "features.partial")
    assert {name: after[name] for name in before} == before
    merge(run)
    same(run, whole, "features")


def plan_reef_again(run: Path, *, parts: int) -> bool:
    from segpipe.base.runtime import no_track
    from segpipe.pipeline.part_plan import make_plan

    return make_plan(*settings_of(run), no_track, parts, overwrite=True).parts == parts


def test_a_part_that_was_done_is_skipped_unless_its_files_are_gone(
    planned: Path, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = copied(planned, tmp_path / "run")
    with caplog.at_level(logging.INFO, logger="segpipe"):
        assert do(run, "extract", "2/3") == 0
    assert "part 2/3 was done before" in caplog.text
    (run / "features.partial" / "store.zarr" / "patches" / "c" / "1" / "0" / "0" / "0").unlink()
    assert do(run, "extract", "2/3") == 1
    do(run, "extract", "auto")
    merge(run)
    same(run, whole, "features")


def test_a_plain_command_finishes_what_parts_have_left(clustered: Path, whole: Path, tmp_path: Path) -> None:
    run = copied(clustered, tmp_path / "run")
    do(run, "refine", "2/3")
    pipeline.work(*settings_of(run), lambda items, **_: iter(items), start="refine", stop="refine")
    same(run, whole, "masks")
    assert do(run, "refine", "3/3") == 0  # it is up to date


def test_files_for_others_are_written_in_parts_too(clustered: Path, tmp_path: Path) -> None:
    run = copied(clustered, tmp_path / "run")
    do(run, "refine", "auto")
    merge(run)
    run_dir = pipeline.existing_run(run)
    formats = "export.formats=overlay,png,classes,coco,cog"
    pipeline.save_settings(run_dir, pipeline.resolve(run_dir, sets=[formats]))
    once = copied(run, tmp_path / "once")
    pipeline.work(*settings_of(once), lambda items, **_: iter(items), start="export", stop="export")
    for part in ("2/3", "1/3"):
        do(run, "export", part)
    with pytest.raises(UsageError, match="1 of 3 parts of export are missing: 3;"):
        merge(run)
    do(run, "export", "auto")
    merge(run)
    same(run, once, "export")
    ours, theirs = (pipeline.existing_run(path).manifest().stages["export"] for path in (run, once))
    assert ours.summary == theirs.summary


def test_parts_of_an_export_wait_until_names_were_carried_over(clustered: Path, tmp_path: Path) -> None:
    run = copied(clustered, tmp_path / "run")
    do(run, "refine", "auto")
    merge(run)
    segpipe.name(run)
    path = run / "classes.yaml"
    path.write_text(path.read_text().replace('name: ""', 'name: "kind"', 1))
    segpipe.name(run)
    segpipe.cluster(run, settings={"cluster.k": 3})
    segpipe.refine(run)
    with pytest.raises(UsageError, match=r"classes.yaml speaks of other clusters; .* `segpipe merge .*` first"):
        do(run, "export", "1/3")
    assert not list(run.glob("parts/export/*"))
    merge(run)
    assert do(run, "export", "1/3") == 1


def test_two_on_the_same_part_at_once(planned: Path, whole: Path, tmp_path: Path) -> None:
    run = copied(planned, tmp_path / "run")
    command = [sys.executable, "-m", "segpipe", "extract", str(run), "--part", "3/3", "-q"]
    both = [subprocess.Popen(command, text=True, stderr=subprocess.PIPE) for _ in range(2)]
    said = [each.communicate(timeout=900)[1] for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    do(run, "extract", "auto")
    merge(run, verify=True)
    same(run, whole, "features")


def workers(run: Path, stage: str, count: int) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "segpipe", stage, str(run), "--part", "auto", "--lease-minutes", "0.05"]
    return [subprocess.Popen(command, text=True, stderr=subprocess.PIPE) for _ in range(count)]


def leased(run: Path, stage: str) -> Iterator[int]:
    """Processes that have a lease now."""
    for path in run.glob(f"parts/{stage}/*/0*.lease"):
        try:
            yield int(json.loads(path.read_text())["owner"].split(":")[1])
        except (OSError, ValueError, KeyError):
            continue


def test_workers_by_leases_of_which_some_are_killed(clustered: Path, whole: Path, tmp_path: Path) -> None:
    run = copied(clustered, tmp_path / "run")
    plan_reef_again(run, parts=5)
    begun, killed = workers(run, "refine", 2), set[int]()
    until = time.monotonic() + 600
    while not killed and time.monotonic() < until:
        for process in set(leased(run, "refine")) & {each.pid for each in begun}:
            os.kill(process, signal.SIGKILL)
            killed.add(process)
            break
        time.sleep(0.01)
    assert len(killed) == 1
    said = {each.pid: each.communicate(timeout=900)[1] for each in begun}
    assert {each.pid for each in begun if each.returncode} == killed, said
    assert not list(run.glob("parts/refine/*/*.lease"))
    merge(run, verify=True)
    same(run, whole, "masks")


def test_a_lease_that_ran_out_while_its_owner_works(
    clustered: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, real, calls = copied(clustered, tmp_path / "run"), part_work.do_part, list[int]()

    def slow(bench: PartBench, number: int) -> None:
        calls.append(number)
        if len(calls) == 1:  # another comes, takes the part over and finishes it while this one still works
            for lease in bench.folder.path.glob("*.lease"):
                os.utime(lease, (0, 0))
            assert do(run, "refine", "auto") == 3
        real(bench, number)

    monkeypatch.setattr(part_work, "do_part", slow)
    assert do(run, "refine", "auto") == 1
    merge(run, verify=True)
    same(run, whole, "masks")


def test_a_part_that_fails_says_why_and_is_done_again(
    clustered: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(clustered, tmp_path / "run")
    key = next((run / "parts").glob("refine/*"), None)
    assert key is None
    with monkeypatch.context() as patch:
        patch.setattr(part_work, "sum_files", no_room)
        with pytest.raises(MachineError, match=r"refine: parts 1-3 of 3 failed; part \d: the disk is full"):
            do(run, "refine", "auto")
    (folder,) = (run / "parts").glob("refine/*")
    failures = PartFolder(run, "refine", folder.name).failures()
    assert {number: each.reason for number, each in failures.items()} == dict.fromkeys((1, 2, 3), "the disk is full")
    assert do(run, "refine", "auto") == 3
    assert PartFolder(run, "refine", folder.name).failures() == {}
    merge(run)
    same(run, whole, "masks")


def no_room(*_: object) -> None:
    raise MachineError("the disk is full")


def test_parts_of_another_number_are_refused(planned: Path, tmp_path: Path) -> None:
    run = copied(planned, tmp_path / "run")
    with pytest.raises(UsageError, match=r"part 1/4: the plan of .* has 3 parts; give --part 1/3 or plan anew"):
        do(run, "extract", "1/4")


def test_leftovers_of_other_settings_make_room(planned: Path, whole: Path, tmp_path: Path) -> None:
    run = copied(planned, tmp_path / "run")
    (run / "features.partial" / ".key").write_text("another")
    (run / "features.partial" / "store.zarr" / "done" / "c" / "0").unlink(missing_ok=True)
    for record in run.glob("parts/extract/*/*.json"):
        record.unlink()
    other = Leases(run / "parts" / "extract" / "another", seconds=60)
    assert other.take("00002")  # its files would lie among those of this one
    told = "part 2 of extract is being done by .*, with other settings or of other images; wait for it"
    with pytest.raises(LockedError, match=told):
        do(run, "extract", "1/3")
    with pytest.raises(LockedError, match=told):
        pipeline.work(*settings_of(run), no_track, start="extract", stop="extract")
    other.give_back("00002")
    with small_shards():
        assert do(run, "extract", "auto") == 3
    merge(run)
    same(run, whole, "features")
    assert isinstance(pipeline.existing_run(run), RunDir)
