"""`segpipe track`: objects that attention heads see, followed through a video."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segpipe.base.options import Command, Face, Report
from segpipe.base.runtime import make_runtime
from segpipe.commands.track.options import TrackOptions

if TYPE_CHECKING:
    from segpipe.commands.track.run import TrackResult
    from segpipe.ops.metrics.video_objects import ObjectScore

EXAMPLES = """\
segpipe track dive.mp4 tracks                          objects of every scene, as masks, boxes and a video
segpipe track frames/ tracks --objects 5               a folder of frames
segpipe track dive.mp4 tracks --rejoin 0.7             a track goes on where its object comes back in a later scene
segpipe track dive.mp4 tracks --tracker dora --heads random --seed 1
segpipe track frames/ tracks --labels labels/          against the truth: J, F and J&F
"""


def _work(options: TrackOptions, face: Face) -> TrackResult:
    from segpipe.commands.track.run import track

    return track(options, make_runtime(options.device, options.workers, face.track))


def _report(done: TrackResult, options: TrackOptions) -> Report:
    lines = [f"tracks   {options.out / 'tracks.csv'}  ({done.tracks} in {done.scenes} scenes, {done.frames} frames)"]
    for score in done.scores:
        lines.append(f"object {score.value}  best track {score.best or 'none'}: {_percent(score.best_score)}")
        lines.append(f"object {score.value}  first track {score.first or 'none'}: {_percent(score.first_score)}")
    return Report(lines, skipped=done.rejected, listed_in=options.out / "track.json")


def _percent(score: ObjectScore) -> str:
    return f"J {100 * score.j:.1f}, F {100 * score.f:.1f}, J&F {100 * score.jf:.1f}"


def _value(done: TrackResult) -> dict[str, Any]:
    found: dict[str, Any] = {"frames": done.frames, "scenes": done.scenes, "tracks": done.tracks}
    if done.scores:
        found["objects"] = {
            each.value: {
                name: {"track": number, "j": score.j, "f": score.f, "jf": score.jf}
                for name, number, score in (
                    ("best", each.best, each.best_score),
                    ("first", each.first, each.first_score),
                )
            }
            for each in done.scores
        }
    return {**found, "rejected": {item.path: item.reason for item in done.rejected}}


COMMAND = Command(
    "track",
    TrackOptions,
    _work,
    _report,
    _value,
    returns="dict[str, Any]",
    returned="`frames`, `scenes` and `tracks`, how many there are; with labels `objects`, from the value of each to "
    "the scores of its `best` and its `first` track; `rejected`, path to reason of what was skipped",
    examples=EXAMPLES,
    files={
        "OUT/masks/*.png": "a frame's tracks: index PNG of the frame's size named by its number, value = track, 0 = "
        "none; 16 bits from the 255th track on",
        "OUT/tracks.csv": "a row a track: first and last frame and second, frames, how often it was found again, mean "
        "area in pixels, mean score, numbers of its scenes",
        "OUT/mot.txt": "MOT Challenge: frame, track, left, top, width, height, score, -1, -1, -1; frames and pixels "
        "count from 1",
        "OUT/coco_video.json": "YouTube-VIS: masks (RLE), boxes and areas of every track, null in frames without it",
        "OUT/overlay.webm": "the film with its tracks in colors",
        "OUT/track.json": "options, weights, versions, counts, and what could not be read",
    },
)
