"""An engine that maps in this process: what a cluster's engine rests on."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from segpipe import pipeline
from segpipe.base.errors import MachineError
from segpipe.base.remote_path import RemotePath
from segpipe.base.runtime import no_track
from segpipe.pipeline.part_engine import PartCall, PartDoer, work_by_parts
from segpipe.store.features import FeatureWriter
from tests.helpers.parted_run import artefact, plan_reef, settings_of, small_shards
from tests.helpers.stored_run import machine


def backwards(calls: Sequence[PartCall]) -> Iterator[str]:
    doer = PartDoer()
    return (doer.do(call) for call in reversed(calls))


def run_by_parts(run: Path, *, force: tuple[str, ...] = (), to: str = "extract") -> None:
    with small_shards(1):
        work_by_parts(*settings_of(run), no_track, backwards, stages=(None, to), force=force, parts=3)


def some_of(run: Path, *, to: str) -> None:
    """Do the stages of a run at once, from a sample of half of the patches, so that clusters take four rounds."""
    run_dir, _ = settings_of(run)
    sets = ["cluster.patches=60", "cluster.prototypes=16", "cluster.n_init=2", "cluster.max_iter=10"]
    with small_shards(1):
        pipeline.work(run_dir, pipeline.resolve(run_dir, sets=sets), no_track, stop=to)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of three parts up to `extract`."""
    run = plan_reef(tmp_path, "run", parts=3, images=3)
    (run / "parts" / "plan.json").unlink()
    run_by_parts(run)
    return run


def test_stages_are_done_by_parts_and_again_where_forced(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = plan_reef(run.parent, "once", parts=2, images=3)
    with small_shards(1):
        pipeline.work(*settings_of(once), no_track, stop="extract")
    assert artefact(run, "features") == artefact(once, "features")
    shards, real = list[int](), FeatureWriter.write

    def write(self: FeatureWriter, rows: range, *rest: object) -> None:
        shards.append(rows.start)
        real(self, rows, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(FeatureWriter, "write", write)
    run_by_parts(run)
    assert shards == []
    run_by_parts(run, force=("extract",))
    assert shards == [2, 1, 0]
    assert artefact(run, "features") == artefact(once, "features")
    assert len(list((run / "parts" / "extract").glob("*/*.json"))) == 3


def test_where_a_forced_stage_fails_the_old_one_stands(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = pipeline.existing_run(run).manifest()

    with monkeypatch.context() as patch:
        patch.setattr(FeatureWriter, "write", _full)
        with pytest.raises(MachineError, match=r"3 of 3 parts of extract failed; the first: the disk is full"):
            run_by_parts(run, force=("extract",))
    assert pipeline.existing_run(run).manifest() == before
    assert pipeline.plan(settings_of(run)[1], settings_of(run)[0], stop="extract")[1].action == "skip"


def test_a_run_on_a_store_is_done_by_machines_that_share_nothing_else(
    bucket: RemotePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once, url = plan_reef(tmp_path, "once", parts=3, images=3), bucket / "run"
    some_of(once, to="cluster")
    some_of(plan_reef(tmp_path, str(url), parts=3), to="index")
    cache, count = tmp_path / "cache", iter(range(100))

    def others(calls: Sequence[PartCall]) -> Iterator[str]:
        with machine(tmp_path, f"worker-{next(count)}"):
            yield from backwards(calls)

    with small_shards(1):
        work_by_parts(*settings_of(url), no_track, others, stages=(None, "cluster"), force=(), parts=3)
    assert next(count) == 1 + 1 + 4
    there = next((cache / "runs").iterdir())
    for name in ("features", "clusters"):
        assert artefact(there, name) == artefact(once, name)
    monkeypatch.setattr(FeatureWriter, "write", _full)
    shutil.rmtree(there)
    with pytest.raises(MachineError, match=r"1 of 3 parts of extract failed; the first: the disk is full"):
        work_by_parts(*settings_of(url), no_track, others, stages=("extract", "extract"), force=("extract",), parts=3)
    with machine(tmp_path, "another"):
        assert settings_of(url)[0].path("features").is_dir()  # the old one stands


def _full(*_: object) -> None:
    raise MachineError("the disk is full")
