"""The pipeline: which stages are up to date, why not, and running them in order.

A stage's key is the fingerprint of its settings that can change the result, its format, the artefacts it reads and
the user's files it depends on. The manifest holds the key of every finished stage; the same key means skip.
"""

from __future__ import annotations

import logging
import platform
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from segpipe.base import checksums, files
from segpipe.base import runtime as machine
from segpipe.base.config import Layer, Section, before, build, first_name, read_sets, read_yaml, setting, to_yaml
from segpipe.base.errors import SegpipeError, UsageError, named
from segpipe.base.runtime import Runtime, Track, no_track
from segpipe.base.version import versions
from segpipe.records.corpus import Rejected
from segpipe.records.manifest import Manifest, StageRecord
from segpipe.stages import (
    MAKERS,
    STAGES,
    UNLISTED,
    Stage,
    accept,
    input_files,
    not_content,
    optional_inputs,
    user_files,
)
from segpipe.store.class_names import CLASSES, clustering, load_naming, speaks_of
from segpipe.store.corpus import load_rejected
from segpipe.store.run_dir import RunDir

log = logging.getLogger(__name__)

Settings = Mapping[str, Section]


class RuntimeConfig(Section):
    """Settings of the machine, for every stage; none of them changes a result beyond rounding."""

    device: str = setting("auto", "where networks run: auto, cpu, cuda, cuda:1 or mps", result=False)
    workers: int = setting(
        0, "processes and threads that work side by side; 0 = one per processor", ge=0, le=4096, result=False
    )


SECTIONS: dict[str, type[Section]] = {
    "runtime": RuntimeConfig,
    **{stage.NAME: stage.Config for stage in STAGES},
}
FILES_CHANGED = "files changed"
"""Why a stage runs that reads other files of the user than before."""
FORCED = "forced"
"""Why a stage runs that is up to date."""
BY_NAME: dict[str, Stage] = {stage.NAME: stage for stage in STAGES}


def open_run(root: Path) -> RunDir:
    """The run directory at `root`, which need not exist yet."""
    return RunDir(root, MAKERS, unlisted=UNLISTED)


def existing_run(root: Path) -> RunDir:
    """A run that was begun.

    Raises:
        UsageError: there is none.
    """
    if not (root / "config.yaml").exists():
        raise UsageError(f"{root} is not a run (no config.yaml); begin with `segpipe run IMAGES {root}`")
    run_dir = open_run(root)
    run_dir.settle()
    return run_dir


# --- settings -------------------------------------------------------------------------------------------------------


def configs_dir() -> Path:
    """Where the named configs lie: inside an installed package, or at the top of a checkout."""
    installed = Path(__file__).parent / "configs"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "configs"


def config_names() -> list[str]:
    """Names that `--config` takes besides files."""
    return sorted(path.stem for path in configs_dir().glob("*.yaml"))


def _config_layer(config: str) -> Layer:
    if config in config_names():
        return read_yaml(configs_dir() / f"{config}.yaml")
    if not Path(config).is_file():
        raise UsageError(
            f"{named('config', config)}: neither a file nor a named config; named are {', '.join(config_names())}"
        )
    return read_yaml(Path(config))


def resolve(
    run_dir: RunDir,
    *,
    config: str | None = None,
    sets: Sequence[str] = (),
    more: Mapping[str, Any] | None = None,
    layers: Sequence[Layer] = (),
) -> dict[str, Section]:
    """Settings of a run: its own config.yaml or, where given, `config`; then `more`; then `sets`.

    Args:
        run_dir: whose config.yaml is the start when `config` is None and the run exists.
        config: name of a config or path of a YAML file; it replaces what the run had.
        sets: `key=value` texts.
        more: dotted keys that options of a command stand for, such as `index.images`.
        layers: further settings, later ones winning.

    Raises:
        UsageError: a key or value is wrong.
    """
    own = run_dir.root / "config.yaml"
    start = [_config_layer(config)] if config else [before(SECTIONS), read_yaml(own, own=True)] if own.exists() else []
    return build(SECTIONS, [*start, Layer("", more or {}), read_sets(sets), *layers])


