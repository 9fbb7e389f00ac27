"""Key frames: masks of some frames, from files that a person names or from the class maps of a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe import pipeline
from segpipe.base import files
from segpipe.base.errors import CorpusError, UsageError, named
from segpipe.base.geometry import Size
from segpipe.images.numbered_frames import NumberedFrames
from segpipe.records.corpus import FrameInfo, Image
from segpipe.records.legend import Legend, plain_legend
from segpipe.store import masks
from segpipe.store.class_names import open_legend
from segpipe.store.corpus import load_corpus

Mask = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

_NUMBER = re.compile(r"(\d+)$")
_SURE = 5  # digits of a number in the name of a single mask that is meant as that of its frame
_MOST = 1024  # classes: more are not class indices but something else


@dataclass(frozen=True)
class KeyFrames:
    """What is carried: masks of frames, and what their values mean."""

    read: Mapping[int, Callable[[], Mask]]
    """By the number of the frame, ascending: its class map (H, W), values as of `legend`."""
    legend: Legend
    state: str
    """A fingerprint: another one where masks were changed."""
    objects: tuple[int, ...]
    """The classes whose mean is the score of the whole: all, but of drawn masks not 0, the background of DAVIS."""

    @property
    def numbers(self) -> list[int]:
        """The key frames, ascending."""
        return list(self.read)


def masks_by_frame(path: Path, sequence: NumberedFrames, *, start: int) -> dict[int, Path]:
    """Files of masks by the numbers of their frames, ascending.

    Args:
        path: one file, of the first frame unless its name says otherwise; or a folder.
        sequence: the frames.
        start: the number of the first frame.

    Raises:
        UsageError: there is no such file, a name holds no number, or two files are of one frame.
    """
    if path.is_file():
        number = sequence.number_of(path.stem)
        digits = _NUMBER.search(path.stem)
        if number is None:
            number = int(digits[1]) if digits and len(digits[1]) >= _SURE else start
        return {number: path}
    if not path.is_dir():
        raise UsageError(f"{path} is neither a file nor a folder; name a mask (index PNG), or a folder of masks")
    found: dict[int, Path] = {}
    for each in sorted(path.glob("*.png")):
        digits = _NUMBER.search(each.stem)
        number = sequence.number_of(each.stem)
        if number is None and digits is None:
            raise UsageError(f"{each}: its name does not end in the number of a frame; call it such as 000120.png")
        number = int(digits[1]) if number is None and digits else number
        assert number is not None
        if number in found:
            raise UsageError(f"{found[number]} and {each} are both of frame {number}; keep one of them")
        found[number] = each
    if not found:
        raise UsageError(f"{path} holds no PNG; name a mask (index PNG), or a folder of masks")
    return dict(sorted(found.items()))


def keys_of_masks(path: Path, sequence: NumberedFrames, *, start: int, stop: int | None) -> KeyFrames:
    """Key frames from index PNGs.

    Raises:
        UsageError: as `masks_by_frame`; a file is no index PNG, or no mask is of a frame that is there.
    """
    found = masks_by_frame(path, sequence, start=start)
    last = stop if stop is not None else len(sequence) if sequence.counted and len(sequence) else None
    inside = {n: each for n, each in found.items() if n >= start and (last is None or n < last)}
    if not inside:
        number, each = next(iter(found.items()))
        raise UsageError(
            f"{each} is of frame {number}; frames go from {start} to {'the end' if last is None else last - 1}"
        )
    most, digests = 0, []
    for number, each in inside.items():
        mask = read_index(each)
        used = mask[mask != _empty(mask)]
        most = max(most, int(used.max()) + 1 if used.size else 1)
        digests.append([number, files.sha256(each)])
    if most > _MOST:
        raise UsageError(f"{path} holds the value {most - 1}; values of a mask are classes, below {_MOST}")
    legend = plain_legend(most)
    read = {number: partial(_read_values, each, legend.nodata) for number, each in inside.items()}
    return KeyFrames(read, legend, files.digest(digests), tuple(range(1, most)) or (0,))


def read_index(path: Path) -> Mask:
    """An index PNG (H, W).

    Raises:
        UsageError: it is none; a picture in colors is told how it would be one.
    """
    return masks.read_mask(path)


def _empty(mask: Mask) -> int:
    return 255 if mask.dtype == np.uint8 else 65535


def _read_values(path: Path, empty: int) -> Mask:
    mask = read_index(path)
    found = np.where(mask == _empty(mask), empty, mask.astype(np.int64))
    return found.astype(np.uint8) if empty == 255 else found.astype(np.uint16)


@dataclass(frozen=True)
class RunFilm:
    """A film of a run, its class maps by frame, and the backbone that saw it."""

    path: Path
    keys: KeyFrames


def keys_of_run(run: Path, video: str | None, *, start: int, stop: int | None) -> RunFilm:
    """Key frames from the class maps of a run of a film.

    Raises:
        UsageError: it is no run, has no masks, or no film, or several of which none is chosen.
        CorpusError: the film is gone.
    """
    run_dir = pipeline.existing_run(run)
    run_dir.settle()
    corpus, directory = load_corpus(run_dir.path("corpus")), run_dir.path("masks")
    films: dict[str, list[tuple[FrameInfo, Image]]] = {}
    for image in corpus.images:
        if image.moment is not None:
            films.setdefault(image.moment.video, []).append((image.moment, image))
    name = _chosen(films, video, run)
    path = corpus.root / name
    if not path.is_file():
        raise CorpusError(f"{path}, the film of {run}, is gone; put it back")
    legend = open_legend(run_dir, masks.load_header(directory)["classes"])
    index = {entry["id"]: entry for entry in masks.load_index(directory)}
    chosen = [(m, i) for m, i in films[name] if m.index >= start and (stop is None or m.index < stop)]
    if not chosen:
        raise UsageError(f"{named('frames', f'{start} {stop}')}: {run} has no class map of these frames")
    read: dict[int, Callable[[], Mask]] = {
        moment.index: partial(_read_run_mask, directory, index[image.id], legend) for moment, image in chosen
    }
    stamp = [legend.fingerprint, run_dir.expected("masks"), name, list(read)]
    return RunFilm(path, KeyFrames(read, legend, files.digest(stamp), tuple(range(legend.classes))))


def _chosen(films: Mapping[str, object], video: str | None, run: Path) -> str:
    if not films:
        raise UsageError(f"{run} is a run of photographs; propagate carries the classes of a run of a film")
    if video is None and len(films) > 1:
        raise UsageError(f"{run} has {len(films)} films; choose one, such as {named('run_video', next(iter(films)))}")
    fits = [name for name in films if video in (None, name, Path(name).name)]
    if len(fits) != 1:
        raise UsageError(f"{named('run_video', video)}: the films of {run} are {', '.join(list(films)[:5])}")
    return fits[0]


def _read_run_mask(directory: Path, entry: Mapping[str, object], legend: Legend) -> Mask:
    return legend.read(masks.read_part(directory, entry))


def check_size(mask: Mask, size: Size, number: int) -> None:
    """See that a mask fits its frame.

    Raises:
        UsageError: it has another size.
    """
    if mask.shape != (size.height, size.width):
        raise UsageError(
            f"the mask of frame {number} has {mask.shape[1]} x {mask.shape[0]} pixels, the frame {size.width} x "
            f"{size.height} (width x height, as displayed); draw it on a frame at its own size"
        )
