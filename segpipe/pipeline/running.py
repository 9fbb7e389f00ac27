"""Running stages in order, each recorded in the manifest once its artefact is whole."""

from __future__ import annotations

import logging
import platform
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from segpipe.base import checksums, files
from segpipe.base.errors import LockedError, UsageError
from segpipe.base.runtime import Runtime, Track
from segpipe.base.version import versions
from segpipe.pipeline import kept_classes
from segpipe.pipeline.run_settings import Settings, check_settings, make_runtime, resolve, settings_tried
from segpipe.pipeline.steps import BY_NAME, FORCED, Step, brought_along, chosen, require, step_of
from segpipe.pipeline.stored_parts import leases_of, pull_parts
from segpipe.records.corpus import Rejected
from segpipe.records.manifest import StageRecord
from segpipe.stages import STAGES, Stage, not_content, sharing_of, user_files
from segpipe.store.class_names import CLASSES, clustering, load_naming, speaks_of
from segpipe.store.corpus import load_rejected
from segpipe.store.leases import LEASE_MINUTES
from segpipe.store.part_taker import told_running
from segpipe.store.run_dir import RunDir

log = logging.getLogger(__name__)


def _identity(stage: Stage, run_dir: RunDir, key: str) -> str:
    """What later stages know an artefact by: its key and its content, which may differ although the key does not.

    A forced stage, another machine or a repaired file can make something else of the same inputs.
    """
    content = checksums.content(run_dir.root / stage.ARTEFACT, without=not_content(stage))
    return files.digest([key, content]) if content else key


def run_stage(step: Step, settings: Settings, run_dir: RunDir, runtime: Runtime) -> StageRecord:
    """Run one stage whose inputs are finished, and write it into the manifest.

    Raises:
        LockedError: parts of it are being done with other settings, or of other images.
    """
    stage, old = step.stage, run_dir.manifest().stages.get(step.stage.NAME)
    refuse_others(run_dir, step)
    if step.reason == FORCED:
        run_dir.record(stage.NAME, None)  # nothing of the old artefact is taken over
    if run_dir.remote is not None:
        run_dir.remote.fetch(stage.ARTEFACT)  # of which what is known is taken over
        pull_parts(stage, step.key, settings, run_dir)
    fresh = not run_dir.prepare(stage.ARTEFACT, step.key)
    started = time.monotonic()
    try:
        summary = stage.run(settings[stage.NAME], run_dir, runtime).model_dump(mode="json")
    except Exception as error:
        run_dir.drop_attempt(stage.ARTEFACT, whole=fresh and isinstance(error, UsageError))
        if step.reason == FORCED and old and checksums.checksum(run_dir.root / stage.ARTEFACT) == old.checksum:
            run_dir.record(stage.NAME, old)  # the old artefact still stands
        raise
    record = StageRecord(
        key=step.key,
        artefact=str(summary.get("fingerprint") or _identity(stage, run_dir, step.key)),
        checksum=checksums.checksum(run_dir.root / stage.ARTEFACT),
        parts={**(step.parts or {}), **kept_classes.found_on(stage, run_dir)},
        summary=summary,
        seconds=round(time.monotonic() - started, 3),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
        machine={"device": runtime.used, "workers": runtime.workers, "platform": platform.platform()},
    )
    run_dir.record(stage.NAME, record)
    return record


def run(
    settings: Settings,
    run_dir: RunDir,
    runtime: Runtime,
    *,
    start: str | None = None,
    stop: str | None = None,
    force: Sequence[str] = (),
    told: Callable[[Step], None] = lambda step: None,
) -> Iterator[tuple[Step, StageRecord | None]]:
    """Run every stage that is not up to date, in order; the caller holds the run's lock.

    Args:
        settings: resolved settings.
        run_dir: the run.
        runtime: device, workers, progress.
        start: first stage, default the first of all; the stages before it must be up to date, or instant.
        stop: last stage.
        force: names of stages to run although they are up to date.
        told: called before a stage starts.

    Yields:
        Each step with its record once it is finished, or with None where it was skipped.

    Raises:
        UsageError: a stage before `start` is missing or out of date.
    """
    asked = chosen(start, stop)
    kept_classes.release(run_dir, settings, force)
    stages = (*brought_along(asked, settings, run_dir), *asked)
    for stage in STAGES[: STAGES.index(asked[0])]:
        if stage not in stages and any(stage.NAME in later.NEEDS for later in stages):
            require(stage, settings, run_dir)
    for stage in stages:
        carry_names(stage, run_dir, runtime)
        step = step_of(stage, settings, run_dir, run_dir.manifest(), force=stage.NAME in force)
        if step.action == "skip" and not _told_parts(run_dir, stage):
            run_dir.drop_attempt(stage.ARTEFACT, whole=True)  # at other settings, which were taken back
        if step.action != "run":
            yield step, None
            continue
        told(step)
        yield step, run_stage(step, settings, run_dir, runtime)


