from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.runtime import no_track
from segpipe.pipeline.part_bench import open_bench
from segpipe.pipeline.part_merge import check_parts, merge_parts
from tests.helpers.parted_run import do, merge, plan_reef, settings_of, small_shards


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return plan_reef(tmp_path, "run", parts=4, images=4)


def test_parts_that_are_missing_are_named_and_what_is_whole_is_closed(run: Path) -> None:
    found = merge(run)
    assert {name: each.said for name, each in found.items()}["extract"] == "no part is done yet"
    with small_shards(1):
        do(run, "extract", "2/4")
    with pytest.raises(UsageError, match=r"3 of 4 parts of extract are missing: 1, 3-4; do them with .* --part 1/4"):
        merge(run)
    do(run, "extract", "auto")
    found = merge(run)
    assert found["extract"].record is not None
    assert found["extract"].record.summary["crops"] == 4
    assert found["extract"].record.seconds > 0
    assert merge(run)["extract"].record is None  # it was closed before
    assert not (run / "features.partial").exists()


def test_bytes_that_changed_are_found_and_done_anew(run: Path) -> None:
    with small_shards(1):
        do(run, "extract", "auto")
    shard = run / "features.partial" / "store.zarr" / "patches" / "c" / "2" / "0" / "0" / "0"
    good = shard.read_bytes()
    shard.write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
    bench = open_bench(*settings_of(run), no_track, "extract")
    assert bench is not None
    assert check_parts(bench, no_track)[0] == []  # of the same size
    with pytest.raises(UsageError, match="1 of 4 parts of extract are missing: 3;"):
        merge_parts(*settings_of(run), no_track, verify=True)
    assert do(run, "extract", "auto") == 1
    assert shard.read_bytes() == good
    merge(run, verify=True)
