"""`segpipe bundle` and `segpipe apply`: the model of a run in a file, and new images by it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from segpipe import pipeline
from segpipe.base.config import Layer, build
from segpipe.base.errors import UsageError, named
from segpipe.base.files import absolute
from segpipe.base.options import Command, Face, Report
from segpipe.base.parts import parse_part
from segpipe.base.runtime import make_runtime
from segpipe.base.shown import counted
from segpipe.base.temporary import temporary_folder
from segpipe.commands.model.options import ApplyOptions, BundleOptions
from segpipe.records.corpus import Corpus, Rejected
from segpipe.store.masks import Mask

if TYPE_CHECKING:
    from segpipe.commands.model.apply_parts import PartsDone
    from segpipe.commands.model.predict import Segment
    from segpipe.commands.model.predict_folder import Applied
    from segpipe.stages import export

SECTIONS = ("runtime", "export")
"""Whose settings `apply` takes."""


def _bundle(options: BundleOptions, face: Face) -> list[str]:
    from segpipe.commands.model.save import bundle, export_onnx

    run_dir = pipeline.existing_run(options.run)
    with run_dir.lock():
        made = bundle(run_dir, options.model, pipeline.make_runtime(pipeline.resolve(run_dir)))
        size = options.model.stat().st_size / 1e6
        lines = [f"bundle   {options.model}  ({size:.1f} MB; weights: {made.licence})"]
        if options.onnx:
            path = options.model.with_suffix(".onnx")
            max_diff = export_onnx(run_dir, path)
            lines.append(f"network  {path}  (ONNX Runtime's codes differ by at most {max_diff:.1e})")
    return lines


def _apply(options: ApplyOptions, face: Face) -> Applied | PartsDone:
    from segpipe.commands.model.apply_parts import apply_parts
    from segpipe.commands.model.mask_writing import ApplyTask
    from segpipe.commands.model.predict import list_new, open_model
    from segpipe.commands.model.predict_folder import apply_to_folder

    given = {
        "runtime.device": options.device,
        "runtime.workers": options.workers,
        "export.formats": list(options.formats) or None,
    }
    own = {key: value for key, value in given.items() if value is not None}
    known = {name: pipeline.SECTIONS[name] for name in SECTIONS}
    settings = build(known, [Layer("", own), *face.layers])
    runtime = pipeline.make_runtime(settings, face.track)
    config = cast("export.Config", settings["export"])
    if "certainty" in config.formats:
        raise UsageError(
            f"{named('formats', 'certainty')}: masks of a bundle come without their certainty; begin a run of "
            "these images with refine.certainty=true"
        )
    part = None if options.part is None else parse_part(options.part, os.environ)
    with open_model(options.model, runtime) as opened:
        images, task = absolute(options.images), ApplyTask(opened, config, runtime, options.frame_step or 0)
        if options.part is None:
            return apply_to_folder(task, images, list_new(images, opened), options.out)
        listed = partial(list_new, images, opened)
        return apply_parts(task, images, options.out, listed, part, lease_minutes=options.lease_minutes)


def _report(done: Applied | PartsDone, options: ApplyOptions) -> Report:
    from segpipe.commands.model.apply_parts import PartsDone  # loaded by now

    if isinstance(done, PartsDone) and done.closed:
        return Report([f"apply    {options.out} is finished, of files that are the same now: there was nothing to do"])
    if isinstance(done, PartsDone):
        left = f"{counted(done.left, 'file')} left" if done.left else "all are done: without --part it ends the work"
        return Report([f"apply    did {counted(done.parts, 'part')}; {left}"])
    lines = [f"masks    {options.out / 'masks'}  ({counted(done.images, 'image')})"]
    if done.guided:
        lines.append(f"classes  {done.guided}")
    return Report(lines, skipped=done.rejected, listed_in=options.out / "rejected.jsonl")


def _masks(options: Any, face: Face) -> Iterator[tuple[str, Mask]]:
    from segpipe.commands.model.predict import apply, list_new, open_model

    runtime = make_runtime(options.device or "auto", options.workers or 0, face.track)

    def keep(corpus: Corpus, segment: Segment) -> tuple[str, Mask]:
        return corpus.images[0].id, segment.whole()

    with open_model(options.model, runtime) as opened, temporary_folder() as home:
        listing = list_new(absolute(options.images), opened)
        for found in apply(opened, listing, runtime, keep, home, every=options.frame_step or 0):
            if isinstance(found, Rejected):
                pipeline.log.warning("skipped: %s: %s", found.path, found.reason)
                continue
            yield found[0], opened.bundle.legend.read(found[1])


def _nothing(result: Any) -> None:
    return None


BUNDLE = Command(
    "bundle",
    BundleOptions,
    _bundle,
    lambda lines, options: Report(lines),
    _nothing,
    examples="segpipe bundle runs/reef reef.segpipe\n",
    files={
        "FILE": "a zip: network, head, clusters, names, settings and `LICENCES.txt`; no image, no path, no pickle",
        "FILE, ending in .onnx": "with `--onnx`: pixels of a crop, `rgb` uint8 (batch, side, side, 3), to codes",
    },
)
APPLY = Command(
    "apply",
    ApplyOptions,
    _apply,
    _report,
    python=_masks,
    returns="Iterator[tuple[str, Mask]]",
    returned="one after the other the image's id and its mask (H, W): classes as the bundle names them, 255 (65535 "
    "beyond 255 classes) where there is none; a file that cannot be used is skipped with a warning in the log",
    sections=SECTIONS,
    examples="segpipe apply reef.segpipe new_photos maps\n"
    "segpipe apply reef.segpipe dive.mp4 maps --frame-step 5 --format png,video\n"
    "segpipe apply reef.segpipe new_photos maps --part 3/100\n",
    files={
        "OUT/masks/*": "masks as those of a run",
        "OUT/*/*": "the formats of `export.formats`, as in `RUN/export/`",
        "OUT/classes.csv": "the classes, their colors and shares",
        "OUT/rejected.jsonl": "a skipped file a line: `path`, `reason`",
    },
)
