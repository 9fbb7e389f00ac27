"""A run whose files are listed by its plan: parts of `index`, then of what follows, and nothing is listed again."""

import os
import shutil
from pathlib import Path

import pytest

from segpipe import pipeline
from segpipe.base.errors import UsageError
from segpipe.base.runtime import no_track
from segpipe.pipeline import planned_steps, steps
from segpipe.pipeline.part_plan import make_plan
from segpipe.pipeline.part_status import status_of_parts
from segpipe.stages import index
from tests.helpers.parted_run import artefact, do, merge, plan_reef, settings_of


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of which only the files are listed, in three parts."""
    return plan_reef(tmp_path_factory.mktemp("reef"), "planned", parts=3, images=4, index=True)


def copied(planned: Path, tmp_path: Path) -> Path:
    """The run and its images under a place of their own."""
    shutil.copytree(planned, tmp_path / "run")
    return tmp_path / "run"


def waiting(run: Path) -> dict[str, str]:
    return {each.stage: each.waits_for or each.state for each in status_of_parts(*settings_of(run))}


def test_index_in_parts_and_what_follows(planned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = plan_reef(planned.parent, "once", parts=3, images=4)
    run = copied(planned, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(index, "list_files", None)  # nobody lists again
        later = ("extract", "mine", "cluster", "refine", "export")
        assert waiting(run) == {"index": "open", **dict.fromkeys(later, "index")}
        with pytest.raises(UsageError, match=r"index must come first \(.*\); run `segpipe index IMAGES"):
            do(run, "extract", "1/3")
        assert [do(run, "index", part) for part in ("3/3", "1/3", "3/3")] == [1, 1, 0]
        with pytest.raises(UsageError, match=r"1 of 3 parts of index are missing: 2; do them with `segpipe index"):
            merge(run)
        assert do(run, "index", "auto") == 1
        assert merge(run)["index"].record is not None
        rest = dict.fromkeys(("mine", "cluster", "refine"), "extract")
        assert waiting(run) == {"index": "finished", "extract": "open", **rest, "export": "refine"}
        assert do(run, "index", "1/3") == 0
        assert do(run, "extract", "auto") == 3
        merge(run)
    plan = planned_steps.require_plan(*settings_of(run))
    assert make_plan(*settings_of(run), no_track, 3, index=True) == plan
    assert make_plan(*settings_of(run), no_track, 3) == plan
    assert not (run / "corpus.partial").exists()
    assert make_plan(*settings_of(once), no_track, 3, index=True).listed is None  # it was finished at once
    assert artefact(run, "corpus") == artefact(once, "corpus")
    ours, theirs = (pipeline.existing_run(path).manifest().stages["index"] for path in (run, once))
    assert (ours.key, ours.artefact, ours.summary) == (theirs.key, theirs.artefact, theirs.summary)
    assert [step.action for step in pipeline.plan(settings_of(run)[1], settings_of(run)[0], stop="extract")] == [
        *("skip", "skip")
    ]


def test_files_that_come_meanwhile_are_of_the_next_run(planned: Path, tmp_path: Path) -> None:
    shutil.copytree(planned.parent / "images", tmp_path / "images")
    run = plan_reef(tmp_path, "run", parts=2, images=4, index=True)
    name = sorted((tmp_path / "images").glob("*.jpg"))[0]
    shutil.copy(name, tmp_path / "images" / "later.jpg")
    os.utime(name, (0, 0))
    do(run, "index", "auto")
    found = merge(run)["index"].record
    assert found is not None
    assert found.summary["images"] == 4
    do(run, "extract", "1/2")
    run_dir, settings = settings_of(run)
    assert steps.plan(settings, run_dir, stop="index")[0].reason == pipeline.FILES_CHANGED
    pipeline.work(run_dir, settings, no_track, stop="index")
    assert run_dir.manifest().stages["index"].summary["known"] == 5  # the copy too
    with pytest.raises(UsageError, match="index must come first"):
        do(run, "extract", "2/2")


def test_other_settings_of_index_are_refused(planned: Path, tmp_path: Path) -> None:
    run = copied(planned, tmp_path)
    run_dir, _ = settings_of(run)
    pipeline.save_settings(run_dir, pipeline.resolve(run_dir, sets=["index.crops=five"]))
    with pytest.raises(UsageError, match=r"3 parts is for another corpus, or other settings of index or extract"):
        do(run, "index", "1/3")


def test_a_plan_without_parts_of_index_says_so(planned: Path) -> None:
    run = plan_reef(planned.parent, "plain", parts=2, images=4)
    plan = planned_steps.require_plan(*settings_of(run))
    assert [stage.NAME for stage in planned_steps.planned_stages(plan)] == [
        *("extract", "mine", "cluster", "refine", "export")
    ]
    (run / "corpus").rename(run / "elsewhere")
    with pytest.raises(UsageError, match=r"the plan has no parts of index; do it at once with `segpipe index IMAGES"):
        do(run, "index", "1/2")
