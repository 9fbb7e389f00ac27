"""Objects followed through a film: film, network, tracks and files put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segpipe.base.errors import UsageError
from segpipe.base.files import digest, sha256, write_json
from segpipe.base.runtime import Runtime
from segpipe.base.version import versions
from segpipe.commands.track.options import TrackOptions
from segpipe.records.corpus import Rejected
from segpipe.store.ownership import TRACKED

if TYPE_CHECKING:
    from segpipe.commands.track.truth import TrackScore

SETTINGS = "track.json"
_FORMAT = 1
_NOT_DECIDING = {"video", "out", "weights", "labels", "workers", "device"}


@dataclass(frozen=True, slots=True)
class TrackResult:
    """What came of it."""

    frames: int
    scenes: int
    tracks: int
    scores: Sequence[TrackScore]
    """Where there are labels, of each of their objects."""
    rejected: Sequence[Rejected]


def track(options: TrackOptions, runtime: Runtime) -> TrackResult:
    """Follow objects through a film and write masks, tables and a video.

    Args:
        options: what to follow, and how.
        runtime: device, workers, progress.

    Raises:
        UsageError: something asked for cannot be meant.
        CorpusError: not one frame can be used.
        MachineError: weights are not at hand, or something cannot be written.
        LockedError: another process writes the same.
    """
    from segpipe.commands.track.follow import MASKS, FrameJournal, Journey, follow
    from segpipe.commands.track.footage import open_footage
    from segpipe.commands.track.lookout import open_lookout
    from segpipe.commands.track.truth import score_tracks
    from segpipe.commands.track.unfinished import unfinished
    from segpipe.commands.track.writers import sum_tracks, write_coco_video, write_mot, write_tracks
    from segpipe.ops.tracking.appearance import Discovery
    from segpipe.ops.tracking.tracks import Following

    _check(options)
    footage = open_footage(
        options.video, frames=options.frames, cuts=options.cuts, fps=options.fps, workers=runtime.workers
    )
    lookout = open_lookout(options.backbone, options.weights, runtime, block=options.block)
    how = Discovery(options.objects, options.heads, options.tracker, options.sinkhorn, options.seed, options.merge)
    # DoRA's formulas have no score that falls where an object is gone
    rules = Following(options.keep if options.tracker == "contrast" else 0.0, options.rejoin)
    facts = _facts(options, lookout.weights, runtime)
    key = digest({**facts, "film": footage.frames.state()})
    with unfinished(options.out, TRACKED, key) as home:
        journey = Journey(home, lookout, options.input_size, how, rules, not options.no_overlay)
        rejected = (*footage.frames.rejected, *follow(footage, journey, runtime))
        journal = FrameJournal(home)
        tracks = sum_tracks(journal.read())
        write_tracks(home / "tracks.csv", tracks)
        write_mot(home / "mot.txt", journal.read())
        write_coco_video(home / "coco_video.json", journal.read, tracks)
        frames = len(journal)
        scenes = next(journal.read(frames - 1)).scene
        left = [{"path": item.path, "reason": item.reason} for item in rejected]
        counts = {"frames": frames, "scenes": scenes, "tracks": len(tracks)}
        write_json(home / SETTINGS, {**facts, **counts, "rejected": left})
        digits = footage.digits
        scores = (
            score_tracks(journal.read(), options.labels, lambda n: home / MASKS / f"{n:0{digits}}.png")
            if options.labels
            else []
        )
    return TrackResult(frames, scenes, len(tracks), scores, rejected)


def _check(options: TrackOptions) -> None:
    video, out = Path(options.video).expanduser(), options.out
    if video.is_dir() and out.resolve().is_relative_to(video.resolve()):
        raise UsageError(f"{out} lies in {options.video}, where it would be taken for frames; name another place")


def _facts(options: TrackOptions, weights: str, runtime: Runtime) -> dict[str, Any]:
    """What decides the bytes that are written, for `track.json`."""
    given = options.model_dump(exclude=_NOT_DECIDING)
    return {
        "format": _FORMAT,
        "video": Path(options.video).name,
        "weights": f"{weights} sha256:{sha256(options.weights)[:16]}" if options.weights else weights,
        "device": runtime.device.split(":")[0],
        "options": {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()},
        "versions": versions(),
    }