def refuse_others(run_dir: RunDir, step: Step) -> None:
    """See that nobody does parts of a stage at another key: what they write would lie among what is made now.

    Raises:
        LockedError: somebody does.
    """
    if running := _told_parts(run_dir, step.stage, but=step.key):
        raise LockedError(
            f"{run_dir.root}: {running}, with other settings or of other images; wait for it, or end it first"
        )


def _told_parts(run_dir: RunDir, stage: Stage, *, but: str = "") -> str:
    """Which part of a stage is being done, at whatever key `but` one; empty where none is."""
    if sharing_of(stage) is None:  # where a run lies on a store each look is a request
        return ""
    return told_running(leases_of(run_dir, stage, seconds=60 * LEASE_MINUTES, but=but))


def carry_names(stage: Stage, run_dir: RunDir, runtime: Runtime) -> None:
    """Before a stage that shows names: they follow the pixels where the clusters have changed."""
    reads = CLASSES in user_files(stage) and all(name in run_dir.manifest().stages for name in stage.NEEDS)
    if reads and names_left(run_dir):
        from segpipe.inference.kept_names import keep_names  # torch takes seconds to load

        for note in keep_names(run_dir, runtime):
            log.info("names    %s", note)


def names_left(run_dir: RunDir) -> bool:
    """Whether classes.yaml speaks of other clusters than those that the run has now."""
    path = run_dir.root / CLASSES
    return path.exists() and not speaks_of(load_naming(path).naming, clustering(run_dir))


def work(
    run_dir: RunDir,
    settings: Settings,
    track: Track,
    *,
    start: str | None = None,
    stop: str | None = None,
    force: Sequence[str] = (),
) -> None:
    """Take the run's lock, run its stages and save its settings, logging each; arguments as of `run`.

    Where a stage fails, the settings that it and later ones have stay as they were before.
    """

    def tell(step: Step) -> None:
        log.info("%-8s %s", step.stage.NAME, step.reason)

    asked = chosen(start, stop)
    check_settings(settings, run_dir, (*brought_along(asked, settings, run_dir), *asked))
    runtime = make_runtime(settings, track)
    with run_dir.lock(), settings_tried(run_dir, settings) as accepted:
        for step, record in run(settings, run_dir, runtime, start=start, stop=stop, force=force, told=tell):
            accepted.add(step.stage.NAME)
            if record is None:
                log.info("%-8s skipped: %s", step.stage.NAME, step.reason)
            else:
                log.info("%-8s done in %.1f s: %s", step.stage.NAME, record.seconds, summary_line(record))


def summary_line(record: StageRecord) -> str:
    """The scalar values of a summary in one line."""
    shown = []
    for key, value in record.summary.items():
        if key == "fingerprint" or value is None or isinstance(value, list | dict | bool):
            continue
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        shown.append(f"{key.replace('_', ' ')} {text}")
    return ", ".join(shown)


def outdated(run_dir: RunDir, settings: Settings) -> list[str]:
    """Of the stages that show the classes under their names, those that were done before names changed."""
    manifest = run_dir.manifest()
    return [
        name
        for name in ("export", "cover", "report")
        if name in manifest.stages and step_of(BY_NAME[name], settings, run_dir, manifest).action == "run"
    ]


def refresh_command(run_dir: RunDir, settings: Settings, stale: Sequence[str]) -> str | None:
    """The command that does `outdated` stages anew; None where there is no report."""
    if "report" not in run_dir.manifest().stages or not stale:
        return None
    root = shlex.quote(str(run_dir.root))
    if list(stale) == ["report"]:
        return f"segpipe report {root}"
    images = shlex.quote(str(getattr(settings["index"], "images", None) or "IMAGES"))
    return f"segpipe run {images} {root} --from export"


def refresh(run_dir: RunDir) -> str | None:
    """The command that brings the report up to date, and what is left of older names; None where there is no report."""
    settings = resolve(run_dir)
    stale = outdated(run_dir, settings)
    command = refresh_command(run_dir, settings, stale)
    what = "the report" if stale == ["report"] else ", ".join(stale)
    return None if command is None else f"`{command}` brings {what} up to date"


def skipped_files(run_dir: RunDir) -> list[Rejected]:
    """The files that `index` skipped; none before it has run."""
    return load_rejected(run_dir.path("corpus")) if run_dir.has("corpus") else []
