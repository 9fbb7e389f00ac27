"""The plan of parts of a run: how many there are, of what; it is written once."""

from __future__ import annotations

import logging
import shutil
from datetime import UTC, datetime

from segpipe.base.errors import UsageError, named
from segpipe.base.runtime import Track
from segpipe.pipeline.part_work import LEASE_MINUTES, plan_key
from segpipe.pipeline.run_settings import Settings
from segpipe.pipeline.running import work
from segpipe.records.part_record import PartPlan
from segpipe.store.corpus import count_corpus
from segpipe.store.leases import Leases
from segpipe.store.part_folder import FOLDER, load_plan, save_plan
from segpipe.store.remote_parts import forget_records
from segpipe.store.run_dir import RunDir

log = logging.getLogger(__name__)


def make_plan(
    run_dir: RunDir, settings: Settings, track: Track, parts: int, *, overwrite: bool = False, index: bool = True
) -> PartPlan:
    """Finish `index`, then write the plan; one that says the same stays.

    Args:
        run_dir: a new run, or one that was begun.
        settings: resolved; they become the run's.
        track: shows how far `index` is.
        parts: how many.
        overwrite: replace another plan, and forget what was done by it (but not the work itself).
        index: False where it was seen to be up to date a moment ago.

    Raises:
        UsageError: there is another plan; or one is to be replaced while parts are being done.
        LockedError: another command holds the run.
    """
    if index:
        work(run_dir, settings, track, stop="index")
    images, crops = count_corpus(run_dir.path("corpus"))
    with run_dir.lock():
        key, root = plan_key(run_dir, settings), run_dir.root
        old = None if overwrite else load_plan(root)
        if old is not None and (old.key, old.parts) == (key, parts):
            log.info("plan     of %d parts was there", parts)
            return old
        if old is not None:
            differs = f"{old.parts} parts" if old.key == key else "another corpus or other settings of extract"
            raise UsageError(
                f"{root} has a plan already, for {differs}; where nothing runs, replace it by "
                f"`segpipe plan {root} --parts {parts} --overwrite`"
            )
        if overwrite:
            _forget(run_dir)
        made = datetime.now(UTC).isoformat(timespec="seconds")
        plan = PartPlan(parts=parts, key=key, units={"images": images, "crops": crops}, made=made)
        save_plan(root, plan)
    return plan


def _forget(run_dir: RunDir) -> None:
    """Delete a plan and the records of what was done by it.

    Raises:
        UsageError: parts are being done.
    """
    folder = run_dir.root / FOLDER
    for place in sorted(path for path in folder.glob("*/*") if path.is_dir()):
        running = Leases(place, seconds=60 * LEASE_MINUTES).running()
        if running:
            part, who = next(iter(running.items()))
            raise UsageError(
                f"{named('overwrite')}: part {int(part)} of {place.parent.name} is being done by {who}; end it first, "
                f"or wait until its lease has run out ({LEASE_MINUTES:g} minutes)"
            )
    if run_dir.remote is not None:
        forget_records(run_dir.remote)
    if folder.is_dir():
        shutil.rmtree(folder)
