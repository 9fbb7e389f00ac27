"""`segpipe propagate`: classes of one frame, or of key frames, carried through a film."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segpipe.base.options import Command, Face, Report
from segpipe.base.runtime import make_runtime
from segpipe.commands.propagate.options import PropagateOptions

if TYPE_CHECKING:
    from segpipe.commands.propagate.run import PropagateResult

EXAMPLES = """\
segpipe propagate dive.mp4 carried --masks first.png          the mask of the first frame through the film
segpipe propagate dive.mp4 carried --masks keys/              several key frames: keys/000000.png, keys/000120.png
segpipe propagate frames/ carried --masks keys/ --labels truth/
segpipe propagate runs/dive carried --from classes            the classes of a run, in every frame of its film
"""


def _work(options: PropagateOptions, face: Face) -> PropagateResult:
    from segpipe.commands.propagate.run import propagate

    return propagate(options, make_runtime(options.device, options.workers, face.track))


def _report(done: PropagateResult, options: PropagateOptions) -> Report:
    out = options.out
    lines = [f"masks    {out / 'masks'}  ({done.frames} frames, {done.keys} of them given)"]
    if not options.no_overlay:
        lines.append(f"film     {out / 'overlay.webm'}")
    lines.append(f"mean confidence {done.confidence:.3f}; of every frame in {out / 'frames.csv'}")
    if done.scores is not None:
        whole = done.scores.whole
        lines += [
            f"J {100 * s.j:5.1f}  F {100 * s.f:5.1f}  J&F {100 * s.jf:5.1f}  {done.names[k]}"
            for k, s in done.scores.classes.items()
        ]
        lines.append(
            f"J {100 * whole.j:5.1f}  F {100 * whole.f:5.1f}  J&F {100 * whole.jf:5.1f}  in all "
            f"({done.scores.frames} frames with labels)"
        )
    elif options.labels is not None:
        lines.append(f"no frame but key frames and the last one has labels in {options.labels}")
    return Report(lines, skipped=done.rejected, listed_in=out / "rejected.jsonl")


def _value(done: PropagateResult) -> dict[str, Any]:
    found: dict[str, Any] = {
        "frames": done.frames,
        "confidence": done.confidence,
        "rejected": {item.path: item.reason for item in done.rejected},
    }
    if done.scores is not None:
        whole = done.scores.whole
        found["scores"] = {"j": whole.j, "f": whole.f, "jf": whole.jf}
        found["classes"] = {done.names[k]: {"j": s.j, "f": s.f, "jf": s.jf} for k, s in done.scores.classes.items()}
    return found


COMMAND = Command(
    "propagate",
    PropagateOptions,
    _work,
    _report,
    _value,
    returns="dict[str, Any]",
    returned="`frames`, how many were written; `confidence`, their mean; `rejected`, path to reason of what could not "
    "be read; with labels `scores` (`j`, `f`, `jf`, 0 to 1) and the same by class name in `classes`",
    examples=EXAMPLES,
    files={
        "OUT/masks/*": "the class map of a frame, named by its number: index PNG, value = class",
        "OUT/confidence/*": "8-bit gray: share of the labels that speak for the class, 255 = all of them",
        "OUT/overlay.webm": "the film with the classes' colors",
        "OUT/area.csv": "frame, seconds, class, name, pixels, share of the frame and confidence",
        "OUT/frames.csv": "frame, seconds, confidence (the overlap with the truth to be "
        "expected), and whether it is a key frame",
        "OUT/classes.csv": "class, name, color",
        "OUT/propagate.json": "film, key frames, backbone, settings and versions",
        "OUT/rejected.jsonl": "what could not be read: `path`, `reason`",
    },
)
