"""From the frames of a film to a mask and a line of a journal for each, and a video of all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Size
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.commands.track.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from segpipe.commands.track.footage import FilmFrame, Footage
from segpipe.commands.track.lookout import Lookout, network_size, scaled
from segpipe.commands.track.track_maps import EIGHT_BITS, Mask, draw_tracks, mask_palette, paint
from segpipe.images.video_writing import write_video
from segpipe.ops.tracking.appearance import Discovery
from segpipe.ops.tracking.tracks import Following, Memory, TrackedFrame, step
from segpipe.records.corpus import Rejected
from segpipe.stages.export.vector.rle import coco_counts
from segpipe.store.masks import read_mask, write_mask

MASKS, OVERLAY, JOURNAL, STATE = "masks", "overlay.webm", ".journal.jsonl", ".state.npz"
_EVERY = 32  # frames between two checkpoints, at least
_SIXTEEN_BITS = 65_535


@dataclass(frozen=True, slots=True)
class SeenTrack:
    """A track in a frame in which it is seen."""

    track: int
    score: float
    area: int
    """Pixels."""
    box: tuple[int, int, int, int]
    """Left, top, width, height."""
    rle: str
    """Compressed run lengths of COCO."""


@dataclass(frozen=True, slots=True)
class FrameLine:
    """A frame's line of the journal."""

    frame: int
    name: str
    seconds: float
    scene: int
    height: int
    width: int
    tracks: tuple[SeenTrack, ...]


@dataclass(frozen=True, slots=True)
class _Item:
    """A frame on its way from the network to the disk; `found` is None where an earlier call wrote its mask."""

    shot: FilmFrame
    found: TrackedFrame | None
    grid: Size
    begun: int
    memory: Memory | None
    """After the last frame of a batch: what the next one needs."""


@dataclass(frozen=True, slots=True)
class Journey:
    """What is done by the way: where frames go, how they are looked at, by which rules they are followed."""

    home: Path
    """Folder of what is not finished."""
    lookout: Lookout
    side: int
    how: Discovery
    rules: Following
    overlay: bool


