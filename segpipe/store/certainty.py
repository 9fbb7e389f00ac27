"""How sure masks are, to files and back: 8-bit gray PNGs beside the masks.

    masks/certainty/margin/<id>.png   probability of the best class minus that of the second, 0 to 1 as 0 to 255
    masks/certainty/entropy/<id>.png  entropy divided by log(classes), 0 to 1 as 0 to 255
    masks/certainty/.../<id>.tiles/<top>_<left>.png  the same of a square of a mosaic

Pixels without data are 0 in both; the mask tells which they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from segpipe.base import checksums, files
from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box
from segpipe.base.shortage import raise_shortage
from segpipe.records.legend import Legend
from segpipe.store.masks import mask_names

FOLDER = "certainty"
KINDS = ("margin", "entropy")

Map = npt.NDArray[np.uint8]


def certainty_path(directory: Path, kind: str, image_id: str, tile: Box | None = None) -> Path:
    """Where a map, or the tile of a mosaic's map, lies under `masks/`.

    Raises:
        UsageError: the id would leave the directory.
    """
    name = f"{image_id}.png" if tile is None else f"{image_id}.tiles/{tile.top}_{tile.left}.png"
    return files.inside(directory / FOLDER / kind, name)


def certainty_names(entry: Mapping[str, Any]) -> list[str]:
    """The files of an image's maps, from `masks/`, by the image's line of the index."""
    return [f"{FOLDER}/{kind}/{name}" for kind in KINDS for name in mask_names(entry)]


def write_certainty(path: Path, values: Map) -> None:
    """Write a map (H, W) uint8, atomically."""
    with files.atomic(path) as beside:
        Image.fromarray(values).save(beside, "PNG")


def read_certainty(path: Path) -> Map:
    """Read a map: (H, W) uint8.

    Raises:
        UsageError: the file is missing or damaged.
        MachineError: its bytes changed on disk.
    """
    checksums.check_file(path)
    try:
        with PngImageFile(path) as picture:
            return np.array(picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise_shortage(path, error)
        raise UsageError(
            f"{path} is missing or damaged; `segpipe refine` makes it with --set refine.certainty=true"
        ) from error


def describe_certainty(mask: npt.NDArray[np.integer], margin: Map, entropy: Map, *, classes: int) -> dict[str, Any]:
    """What a mask's line of the index says of it: mean margin per class present, mean entropy; 0 to 1."""
    held = mask < classes
    counts = np.bincount(mask[held], minlength=classes)
    sums = np.bincount(mask[held], weights=margin[held], minlength=classes)
    return {
        "margin": {str(k): round(float(sums[k] / counts[k] / 255), 6) for k in np.flatnonzero(counts)},
        "entropy": round(float(entropy[held].mean() / 255), 6) if held.any() else None,
    }


def join_certainty(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `describe_certainty` would say of a mosaic, from what it says of its tiles; `pixels` belong in each."""
    pixels, margin, entropy = Counter[str](), Counter[str](), 0.0
    for entry in entries:
        pixels.update(entry["pixels"])
        for name, mean in entry["margin"].items():
            margin[name] += mean * entry["pixels"][name]
        entropy += (entry["entropy"] or 0) * sum(entry["pixels"].values())
    total = pixels.total()
    return {
        "margin": {k: round(margin[k] / pixels[k], 6) for k in sorted(pixels, key=int)},
        "entropy": round(entropy / total, 6) if total else None,
    }


def has_certainty(index: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the masks of an index came with their certainty."""
    return bool(index) and all("margin" in entry for entry in index)


def sum_certainty(
    index: Sequence[Mapping[str, Any]], legend: Legend
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """An index that `has_certainty` by the classes of a legend.

    Returns:
        (classes,) mean margin, NaN for a class without pixels; (images,) mean entropy, NaN for an image without a
        class; (images, classes) sum over the pixels of each class of 1 - margin.
    """
    doubt, pixels = (np.zeros((len(index), legend.classes)) for _ in range(2))
    for i, entry in enumerate(index):
        for name, mean in entry["margin"].items():
            place = legend.classes_of[int(name)]
            if place >= 0:
                doubt[i, place] += (1 - mean) * entry["pixels"][name]
                pixels[i, place] += entry["pixels"][name]
    total = pixels.sum(axis=0)
    margin = 1 - np.divide(doubt.sum(axis=0), total, out=np.full(legend.classes, np.nan), where=total > 0)
    entropy = np.array([np.nan if entry["entropy"] is None else entry["entropy"] for entry in index], np.float64)
    return margin, np.where(pixels.any(axis=1), entropy, np.nan), doubt
