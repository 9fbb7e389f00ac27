"""What is written of a film's tracks beside masks and overlay: a table, MOT Challenge, YouTube-VIS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segpipe.base.csv_files import csv_text
from segpipe.base.files import atomic, write_text
from segpipe.commands.track.follow import FrameLine, SeenTrack

Journal = Callable[[int, int | None], Iterable[FrameLine]]
"""Gives the lines from one up to and without another (None: to the end), as often as it is called; none is held."""


@dataclass(slots=True)
class Summed:
    """What adds up over the frames of a track."""

    first: int
    first_seconds: float
    begins: int
    """Line of the journal in which it is seen first."""
    ends: int = 0
    """Line after the one in which it is seen last."""
    last: int = 0
    last_seconds: float = 0.0
    frames: int = 0
    area: float = 0.0
    score: float = 0.0
    lost: int = 0
    """How often it was found again after frames without it."""
    scenes: list[int] = field(default_factory=list)


def sum_tracks(lines: Iterable[FrameLine]) -> dict[int, Summed]:
    """Every track that was seen, by number in rising order."""
    found: dict[int, Summed] = {}
    before: set[int] = set()
    for place, line in enumerate(lines):
        for seen in line.tracks:
            track = found.setdefault(seen.track, Summed(line.frame, line.seconds, place))
            track.ends = place + 1
            track.lost += track.frames > 0 and seen.track not in before
            track.last, track.last_seconds = line.frame, line.seconds
            track.frames, track.area, track.score = track.frames + 1, track.area + seen.area, track.score + seen.score
            if line.scene not in track.scenes[-1:]:
                track.scenes.append(line.scene)
        before = {seen.track for seen in line.tracks}
    return dict(sorted(found.items()))


def write_tracks(path: Path, tracks: dict[int, Summed]) -> None:
    """`tracks.csv`: one row a track."""
    header = ["track", "first", "last", "first_seconds", "last_seconds", "frames", "refound", "mean_area", "mean_score"]
    rows = [
        [
            *(number, track.first, track.last, f"{track.first_seconds:.3f}", f"{track.last_seconds:.3f}"),
            *(track.frames, track.lost, f"{track.area / track.frames:.1f}", f"{track.score / track.frames:.4f}"),
            " ".join(map(str, track.scenes)),
        ]
        for number, track in tracks.items()
    ]
    write_text(path, csv_text([*header, "scenes"], rows))


def write_mot(path: Path, lines: Iterable[FrameLine]) -> None:
    """`mot.txt` of the MOT Challenge: frame, track, left, top, width, height, confidence, -1, -1, -1.

    Frames and pixels count from 1 there. The confidence is the track's score, at most 1.
    """
    with atomic(path) as beside, beside.open("w", encoding="ascii", newline="\n") as file:
        for line in lines:
            for seen in line.tracks:
                left, top, width, height = seen.box
                box = f"{left + 1},{top + 1},{width},{height}"
                file.write(f"{line.frame + 1},{seen.track},{box},{min(1.0, seen.score):.4f},-1,-1,-1\n")


def write_coco_video(path: Path, journal: Journal, tracks: Mapping[int, Summed]) -> None:
    """`coco_video.json` of YouTube-VIS: one video, an annotation a track with one entry a frame, null where unseen.

    Args:
        path: the file.
        journal: is read once, and once for each track from its first to its last frame.
        tracks: of `sum_tracks`.
    """
    names, size = [], (0, 0)
    for line in journal(0, None):
        names.append(line.name)
        size = (line.height, line.width)
    video = {"id": 1, "width": size[1], "height": size[0], "length": len(names), "file_names": names}
    category = {"id": 1, "name": "object", "supercategory": "object"}
    with atomic(path) as beside, beside.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        file.write('{"info": {"description": "tracks"}, "licenses": [],\n')
        file.write(f' "videos": [{_text(video)}],\n "categories": [{_text(category)}],\n "annotations": [')
        for place, (number, track) in enumerate(tracks.items()):
            file.write(",\n" if place else "\n")
            found: list[SeenTrack | None] = [None] * track.begins
            found += [_of_track(number, line) for line in journal(track.begins, track.ends)]
            found += [None] * (len(names) - track.ends)
            file.write(_text(_annotation(number, found, size)))
        file.write("]}\n")


def _annotation(number: int, found: Sequence[SeenTrack | None], size: tuple[int, int]) -> dict[str, Any]:
    return {
        "id": number,
        "video_id": 1,
        "category_id": 1,
        "iscrowd": 0,
        "height": size[0],
        "width": size[1],
        "length": len(found),
        "segmentations": [None if each is None else {"size": list(size), "counts": each.rle} for each in found],
        "bboxes": [None if each is None else list(each.box) for each in found],
        "areas": [None if each is None else each.area for each in found],
    }


def _of_track(number: int, line: FrameLine) -> SeenTrack | None:
    return next((seen for seen in line.tracks if seen.track == number), None)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
