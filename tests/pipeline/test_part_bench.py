"""Opening a bench: refused without a plan or an earlier stage, or for what is done in rounds of a run on a store."""

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


def test_rounds_of_a_run_on_a_store_are_refused(planned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_dir, settings = settings_of(planned)
    bench = open_bench(run_dir, settings, no_track, "extract")
    assert bench is not None
    url = RemotePath("s3://survey/run")
    monkeypatch.setenv("SEGPIPE_CACHE", str(planned.parent / "cache"))
    remote = RemoteRun(url, run_dir.makers)
    monkeypatch.setattr(part_bench, "lay_out", lambda *_: (bench.out, bench.work))
    there = replace(run_dir, remote=remote)
    found = open_bench(there, settings, no_track, "extract")
    assert found is not None
    assert found.remote is not None
    monkeypatch.setattr(part_bench, "round_of", lambda _: Round(1, 4, "codes"))
    with pytest.raises(UsageError, match=r"s3://survey/run: extract is done in rounds, whose parts need a folder"):
        open_bench(there, settings, no_track, "extract")
    assert isinstance(part_folder(there, BY_NAME["extract"], "0f"), StoredPartFolder)
    assert type(part_folder(run_dir, BY_NAME["extract"], "0f")) is PartFolder
