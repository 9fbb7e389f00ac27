"""Plan: which stages are up to date, and why the others are not.

A stage's key is the fingerprint of its settings that can change the result, its format, the artefacts it reads and
the user's files it depends on. The manifest holds the key of every finished stage; the same key means skip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from segpipe.base import files
from segpipe.base.config import today
from segpipe.base.errors import SegpipeError, UsageError, named
from segpipe.pipeline import kept_classes
from segpipe.pipeline.run_settings import Settings, resolve
from segpipe.records.manifest import Manifest
from segpipe.stages import STAGES, Stage, is_instant, optional_inputs, stamps_of, user_files
from segpipe.store.run_dir import RunDir

FILES_CHANGED = "files changed"
"""Why a stage runs that reads other files of the user than before."""
FORCED = "forced"
"""Why a stage runs that is up to date."""
BY_NAME: dict[str, Stage] = {stage.NAME: stage for stage in STAGES}


@dataclass(frozen=True, slots=True)
class Step:
    """One stage in a plan."""

    stage: Stage
    action: Literal["run", "skip", "idle"]
    """`idle`: nothing to do with these settings (evaluate without labels)."""
    reason: str
    key: str = ""
    parts: Mapping[str, Any] | None = None


def step_of(
    stage: Stage,
    settings: Settings,
    run_dir: RunDir,
    manifest: Manifest,
    *,
    force: bool = False,
    stamps: str | None = None,
) -> Step:
    """Whether a stage is up to date, given what the manifest says of the stages it reads.

    Args:
        stage: the stage.
        settings: of the run.
        run_dir: the run.
        manifest: what is finished.
        force: it runs in any case.
        stamps: of its user's files, where they were looked at before (`files.stamps`); None: they are looked at now.
    """
    config = settings[stage.NAME]
    if stage.NAME == "evaluate" and getattr(config, "labels", None) is None:
        return Step(stage, "idle", "no labels given (evaluate.labels)")
    if any(name not in manifest.stages for name in stage.NEEDS):
        return Step(stage, "run", "not done yet")
    try:
        own_files = stamps_of(stage, config) if stamps is None else stamps
        written = files.digests(run_dir.root, user_files(stage))  # by a person
    except SegpipeError as error:  # the stage itself will say so when it runs
        return Step(stage, "run", str(error))
    except OSError as error:
        return Step(stage, "run", f"{error.filename} cannot be read ({error.strerror})")
    parts = {
        "format": stage.FORMAT,
        "settings": config.identity(),
        "inputs": {
            name: manifest.stages[name].artefact
            for name in (*stage.NEEDS, *optional_inputs(stage))
            if name in manifest.stages
        },
        "files": own_files,
        **({"beside": written} if written else {}),
    }
    key = files.digest(parts)
    old = manifest.stages.get(stage.NAME)
    if force:
        return Step(stage, "run", FORCED, key, parts)
    if old is None:
        partial = (run_dir.root / f"{stage.ARTEFACT}.partial").is_dir()
        return Step(stage, "run", "interrupted, goes on" if partial else "not done yet", key, parts)
    if not run_dir.has(stage.ARTEFACT):
        return Step(stage, "run", f"{stage.ARTEFACT}/ is gone", key, parts)
    if old.key != key:
        told = kept_classes.told_kept(stage, settings, run_dir, manifest)
        action: Literal["run", "skip"] = "skip" if told else "run"
        return Step(stage, action, told or _difference(stage, old.parts, parts), key, parts)
    return Step(stage, "skip", f"up to date since {old.finished}", key, parts)


def _difference(stage: Stage, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    before, after = old.get("settings", {}), new["settings"]
    changed = [
        f"{stage.NAME}.{today(stage.Config, name)} {before.get(name)!r} -> {after.get(name)!r}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    inputs = [name for name, artefact in new["inputs"].items() if old.get("inputs", {}).get(name) != artefact]
    changed += [f"{name} was run again" for name in inputs]
    changed += [f"{name} is gone" for name in old.get("inputs", {}) if name not in new["inputs"]]
    if old.get("files") != new["files"]:
        changed.append(FILES_CHANGED)
    mine, yours = old.get("beside", {}), new.get("beside", {})
    changed += [f"{name} changed" for name in sorted({*mine, *yours}) if mine.get(name) != yours.get(name)]
    if old.get("format") != new["format"]:
        changed.append(f"made by format {old.get('format')}, now {new['format']}")
    return "; ".join(changed)


def chosen(start: str | None, stop: str | None) -> tuple[Stage, ...]:
    """The stages from `start` to `stop`, both included."""
    names = [stage.NAME for stage in STAGES]
    first, last = names.index(start) if start else 0, names.index(stop) if stop else len(names) - 1
    if first > last:
        raise UsageError(f"{named('start', start)} comes after {named('stop', stop)}; the order is {', '.join(names)}")
    return STAGES[first : last + 1]


def plan(
    settings: Settings,
    run_dir: RunDir,
    *,
    start: str | None = None,
    stop: str | None = None,
    force: Sequence[str] = (),
    keep: bool = False,
) -> list[Step]:
    """What `run` would do now. A stage after one that will run is said to run, although it may turn out unchanged.

    `keep`: as if the classes that the run has were kept.
    """
    manifest, steps, dirty = run_dir.manifest(), list[Step](), set[str]()
    for stage in chosen(start, stop):
        step = step_of(stage, settings, run_dir, manifest, force=stage.NAME in force)
        again = [name for name in (*stage.NEEDS, *optional_inputs(stage)) if name in dirty]
        kept = "kept" if keep and stage.NAME in kept_classes.KEPT else ""
        kept = kept or kept_classes.told_kept(stage, settings, run_dir, manifest)
        if kept and stage.NAME in manifest.stages and stage.NAME not in force:
            step = Step(stage, "skip", kept)
        elif step.action == "skip" and again:
            step = Step(stage, "run", f"after {', '.join(again)}")
        if step.action == "run":
            dirty.add(stage.NAME)
        steps.append(step)
    return steps


def brought_along(stages: Sequence[Stage], settings: Settings, run_dir: RunDir) -> tuple[Stage, ...]:
    """The stages before those that were asked for which are done again too: done before, out of date, and instant.

    Their settings follow a later stage's, as `train` follows `cluster.k`.
    """
    manifest, found = run_dir.manifest(), list[Stage]()
    for stage in reversed(STAGES[: STAGES.index(stages[0])]):
        if (
            stage.NAME in manifest.stages
            and any(stage.NAME in later.NEEDS for later in (*found, *stages))
            and is_instant(stage, settings[stage.NAME])
            and step_of(stage, settings, run_dir, manifest).action == "run"
        ):
            found.insert(0, stage)
    return tuple(found)


def require(stage: Stage, settings: Settings, run_dir: RunDir, step: Step | None = None) -> None:
    """Refuse to build on a stage that is missing or out of date; `step`: of it, where it is known.

    Raises:
        UsageError: with the reason and the command that mends it.
    """
    step = step or step_of(stage, settings, run_dir, run_dir.manifest())
    if step.action == "run" and stage.NAME != "evaluate":
        raise UsageError(
            f"{run_dir.root}: {stage.NAME} must come first ({step.reason}); run `segpipe {command_of(stage, run_dir)}`"
        )


def require_finished(run_dir: RunDir, stop: str) -> None:
    """Refuse to work with a run that is not up to date up to a stage.

    Raises:
        UsageError: with the first stage that is not, why, and the command that mends it.
    """
    for step in plan(resolve(run_dir), run_dir, stop=stop):
        if step.action == "run":
            raise UsageError(
                f"{run_dir.root}: {step.stage.NAME} is not up to date ({step.reason}); finish the run first with "
                f"`segpipe run IMAGES {run_dir.root} --to {stop}`"
            )


def command_of(stage: Stage, run_dir: RunDir) -> str:
    """How a stage is done by itself, without `segpipe`."""
    return f"index IMAGES {run_dir.root}" if stage.NAME == "index" else f"{stage.NAME} {run_dir.root}"
