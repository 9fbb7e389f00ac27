"""An engine that maps in this process: what a cluster's engine rests on."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from segpipe import pipeline
from segpipe.base.errors import MachineError
from segpipe.base.runtime import no_track
from segpipe.pipeline.part_engine import PartCall, PartDoer, work_by_parts
from segpipe.store.features import FeatureWriter
from tests.helpers.parted_run import artefact, plan_reef, settings_of, small_shards


def backwards(calls: Sequence[PartCall]) -> Iterator[str]:
    doer = PartDoer()
    return (doer.do(call) for call in reversed(calls))


def run_by_parts(run: Path, *, force: tuple[str, ...] = (), to: str = "extract") -> None:
    with small_shards(1):
        work_by_parts(*settings_of(run), no_track, backwards, stages=(None, to), force=force, parts=3)


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

    def fails(self: FeatureWriter, *rest: object) -> None:
        raise MachineError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(FeatureWriter, "write", fails)
        with pytest.raises(MachineError, match=r"3 of 3 parts of extract failed; the first: the disk is full"):
            run_by_parts(run, force=("extract",))
    assert pipeline.existing_run(run).manifest() == before
    assert pipeline.plan(settings_of(run)[1], settings_of(run)[0], stop="extract")[1].action == "skip"