def save_settings(run_dir: RunDir, settings: Settings) -> None:
    """Write the resolved settings to the run."""
    files.write_text(run_dir.root / "config.yaml", to_yaml(settings))


def check_settings(settings: Settings, run_dir: RunDir, stages: Sequence[Stage]) -> None:
    """See that stages accept the settings that differ from those of the run; nothing is written.

    Raises:
        SegpipeError: the line of the first that does not.
    """
    own = _own_settings(run_dir)
    for stage in stages:
        if own is None or own[stage.NAME] != settings[stage.NAME]:
            accept(stage, settings[stage.NAME])


def _own_settings(run_dir: RunDir) -> Settings | None:
    """The settings in a run's config.yaml; None where there are none that can be read."""
    try:
        return resolve(run_dir) if (run_dir.root / "config.yaml").exists() else None
    except UsageError:
        return None


@contextmanager
def _settings_tried(run_dir: RunDir, settings: Settings) -> Iterator[set[str]]:
    """Save the settings of a run; where the block fails, those alone of the stages whose names were put into the set.

    An interrupted command keeps them all: the same command, or one without settings, goes on from there. So do those of
    a new run, which had no others, unless they were refused.
    """
    path, own = run_dir.root / "config.yaml", _own_settings(run_dir)
    before, accepted = path.read_bytes() if path.exists() else None, set[str]()
    save_settings(run_dir, settings)
    try:
        yield accepted
    except Exception as error:
        if before is None and not isinstance(error, UsageError):
            raise
        if accepted:
            others = own or build(SECTIONS, [])
            save_settings(run_dir, {name: settings[name] if name in accepted else others[name] for name in settings})
        elif before is None:
            path.unlink()
        else:
            files.write_bytes(path, before)
        raise


def is_run(path: Path) -> bool:
    """Whether a path is the directory of a run of which at least one stage was done."""
    return (path / "config.yaml").exists() and (path / "manifest.json").exists()


def skipped_files(run_dir: RunDir) -> list[Rejected]:
    """The files that `index` skipped; none before it has run."""
    return load_rejected(run_dir.path("corpus")) if run_dir.has("corpus") else []


def make_runtime(settings: Settings, track: Track = no_track) -> Runtime:
    """Resolve device and workers on this machine."""
    config = settings["runtime"]
    assert isinstance(config, RuntimeConfig)
    return machine.make_runtime(config.device, config.workers, track)


# --- what is to be done ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One stage in a plan."""

    stage: Stage
    action: Literal["run", "skip", "idle"]
    """`idle`: nothing to do with these settings (evaluate without labels)."""
    reason: str
    key: str = ""
    parts: Mapping[str, Any] | None = None


def step_of(stage: Stage, settings: Settings, run_dir: RunDir, manifest: Manifest, *, force: bool = False) -> Step:
    """Whether a stage is up to date, given what the manifest says of the stages it reads."""
    config = settings[stage.NAME]
    if stage.NAME == "evaluate" and getattr(config, "labels", None) is None:
        return Step(stage, "idle", "no labels given (evaluate.labels)")
    if any(name not in manifest.stages for name in stage.NEEDS):
        return Step(stage, "run", "not done yet")
    try:
        own_files = _fingerprint(input_files(stage, config))
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
        return Step(stage, "run", _difference(stage, old.parts, parts), key, parts)
    return Step(stage, "skip", f"up to date since {old.finished}", key, parts)


def _today(stage: Stage, name: str) -> str:
    """The name of a setting that a run knows by its first name."""
    return next((new for new, field in stage.Config.model_fields.items() if first_name(new, field) == name), name)


def _fingerprint(paths: Sequence[Path]) -> str:
    """Names, sizes and times of the user's files; contents are hashed by `index` itself."""
    rows = []
    for path in paths:
        stat = path.stat()
        rows.append((str(path), stat.st_size, stat.st_mtime_ns))
    return files.digest(rows) if rows else ""