def follow(footage: Footage, journey: Journey, runtime: Runtime) -> tuple[Rejected, ...]:
    """Write masks, journal and overlay of a film to the folder of what is not finished; what could not be used.

    What an earlier call left there is used: the same bytes come of it. Memory does not grow with the film.

    Raises:
        CorpusError: not one frame could be used.
        MachineError: the video cannot be written, or a frame does not fit into memory.
    """
    home, rejected = journey.home, list[Rejected]()
    point = load_checkpoint(home / STATE)
    journal = home / JOURNAL
    _cut_back(journal, point.journal)
    written = 0
    film = write_video(home / OVERLAY, fps=footage.fps) if journey.overlay else nullcontext(_nothing)
    items = _items(runtime.track(iter(footage), total=len(footage), unit="frames"), journey, point, rejected)
    digits, saved = footage.digits, point.frames

    def render(item: _Item) -> tuple[_Item, FrameLine | None, Any]:
        return (item, *_render(item, home / MASKS / f"{item.shot.number:0{digits}}.png", picture=journey.overlay))

    with journal.open("ab") as lines, film as append:
        for item, line, picture in thread_map(render, items, workers=runtime.workers, ahead=2 * runtime.workers):
            written += 1
            if line is not None:
                lines.write((json.dumps(asdict(line), ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape"))
            append(picture)
            if item.memory is not None and written - saved >= _EVERY:
                lines.flush()
                save_checkpoint(home / STATE, Checkpoint(item.memory, written, lines.tell()))
                saved = written
        if not written:
            reasons = "; ".join(f"{item.path}: {item.reason}" for item in rejected[:3])
            raise CorpusError(f"not one frame could be used ({reasons or 'there was none'})")
    return tuple(rejected)


class FrameJournal:
    """The lines of the frames of a finished film, read from the file whenever they are asked for."""

    def __init__(self, home: Path) -> None:
        """Find where lines begin; `home` is the folder of what is not finished."""
        self._path = home / JOURNAL
        with self._path.open("rb") as lines:
            self._starts = [0, *accumulate(map(len, lines))]

    def __len__(self) -> int:
        return len(self._starts) - 1

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[FrameLine]:
        """The lines from `start` up to and without `stop`, in order."""
        with self._path.open("rb") as lines:
            lines.seek(self._starts[start])
            for text in islice(lines, None if stop is None else stop - start):
                row = json.loads(text.decode("utf-8", "surrogateescape"))
                tracks = tuple(SeenTrack(**{**seen, "box": tuple(seen["box"])}) for seen in row.pop("tracks"))
                yield FrameLine(**row, tracks=tracks)


def _nothing(picture: Any) -> None:
    return None


def _cut_back(journal: Path, size: int) -> None:
    """Forget what was written after the checkpoint."""
    with journal.open("ab") as lines:
        lines.truncate(size)


def _items(
    entries: Iterator[FilmFrame | Rejected], journey: Journey, point: Checkpoint, rejected: list[Rejected]
) -> Iterator[_Item]:
    """Frames with their tracks; those that an earlier call has done come without being looked at."""

    def usable() -> Iterator[FilmFrame]:
        for entry in entries:
            if isinstance(entry, Rejected):
                rejected.append(entry)
            else:
                yield entry

    shots, memory = usable(), point.memory
    for shot in islice(shots, point.frames):
        yield _Item(shot, None, Size(1, 1), 0, None)
    lookout = journey.lookout
    while batch := list(islice(shots, lookout.batch)):
        size = network_size(Size(*batch[0].rgb.shape[:2]), side=journey.side, patch=lookout.patch)
        grid = Size(size.height // lookout.patch, size.width // lookout.patch)
        for i, facets in enumerate(lookout.look([scaled(shot.rgb, size) for shot in batch])):
            memory, found = step(memory, facets, journey.how, journey.rules, cut=batch[i].cut)
            yield _Item(batch[i], found, grid, memory.begun, memory if i == len(batch) - 1 else None)


def _render(item: _Item, path: Path, *, picture: bool) -> tuple[FrameLine | None, Any]:
    """Write a frame's mask; its line, and its picture where wanted."""
    if item.found is None:
        return None, draw_tracks(item.shot.rgb, read_mask(path)) if picture else None
    mask = paint(item.found, item.grid, Size(*item.shot.rgb.shape[:2]))
    if item.begun >= _SIXTEEN_BITS:
        raise CorpusError(f"more than {_SIXTEEN_BITS - 1} tracks were begun; higher cuts make fewer scenes")
    classes = EIGHT_BITS if item.begun < EIGHT_BITS else _SIXTEEN_BITS
    write_mask(path, mask.astype(np.uint8) if classes == EIGHT_BITS else mask, classes=classes, colors=mask_palette())
    return describe(item.shot, item.found, mask), draw_tracks(item.shot.rgb, mask) if picture else None


def describe(shot: FilmFrame, found: TrackedFrame, mask: Mask) -> FrameLine:
    """A frame's line: area, box and run lengths of every track that has a pixel."""
    scores = {sighting.track: sighting.score for sighting in found.sightings}
    present = [track for track in np.unique(mask).tolist() if track]
    places = np.full(int(mask.max()) + 1, -1, np.int32)
    places[present] = np.arange(len(present))
    texts = coco_counts(places[mask], len(present)) if present else []
    seen = []
    for track, text in zip(present, texts, strict=True):
        own = (mask == track).astype(np.uint8)
        box = cv2.boundingRect(own)
        seen.append(SeenTrack(track, round(scores[track], 6), int(own.sum()), tuple(map(int, box)), text))  # type: ignore[arg-type]
    height, width = mask.shape
    return FrameLine(shot.number, shot.name, round(shot.seconds, 6), found.scene, height, width, tuple(seen))
