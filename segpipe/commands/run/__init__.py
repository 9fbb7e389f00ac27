"""`segpipe run` and the command of every stage: doing the stages of a run that are not up to date."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from segpipe import pipeline
from segpipe.base.config import Layer
from segpipe.base.errors import UsageError, named
from segpipe.base.files import absolute
from segpipe.base.options import Command, Face, Options, Report, declared
from segpipe.base.parts import parse_part
from segpipe.base.shown import counted
from segpipe.commands.run.options import STAGE_OPTIONS, RunOptions
from segpipe.inference.named_scores import named_scores
from segpipe.pipeline.part_work import do_parts
from segpipe.stages import STAGES
from segpipe.store.run_dir import RunDir
from segpipe.store.scores import load_scores

_log = logging.getLogger(__name__)

_PATHS = ("index.images", "evaluate.labels", "evaluate.classes", "cover.labels", "cover.classes", "cover.sites")
_FORMATS = "export.formats"
_SCORES = "all scores, as in `scores/scores.json`, and as `named_map` those of the map under its names"
_WRITTEN = {
    "refine": ("masks", "masks"),
    "export": ("exports", "export"),
    "cover": ("cover", "cover"),
    "report": ("report", "report/index.html"),
}
"""By stage: what it writes for people to open, and where."""


def settings_of(options: Options) -> dict[str, Any]:
    """The settings that the options of a command stand for, by dotted key."""
    found: dict[str, Any] = {}
    for each in declared(type(options)):
        value = getattr(options, each.name)
        if each.spelling.of and value is not None and value != ():
            for key in each.spelling.of.split():
                found[key] = absolute(value) if key in _PATHS else list(value) if isinstance(value, tuple) else value
    return found


def _resolve(run_dir: RunDir, options: Options, face: Face) -> Mapping[str, Any]:
    """The settings of a run by the options of a command; formats come beside those that the run has exported."""
    more, config = settings_of(options), getattr(options, "config", None)
    if isinstance(options, RunOptions) and options.start in (None, "index"):
        more.setdefault("index.preview", 0)  # the same command without it takes all images
    asked, only = more.get(_FORMATS, []), list(getattr(options, "only", ()))
    if asked and only:
        adds, alone = named("formats", asked), named("only", only)
        raise UsageError(f"{adds} adds to what was exported, {alone} takes all else away; give one of them")
    if only:
        more[_FORMATS] = only
    settings = pipeline.resolve(run_dir, config=config, more=more, layers=face.layers)
    if not asked or "export" not in run_dir.manifest().stages:
        return settings
    del more[_FORMATS]
    own: Any = pipeline.resolve(run_dir, config=config, more=more, layers=face.layers)["export"]
    every = Layer("", {_FORMATS: [*own.formats, *asked]})
    return pipeline.resolve(run_dir, config=config, more=more, layers=[*face.layers, every])


def _run(options: RunOptions, face: Face) -> Any:
    run_dir = pipeline.open_run(options.run)
    settings = _resolve(run_dir, options, face)
    _keep_others(run_dir, settings, options)
    choice: dict[str, Any] = {"start": options.start, "stop": options.stop, "force": options.force}
    if options.dry_run:
        from segpipe.commands.run.dry_run import expect

        return expect(pipeline.plan(settings, run_dir, keep=options.keep_classes, **choice), settings, run_dir)
    if options.keep_classes:
        pipeline.keep_classes(run_dir, settings, run_dir)
    if options.engine == "ray":
        from segpipe.commands.run.engine_ray import run_on_ray

        stages, address = (options.start, options.stop), options.engine_address
        run_on_ray(
            *(run_dir, settings, face.track),
            stages=stages,
            force=options.force,
            address=address,
            workers=options.engine_workers,
        )
    else:
        pipeline.work(run_dir, settings, face.track, **choice)
    return run_dir


def _keep_others(run_dir: RunDir, settings: Mapping[str, Any], options: RunOptions) -> None:
    """Refuse a preview that would throw away what was computed of all images.

    Raises:
        UsageError: the run is of more images, and no preview.
    """
    stages, wanted = run_dir.manifest().stages, settings["index"].preview
    if not wanted or options.start not in (None, "index") or not {"index", "extract"} <= stages.keys():
        return
    said = stages["index"].summary
    if said.get("preview_of") is None and said.get("images", 0) > wanted:
        raise UsageError(
            f"{named('preview', wanted)}: {run_dir.root} is of all {said['images']} images, and what was made of the "
            "others would be lost; choose another RUN for the preview, or leave it out"
        )


def _report_run(done: Any, options: RunOptions) -> Report:
    if not isinstance(done, RunDir):
        return Report([done])
    listed = done.root / "corpus" / "rejected.jsonl"
    return Report(_written(done, *_WRITTEN), skipped=pipeline.skipped_files(done), listed_in=listed)


def _stage(name: str, options: Any, face: Face) -> RunDir:
    run_dir = pipeline.open_run(options.run) if name == "index" else pipeline.existing_run(options.run)
    settings = _resolve(run_dir, options, face)
    if getattr(options, "part", None) is not None:
        _do_part(name, run_dir, settings, options, face)
        return run_dir
    force = [name] if options.force else []
    pipeline.work(run_dir, settings, face.track, start=name, stop=name, force=force)
    return run_dir


def _do_part(name: str, run_dir: RunDir, settings: Mapping[str, Any], options: Any, face: Face) -> None:
    if options.force:
        raise UsageError(f"{named('force')} makes all anew, {named('part', options.part)} a part; give one of them")
    part = parse_part(options.part, os.environ)
    did = do_parts(run_dir, settings, face.track, name, part, lease_minutes=options.lease_minutes)
    _log.info("%-8s did %s", name, counted(did, "part"))


def _report_stage(name: str, done: RunDir, options: Any) -> Report:
    if getattr(options, "part", None) is not None:
        return Report()
    if name == "evaluate":
        from segpipe.stages.evaluate.score_table import score_table

        named, _ = named_scores(done) or (None, None)
        return Report([score_table(load_scores(done.path("scores")), named), *_refresh(done)])
    if name == "index":
        return Report(skipped=pipeline.skipped_files(done), listed_in=done.root / "corpus" / "rejected.jsonl")
    return Report([*_written(done, name), *(_refresh(done) if name == "cover" else [])])


def _refresh(done: RunDir) -> list[str]:
    """What to do for a report that shows what was made here."""
    found = pipeline.refresh(done)
    return [found] if found else []


def _written(done: RunDir, *stages: str) -> list[str]:
    """A line for what each stage leaves for people to open."""
    return [f"{_WRITTEN[name][0]:8} {done.shown(_WRITTEN[name][1])}" for name in stages if _exists(done, name)]


def _exists(done: RunDir, name: str) -> bool:
    return name in _WRITTEN and (done.root / _WRITTEN[name][1]).exists()


def _summary(name: str, done: RunDir) -> dict[str, Any]:
    if name == "evaluate":
        named, _ = named_scores(done) or (None, None)
        return {**dict(load_scores(done.path("scores"))), "named_map": named}
    record = done.manifest().stages.get(name)  # none after a part
    return dict(record.summary) if record else {}


RUN = Command(
    "run",
    RunOptions,
    _run,
    _report_run,
    returns="Run",
    returned="the run: its images, features, masks, classes, cover and scores; `run[stage]` is what a stage says of "
    "itself",
    sections=tuple(pipeline.SECTIONS),
    examples="segpipe run photos runs/reef\n"
    "segpipe run photos runs/reef --backbone classical --cluster.k 8\n"
    "segpipe run photos runs/reef --config underwater --to refine\n",
    files={
        "RUN/config.yaml": "all settings, with their meaning",
        "RUN/manifest.json": "what ran, when, on what, with which versions, and what each stage says of itself",
        "RUN/kept/classes.json": "which head and clusters the run keeps, and what they were found on",
        "RUN/kept/whitening.safetensors": "how `classical` features were whitened that kept classes were found on",
        "RUN/.segpipe": "says that the directory is a run; one that holds other files is never taken for one",
        "RUN/.lock": "held while a command works on the run",
        "RUN/*/SHA256SUMS": "of each directory the checksums of its files",
    },
)
STAGE_COMMANDS = tuple(
    Command(
        stage.NAME,
        STAGE_OPTIONS[stage.NAME],
        partial(_stage, stage.NAME),
        partial(_report_stage, stage.NAME),
        partial(_summary, stage.NAME),
        returns="dict[str, Any]",
        returned=_SCORES if stage.NAME == "evaluate" else "what the stage says of itself",
        sections=(stage.NAME, "runtime"),
        files={f"RUN/{stage.ARTEFACT}/{pattern}": text for pattern, text in stage.FILES.items()},
    )
    for stage in STAGES
)
