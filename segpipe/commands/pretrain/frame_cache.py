"""Frames of a film decoded once, made smaller and kept on the disk: any of them is at hand without decoding again.

Training takes every frame many times, in any order. Decoding a film for each clip took most of the time of DoRA's
authors. Here frames lie side by side in one file, three bytes a pixel, which the system maps into memory.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import CorpusError, MachineError, named
from segpipe.base.files import atomic, clear_beside, read_json, write_json
from segpipe.base.runtime import Runtime
from segpipe.base.shortage import raise_shortage
from segpipe.commands.pretrain.film_frames import SmallFrames
from segpipe.records.corpus import Rejected

PIXELS, FACTS = "frames.u8", "frames.json"
_SPARE = 1 << 28  # bytes that stay free: other files are written meanwhile


@dataclass(frozen=True, slots=True)
class CachedFilm:
    """The frames of a film."""

    pixels: npt.NDArray[np.uint8]
    """(N, H, W, 3), mapped into memory."""
    key: str
    """Fingerprint of the files, their sizes and times, and of how frames were made smaller."""
    rejected: tuple[Rejected, ...]
    """What could not be used."""


def cache_frames(film: SmallFrames, folder: Path, runtime: Runtime) -> CachedFilm:
    """The frames of a film, from the folder where they are kept; decoded where they are not there yet.

    Args:
        film: opened.
        folder: made where it is missing. Frames of another film in it are replaced.
        runtime: progress.

    Raises:
        CorpusError: not one frame can be used.
        MachineError: the disk has too little room, or cannot be written.
    """
    key = film.key
    found = _opened(folder, key)
    if found is None:
        folder.mkdir(parents=True, exist_ok=True)
        clear_beside(folder / PIXELS)
        (folder / FACTS).unlink(missing_ok=True)  # first: facts stand for pixels that are whole
        try:
            _decode(film, folder, key, runtime)
        except OSError as error:
            raise_shortage(folder, error)
            raise
        found = _opened(folder, key)
        if found is None:
            raise MachineError(f"{folder / PIXELS}: the frames did not arrive whole on the disk; run the same command")
    return found


def _decode(film: SmallFrames, folder: Path, key: str, runtime: Runtime) -> None:
    rejected, count = list[Rejected](), 0
    _check_room(folder, film)
    with atomic(folder / PIXELS) as beside, beside.open("wb") as file:
        for entry in runtime.track(film, total=len(film), unit="frames"):
            if isinstance(entry, Rejected):
                rejected.append(entry)
                continue
            file.write(entry.data)
            count += 1
        if not count:
            reason = f" ({rejected[-1].path}: {rejected[-1].reason})" if rejected else ""
            raise CorpusError(f"{film.film}: not one frame can be used{reason}; give another film")
    shape = [count, film.size.height, film.size.width, 3]
    left = [{"path": item.path, "reason": item.reason} for item in rejected]
    write_json(folder / FACTS, {"key": key, "shape": shape, "rejected": left})


def _check_room(folder: Path, film: SmallFrames) -> None:
    needed, free = film.bytes_expected(), shutil.disk_usage(folder).free
    if needed + _SPARE > free:
        raise MachineError(
            f"{folder}: {len(film)} frames of {film.size.width} x {film.size.height} pixels need {needed / 1e9:.2g} GB "
            f"and {free / 1e9:.2g} GB are free; free some, give a smaller {named('film_side')}, fewer "
            f"{named('frames')}, or choose another disk"
        )


def _opened(folder: Path, key: str) -> CachedFilm | None:
    """What is kept in a folder, where it is whole and of this key."""
    try:
        facts: dict[str, Any] = read_json(folder / FACTS)
        if facts["key"] != key:
            return None
        shape = tuple(int(side) for side in facts["shape"])
        if (folder / PIXELS).stat().st_size != int(np.prod(shape)):
            return None
        rejected = tuple(Rejected(item["path"], item["reason"]) for item in facts["rejected"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return CachedFilm(np.memmap(folder / PIXELS, np.uint8, "r", shape=shape), key, rejected)
