from pathlib import Path

import pytest

from segpipe.pipeline.part_status import StageStatus, status_of_parts
from segpipe.records.part_record import PartFailure
from segpipe.store.leases import Leases
from segpipe.store.part_folder import PartFolder
from tests.helpers.parted_run import do, merge, plan_reef, settings_of, small_shards


def stages(run: Path, *names: str) -> list[StageStatus]:
    found = {each.stage: each for each in status_of_parts(*settings_of(run))}
    return [found[name] for name in names]


def test_parts_done_running_failed_and_the_time_left(tmp_path: Path) -> None:
    run = plan_reef(tmp_path, "run", parts=4, images=4)
    extract, refine = stages(run, "extract", "refine")
    assert (extract.state, extract.done, refine.state) == ("open", 0, "waiting")
    with small_shards(1):
        do(run, "extract", "2/4")
    (place,) = (run / "parts").glob("extract/*")
    leases, folder = Leases(place, seconds=60, owner="a:1:x"), PartFolder(run, "extract", place.name)
    assert leases.take("00003")
    folder.fail(PartFailure(part=1, reason="the disk is full", host="b", finished="x"))
    extract = status_of_parts(*settings_of(run))[0]
    assert (extract.done, extract.units, extract.parts) == (1, 1, 4)
    assert extract.running == {3: "a:1:x"}
    assert extract.failed == {1: "the disk is full"}
    record = folder.done(2, 4)
    assert record is not None
    assert extract.rate == pytest.approx(3600 / record.seconds)
    assert extract.seconds_left == pytest.approx(3 * record.seconds)
    leases.give_back("00003")
    assert status_of_parts(*settings_of(run))[0].rate is None
    do(run, "extract", "auto")
    merge(run)
    extract, refine = stages(run, "extract", "refine")
    assert (extract.state, extract.done, refine.state) == ("finished", 4, "waiting")
