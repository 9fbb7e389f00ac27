"""`segpipe attend`: from a source of images to a folder or a video of attention maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import CorpusError
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.commands.attend.maps import ImageMaps, compute_maps
from segpipe.commands.attend.writers import Output, draw_frame, write_image
from segpipe.images.sources import MediaSource, SourceImage
from segpipe.images.video_writing import write_video
from segpipe.inference.backbone_view import BackboneView
from segpipe.records.corpus import Rejected

Rgb = npt.NDArray[np.uint8]
Entry = tuple[SourceImage, list[ImageMaps]] | Rejected


@dataclass(frozen=True, slots=True)
class WriteCounts:
    """How many images were used and files written, and what was rejected."""

    pictures: int
    files: int
    rejected: tuple[Rejected, ...]


def attend_folder(
    source: MediaSource,
    views: Sequence[BackboneView],
    out: Path,
    output: Output,
    runtime: Runtime,
    *,
    side: int,
    batch: int,
) -> WriteCounts:
    """Write maps and a sheet of every image into a folder; see `write_image`.

    Raises:
        CorpusError: not one image could be used.
    """

    def write(entry: Entry) -> int | Rejected:
        return entry if isinstance(entry, Rejected) else write_image(*entry, out, output)

    entries = _tracked(source, views, runtime, side=side, batch=batch)
    rejected: list[Rejected] = []
    pictures = files = 0
    for result in thread_map(write, entries, workers=runtime.workers, ahead=runtime.workers):
        if isinstance(result, Rejected):
            rejected.append(result)
        else:
            pictures, files = pictures + 1, files + result
    _need(pictures, rejected)
    return WriteCounts(pictures, files, tuple(rejected))


def attend_video(
    source: MediaSource,
    views: Sequence[BackboneView],
    out: Path,
    output: Output,
    runtime: Runtime,
    *,
    fps: float,
    side: int,
    batch: int,
) -> WriteCounts:
    """Write one video of all images; memory does not grow with their number.

    Images of another size than the first are rejected.

    Raises:
        CorpusError: not one image could be used.
        MachineError: the video cannot be written.
    """
    rejected: list[Rejected] = []
    pictures = 0
    entries = _same_size(_tracked(source, views, runtime, side=side, batch=batch))

    def render(entry: Entry) -> Rgb | Rejected:
        return entry if isinstance(entry, Rejected) else draw_frame(*entry, output)

    with write_video(out, fps=fps) as append:
        for result in thread_map(render, entries, workers=runtime.workers, ahead=2 * runtime.workers):
            if isinstance(result, Rejected):
                rejected.append(result)
            else:
                append(result)
                pictures += 1
        _need(pictures, rejected)
    return WriteCounts(pictures, 1, tuple(rejected))


def _tracked(
    source: MediaSource, views: Sequence[BackboneView], runtime: Runtime, *, side: int, batch: int
) -> Iterator[Entry]:
    entries = compute_maps(source, views, side=side, batch=batch)
    return runtime.track(entries, total=len(source), unit=source.unit)


def _same_size(entries: Iterable[Entry]) -> Iterator[Entry]:
    first = None
    for entry in entries:
        if not isinstance(entry, Rejected):
            size = entry[0].size
            first = first or size
            if size != first:
                reason = (
                    f"{size.width} x {size.height} pixels, the video has {first.width} x {first.height}; "
                    f"--resize {first.width}x{first.height} makes them alike"
                )
                yield Rejected(entry[0].name, reason)
                continue
        yield entry


def _need(pictures: int, rejected: Sequence[Rejected]) -> None:
    if not pictures:
        reasons = "; ".join(f"{item.path}: {item.reason}" for item in rejected[:3])
        raise CorpusError(f"not one picture could be used ({reasons or 'there was none'})")
