"""Tables and the film of what was carried, made of the finished frames alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base import files
from segpipe.base.csv_files import csv_text
from segpipe.base.geometry import Size
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.commands.propagate.carry_state import FrameRow
from segpipe.commands.propagate.writers import FrameFiles
from segpipe.images.numbered_frames import NumberedFrame, NumberedFrames
from segpipe.images.video_writing import write_video
from segpipe.plots.overlay import overlay
from segpipe.records.legend import Legend
from segpipe.records.palette import hex_colors
from segpipe.store import masks

_OPACITY = 0.5
_USUAL_FPS = 25.0
_LIMIT = 16382  # longest side of a VP8 picture that can be even, pixels


def write_tables(folder: Path, rows: Sequence[FrameRow], legend: Legend, fps: float) -> None:
    """Write `frames.csv`, `area.csv` and `classes.csv`.

    Args:
        folder: where.
        rows: the finished frames, ascending.
        legend: names and colors of the classes.
        fps: by which frames without a time of their own get one; 0: they get none.
    """

    def seconds(row: FrameRow) -> str:
        found = row.seconds if row.seconds is not None else row.frame / fps if fps else None
        return "" if found is None else f"{found:.3f}"

    header = ["frame", "seconds", "confidence", "key"]
    lines = [[row.frame, seconds(row), f"{row.confidence:.4f}", int(row.key)] for row in rows]
    files.write_text(folder / "frames.csv", csv_text(header, lines))
    areas = []
    for row in rows:
        whole = row.size[0] * row.size[1]
        for k, name in enumerate(legend.names):
            count = row.pixels.get(k, 0)
            sure = f"{row.overlap[k]:.4f}" if k in row.overlap else ""
            areas.append([row.frame, seconds(row), k, name, count, f"{count / whole:.6f}", sure])
    header = ["frame", "seconds", "class", "name", "pixels", "share", "confidence"]
    files.write_text(folder / "area.csv", csv_text(header, areas))
    colors = hex_colors(legend.colors)
    classes = [[k, name, colors[k]] for k, name in enumerate(legend.names)]
    files.write_text(folder / "classes.csv", csv_text(["class", "name", "color"], classes))


def write_overlay(
    path: Path,
    sequence: NumberedFrames,
    target: FrameFiles,
    rows: Mapping[int, FrameRow],
    runtime: Runtime,
    *,
    fps: float,
) -> None:
    """Write the film with the classes' colors: the finished frames in order, in even steps, of the first one's size.

    Raises:
        MachineError: it cannot be written.
    """
    first = rows[min(rows)].size
    size = Size(*first).fit(_LIMIT)

    def draw(frame: NumberedFrame) -> npt.NDArray[np.uint8]:
        mask = masks.read_mask(target.mask_path(frame.index))
        picture = overlay(frame.rgb, mask, target.legend.colors, opacity=_OPACITY)
        if picture.shape[:2] == (size.height, size.width):
            return picture
        resized = cv2.resize(picture, (size.width, size.height), interpolation=cv2.INTER_AREA)
        return np.asarray(resized, np.uint8)

    done = (entry for entry in sequence.read(min(rows)) if isinstance(entry, NumberedFrame) and entry.index in rows)
    drawn = thread_map(draw, done, workers=runtime.workers, ahead=2 * runtime.workers)
    with write_video(path, fps=fps or _USUAL_FPS) as append:
        for picture in runtime.track(drawn, total=len(rows), unit="frames of the film"):
            append(picture)
