from pathlib import Path

import pytest

from segpipe import pipeline
from segpipe.base import checksums
from segpipe.base.errors import UsageError
from segpipe.base.runtime import no_track
from segpipe.pipeline.part_bench import open_bench
from segpipe.pipeline.part_merge import check_parts, merge_parts
from segpipe.stages import index
from segpipe.store.run_dir import RunDir
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


@pytest.mark.parametrize("place", [(checksums, "write_sums"), (RunDir, "record")])
def test_killed_while_it_closes_a_stage_nothing_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[object, str]
) -> None:
    run = plan_reef(tmp_path, "run", parts=2, images=3, index=True)

    def killed(*given: object, **named: object) -> None:
        raise SystemExit

    def interrupted() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(*place, killed)
            with pytest.raises(SystemExit):
                merge(run)

    do(run, "index", "auto")
    interrupted()
    with monkeypatch.context() as patch:
        patch.setattr(index.Checking, "_look", None)  # no file is opened again
        assert merge(run)["index"].record is not None
    pipeline.work(*settings_of(run), no_track, start="extract", stop="cluster")
    for stage in ("refine", "export"):
        do(run, stage, "auto")
        interrupted()
        assert merge(run)[stage].record is not None
    assert not list(run.glob("*.partial"))
    assert not [path for path in run.glob("*/.*") if path.parent.name in ("corpus", "masks", "export")]


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
