"""The plan of parts of a run: how many there are, of what; it is written once."""

from __future__ import annotations

import logging
import shutil
from datetime import UTC, datetime

from segpipe.base.errors import UsageError, named
from segpipe.base.runtime import Track
from segpipe.pipeline.part_bench import lay_out
from segpipe.pipeline.planned_steps import INDEX, plan_key, shared_stages
from segpipe.pipeline.run_settings import Settings, save_settings
from segpipe.pipeline.running import work
from segpipe.pipeline.steps import BY_NAME, step_of
from segpipe.pipeline.stored_parts import leases_of
from segpipe.records.part_record import ListedImages, PartPlan
from segpipe.stages import stamps_of
from segpipe.store.corpus import count_corpus
from segpipe.store.leases import LEASE_MINUTES
from segpipe.store.part_folder import FOLDER, load_plan, save_plan
from segpipe.store.part_taker import told_running
from segpipe.store.remote_parts import forget_records
from segpipe.store.run_dir import RunDir

log = logging.getLogger(__name__)


def make_plan(
    run_dir: RunDir, settings: Settings, track: Track, parts: int, *, overwrite: bool = False, index: bool = False
) -> PartPlan:
    """Finish `index`, or list its files for parts of it, then write the plan; one that says the same stays.

    Args:
        run_dir: a new run, or one that was begun.
        settings: resolved; they become the run's.
        track: shows how far `index` is.
        parts: how many.
        overwrite: replace another plan, and forget what was done by it (but not the work itself).
        index: cut `index` into parts too: files are listed now and opened by the parts.

    Raises:
        UsageError: there is another plan; or one is to be replaced while parts are being done.
        LockedError: another command holds the run.
    """
    listed = _list_files(run_dir, settings, track) if index else None
    if listed is not None:
        units = {"files": listed.files}
    else:
        work(run_dir, settings, track, stop=INDEX)
        units = dict(zip(("images", "crops"), count_corpus(run_dir.path("corpus")), strict=True))
    with run_dir.lock():
        key, root = plan_key(run_dir, settings, listed), run_dir.root
        old = None if overwrite else load_plan(root)
        same = old is not None and (old.key == key or (listed is None and _is_of_this(old, run_dir, settings)))
        if old is not None and same and old.parts == parts:
            log.info("plan     of %d parts was there", parts)
            return old
        if old is not None:
            differs = f"{old.parts} parts" if same else "another corpus or other settings of extract"
            raise UsageError(
                f"{root} has a plan already, for {differs}; where nothing runs, replace it by "
                f"`segpipe plan {root} --parts {parts}{' --index' if index else ''} --overwrite`"
            )
        if overwrite:
            _forget(run_dir)
        made = datetime.now(UTC).isoformat(timespec="seconds")
        plan = PartPlan(parts=parts, key=key, units=units, made=made, listed=listed)
        save_plan(root, plan)
    return plan


def _is_of_this(plan: PartPlan, run_dir: RunDir, settings: Settings) -> bool:
    """Whether the files that a plan listed are those of the corpus that the run has now, settings too."""
    if plan.listed is None or plan.key != plan_key(run_dir, settings, plan.listed):
        return False
    made = run_dir.manifest().stages.get(INDEX)
    return made is not None and made.parts.get("files") == plan.listed.stamps


def _list_files(run_dir: RunDir, settings: Settings, track: Track) -> ListedImages | None:
    """Lay `index` out: the list of its files, that parts take theirs from; None where it is up to date already.

    Raises:
        SegpipeError: there are none, or they cannot be listed.
    """
    stage, plan = BY_NAME[INDEX], load_plan(run_dir.root)
    stamps = stamps_of(stage, settings[INDEX])
    step = step_of(stage, settings, run_dir, run_dir.manifest(), stamps=stamps)
    if step.action != "run":
        made = plan.listed if plan else None
        return made if made is not None and made.stamps == stamps else None
    with run_dir.lock():
        save_settings(run_dir, settings)
    return ListedImages(files=lay_out(step, run_dir, settings, track)[1].units, stamps=stamps)


def _forget(run_dir: RunDir) -> None:
    """Delete a plan and the records of what was done by it.

    Raises:
        UsageError: parts are being done.
    """
    folder, seconds = run_dir.root / FOLDER, 60 * LEASE_MINUTES
    if running := told_running(
        each for stage in shared_stages() for each in leases_of(run_dir, stage, seconds=seconds)
    ):
        raise UsageError(
            f"{named('overwrite')}: {running}; end it first, or wait until its lease has run out "
            f"({LEASE_MINUTES:g} minutes)"
        )
    if run_dir.remote is not None:
        forget_records(run_dir.remote)
    if folder.is_dir():
        shutil.rmtree(folder)