def _difference(stage: Stage, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    before, after = old.get("settings", {}), new["settings"]
    changed = [
        f"{stage.NAME}.{_today(stage, name)} {before.get(name)!r} -> {after.get(name)!r}"
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
) -> list[Step]:
    """What `run` would do now. A stage after one that will run is said to run, although it may turn out unchanged."""
    manifest, steps, dirty = run_dir.manifest(), list[Step](), set[str]()
    for stage in chosen(start, stop):
        step = step_of(stage, settings, run_dir, manifest, force=stage.NAME in force)
        again = [name for name in (*stage.NEEDS, *optional_inputs(stage)) if name in dirty]
        if step.action == "skip" and again:
            step = Step(stage, "run", f"after {', '.join(again)}")
        if step.action == "run":
            dirty.add(stage.NAME)
        steps.append(step)
    return steps


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


# --- doing it -------------------------------------------------------------------------------------------------------


def _identity(stage: Stage, run_dir: RunDir, key: str) -> str:
    """What later stages know an artefact by: its key and its content, which may differ although the key does not.

    A forced stage, another machine or a repaired file can make something else of the same inputs.
    """
    content = checksums.content(run_dir.root / stage.ARTEFACT, without=not_content(stage))
    return files.digest([key, content]) if content else key


def run_stage(step: Step, settings: Settings, run_dir: RunDir, runtime: Runtime) -> StageRecord:
    """Run one stage whose inputs are finished, and write it into the manifest."""
    stage, old = step.stage, run_dir.manifest().stages.get(step.stage.NAME)
    if step.reason == FORCED:
        run_dir.record(stage.NAME, None)  # nothing of the old artefact is taken over
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
        parts=dict(step.parts or {}),
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
        start: first stage, default the first of all; the stages before it must be up to date.
        stop: last stage.
        force: names of stages to run although they are up to date.
        told: called before a stage starts.

    Yields:
        Each step with its record once it is finished, or with None where it was skipped.

    Raises:
        UsageError: a stage before `start` is missing or out of date.
    """
    stages = chosen(start, stop)
    for stage in STAGES[: STAGES.index(stages[0])]:
        if any(stage.NAME in later.NEEDS for later in stages):
            require(stage, settings, run_dir)
    for stage in stages:
        if CLASSES in user_files(stage) and all(name in run_dir.manifest().stages for name in stage.NEEDS):
            _keep_names(run_dir, runtime)
        step = step_of(stage, settings, run_dir, run_dir.manifest(), force=stage.NAME in force)
        if step.action == "skip":
            run_dir.drop_attempt(stage.ARTEFACT, whole=True)  # at other settings, which were taken back
        if step.action != "run":
            yield step, None
            continue
        told(step)
        yield step, run_stage(step, settings, run_dir, runtime)


def _keep_names(run_dir: RunDir, runtime: Runtime) -> None:
    """Names follow the pixels where the clusters have changed."""
    if names_left(run_dir):
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

    check_settings(settings, run_dir, chosen(start, stop))
    runtime = make_runtime(settings, track)
    with run_dir.lock(), _settings_tried(run_dir, settings) as accepted:
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


def require(stage: Stage, settings: Settings, run_dir: RunDir) -> None:
    """Refuse to build on a stage that is missing or out of date.

    Raises:
        UsageError: with the reason and the command that mends it.
    """
    step = step_of(stage, settings, run_dir, run_dir.manifest())
    if step.action == "run" and stage.NAME != "evaluate":
        raise UsageError(
            f"{run_dir.root}: {stage.NAME} must come first ({step.reason}); run `segpipe {_command(stage, run_dir)}`"
        )


def _command(stage: Stage, run_dir: RunDir) -> str:
    return f"index IMAGES {run_dir.root}" if stage.NAME == "index" else f"{stage.NAME} {run_dir.root}"
