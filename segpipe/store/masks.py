"""The masks of a run: one index PNG per image, a header, and pixel counts.

    masks/<id>.png     8-bit palette PNG, value = class, 255 = no data; 16-bit grey beyond 255 classes, 65535 = no data
    masks/index.jsonl  one line per image: id, file, height, width, pixels (class -> count), nodata (count);
                       with refine.certainty margin (class -> mean), entropy (mean), both 0 to 1
    masks/header.json  format, classes, nodata and how the masks were made

Ids are paths, so masks lie in the sub-folders of their images.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.records.labels import class_colors, nodata
from segpipe.records.legend import Legend

_FORMAT = 1

Mask = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def mask_path(directory: Path, image_id: str) -> Path:
    """Where the mask of an image lies under `masks/`.

    Raises:
        UsageError: the id would leave the directory.
    """
    return files.inside(directory, f"{image_id}.png")


def write_mask(path: Path, mask: Mask, *, classes: int, colors: npt.NDArray[np.uint8] | None = None) -> None:
    """Write a class map as an index PNG, atomically.

    Up to 255 classes the palette holds the classes' colours, so any viewer shows them; no data is black and
    transparent. Beyond, PNG knows no palette and the values are 16-bit grey.

    Args:
        path: the file; folders are made.
        mask: (H, W) classes 0 to `classes` - 1, or `nodata(classes)`.
        classes: how many classes there are.
        colors: (classes, 3) RGB of the palette, if not those of `class_colors`.

    Raises:
        ValueError: the mask is not (H, W) or holds another value.
    """
    empty = nodata(classes)
    if mask.ndim != 2 or ((mask >= classes) & (mask != empty)).any():
        raise ValueError(f"a mask must be (H, W) with classes below {classes} or {empty}, got {mask.shape}")
    options: dict[str, Any] = {}
    if empty == 255:
        picture = Image.fromarray(np.ascontiguousarray(mask, np.uint8))
        palette = np.zeros((256, 3), np.uint8)
        palette[:classes] = class_colors(classes) if colors is None else colors
        picture.putpalette(palette.tobytes())
        if (mask == empty).any():
            options["transparency"] = empty
    else:
        picture = Image.fromarray(np.ascontiguousarray(mask, np.uint16))
    with files.atomic(path) as beside:
        picture.save(beside, "PNG", **options)


def read_mask(path: Path) -> Mask:
    """Read an index PNG: (H, W) uint8 or uint16, value = class.

    Raises:
        UsageError: the file is missing, damaged or no index PNG.
    """
    try:
        with PngImageFile(path) as picture:  # not Image.open, which refuses large pictures
            if picture.mode not in ("P", "L", "I;16"):
                raise UsageError(f"{path} is a {picture.mode} picture, not a mask; masks are index PNGs")
            return np.array(picture)
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist; make the masks with `segpipe refine`") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as a mask ({error}); delete masks/ and refine again") from error


def describe_mask(image_id: str, mask: Mask, *, classes: int) -> dict[str, Any]:
    """A mask's line of the index: its id, file, height, width, pixels per class present, pixels without data."""
    counts = np.bincount(mask.ravel(), minlength=nodata(classes) + 1)
    present = np.flatnonzero(counts[:classes])
    return {
        "id": image_id,
        "file": f"{image_id}.png",
        "height": mask.shape[0],
        "width": mask.shape[1],
        "pixels": {str(k): int(counts[k]) for k in present},
        "nodata": int(counts[nodata(classes)]),
    }


def count_pixels(index: Iterable[Mapping[str, Any]], *, classes: int) -> tuple[npt.NDArray[np.int64], ...]:
    """Sum an index up: pixels per class and images per class, both (classes,)."""
    pixels, images = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    for entry in index:
        for name, count in entry["pixels"].items():
            pixels[int(name)] += count
            images[int(name)] += 1
    return pixels, images


def by_class(index: Iterable[Mapping[str, Any]], legend: Legend) -> list[dict[str, Any]]:
    """The lines of an index by the classes of a legend; pixels of clusters that are left out count as no data."""
    lines = []
    for entry in index:
        found, left_out = np.zeros(legend.classes, np.int64), 0
        for name, count in entry["pixels"].items():
            place = legend.classes_of[int(name)]
            found[place] += count if place >= 0 else 0
            left_out += 0 if place >= 0 else count
        pixels = {str(k): int(found[k]) for k in np.flatnonzero(found)}
        kept = {key: value for key, value in entry.items() if key != "margin"}  # which is of clusters
        lines.append({**kept, "pixels": pixels, "nodata": entry["nodata"] + left_out})
    return lines


def count_classes(index: Iterable[Mapping[str, Any]], legend: Legend) -> tuple[npt.NDArray[np.int64], ...]:
    """Sum an index up by the classes of a legend: pixels per class and images per class, both (classes,)."""
    return count_pixels(by_class(index, legend), classes=legend.classes)


def save_index(directory: Path, index: Iterable[Mapping[str, Any]]) -> None:
    """Write `index.jsonl`, lines as `describe_mask` makes them."""
    files.write_jsonl(directory / "index.jsonl", index)


def load_index(directory: Path) -> list[dict[str, Any]]:
    """Read `index.jsonl`.

    Raises:
        UsageError: it is missing or damaged.
    """
    return list(_read(files.read_jsonl, directory / "index.jsonl"))


def save_header(directory: Path, header: Mapping[str, Any]) -> None:
    """Write `header.json`; `format`, `classes` and `nodata` belong in it."""
    files.write_json(directory / "header.json", {"format": _FORMAT, **header})


def load_header(directory: Path) -> dict[str, Any]:
    """Read `header.json`.

    Raises:
        UsageError: it is missing, damaged or of another format.
    """
    path = directory / "header.json"
    header = dict(_read(lambda file: json.loads(files.read_text(file)), path))
    if header.get("format") != _FORMAT:
        raise UsageError(f"{path} has format {header.get('format')}, expected {_FORMAT}; run `segpipe refine` again")
    return header


def _read(reader: Any, path: Path) -> Any:
    try:
        return reader(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is missing or damaged ({error}); make it with `segpipe refine`") from error
