"""Opening a bench: refused without a plan or an earlier stage; of the round that is open, in a folder or a store."""

from dataclasses import replace
from pathlib import Path

import pytest

from segpipe import pipeline
from segpipe.base.errors import UsageError
from segpipe.base.remote_path import RemotePath
from segpipe.base.runtime import no_track
from segpipe.pipeline import part_bench
from segpipe.pipeline.part_bench import open_bench, part_folder
from segpipe.pipeline.steps import BY_NAME
from segpipe.store.part_folder import PartFolder
from segpipe.store.remote_parts import StoredPartFolder
from segpipe.store.remote_run import RemoteRun
from segpipe.store.shared_work import Round
from tests.helpers.object_server import keys
from tests.helpers.parted_run import plan_reef, settings_of


@pytest.fixture
def planned(tmp_path: Path) -> Path:
    return plan_reef(tmp_path, "planned", parts=3, images=4)


def test_parts_are_refused_without_an_earlier_stage_or_their_plan(planned: Path) -> None:
    run_dir, settings = settings_of(planned)
    with pytest.raises(UsageError, match="extract must come first"):
        open_bench(run_dir, settings, no_track, "refine")
    with pytest.raises(UsageError, match=r"train cannot be done in parts; index, extract, mine, cluster, refine.* can"):
        open_bench(run_dir, settings, no_track, "train")
    others = pipeline.resolve(run_dir, sets=["extract.input_size=64"])
    with pytest.raises(UsageError, match=r"the plan of 3 parts is for another corpus, or other settings of extract"):
        open_bench(run_dir, others, no_track, "extract")
    (planned / "parts" / "plan.json").unlink()
    with pytest.raises(UsageError, match=r"has no plan of parts yet; make it with `segpipe plan .* --parts N`"):
        open_bench(run_dir, settings, no_track, "extract")


def test_a_bench_is_of_the_round_that_is_open(planned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = open_bench(*settings_of(planned), no_track, "extract")
    assert bench is not None
    assert (bench.stage, bench.parts, bench.round, bench.remote) == ("extract", 3, Round(), None)
    assert bench.folder.path.name == bench.key
    monkeypatch.setattr(part_bench, "round_of", lambda _: Round(2, 4, "counts"))
    again = open_bench(*settings_of(planned), no_track, "extract")
    assert again is not None
    assert again.key == f"{bench.key}-2"


def test_a_bench_of_a_run_on_a_store_is_of_its_round_there(
    planned: Path, bucket: RemotePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir, settings = settings_of(planned)
    bench = open_bench(run_dir, settings, no_track, "extract")
    assert bench is not None
    remote = RemoteRun(bucket / "run", run_dir.makers)
    monkeypatch.setattr(part_bench, "lay_out", lambda *_: (bench.out, bench.work))
    there = replace(run_dir, remote=remote)
    for now in (Round(), Round(2, 4, "counts")):
        monkeypatch.setattr(part_bench, "round_of", lambda _, now=now: now)
        found = open_bench(there, settings, no_track, "extract")
        assert found is not None
        assert found.remote is not None
        assert isinstance(found.folder, StoredPartFolder)
        found.remote.leases(seconds=60).take("00001")
    own = [f"parts/extract/{key}/00001.lease" for key in (bench.key, f"{bench.key}-2")]
    assert sorted(keys(bucket / "run")) == sorted(own)
    assert type(part_folder(run_dir, BY_NAME["extract"], "0f", None)) is PartFolder
