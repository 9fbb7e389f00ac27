"""The masks of a run: one index PNG per image, of a mosaic one per tile; a header, and pixel counts.

    masks/<id>.png     8-bit palette PNG, value = class, 255 = no data; 16-bit gray beyond 255 classes, 65535 = no data
    masks/<id>.tiles/<top>_<left>.png  the same of a square of a mosaic whose first pixel is in that row and column
    masks/index.jsonl  one line per image: id, file, height, width, tile (side, of a mosaic), pixels (class -> count),
                       nodata (count); with refine.certainty margin (class -> mean), entropy (mean), both 0 to 1
    masks/header.json  format, classes, nodata and how the masks were made

Ids are paths, so masks lie in the sub-folders of their images. The ending `.tiles` keeps the tiles of `a.tif` apart
from the masks of images in a folder `a`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from segpipe.base import checksums, files
from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, Size, tiles
from segpipe.base.shortage import raise_shortage
from segpipe.base.shown import quoted, shorten
from segpipe.records.legend import Legend
from segpipe.records.palette import class_colors, nodata

_FORMAT = 1
_MOST_CLASSES = 65535
_DIGITS = 5  # of a class
_MOST = 2**53  # pixels

Mask = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def mask_path(directory: Path, image_id: str) -> Path:
    """Where the mask of an image lies under `masks/`.

    Raises:
        UsageError: the id would leave the directory.
    """
    return files.inside(directory, f"{image_id}.png")


def tile_path(directory: Path, image_id: str, tile: Box) -> Path:
    """Where a tile of a mosaic's mask lies under `masks/`.

    Raises:
        UsageError: the id would leave the directory.
    """
    return files.inside(directory, f"{image_id}.tiles/{tile.top}_{tile.left}.png")


def write_mask(path: Path, mask: Mask, *, classes: int, colors: npt.NDArray[np.uint8] | None = None) -> None:
    """Write a class map as an index PNG, atomically.

    Up to 255 classes the palette holds the classes' colors, so any viewer shows them; no data is black and
    transparent. Beyond, PNG knows no palette and the values are 16-bit gray.

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
        MachineError: its bytes changed on disk.
    """
    checksums.check_file(path)
    try:
        with PngImageFile(path) as picture:  # not Image.open, which refuses large pictures
            if picture.mode not in ("P", "L", "I;16"):
                raise UsageError(f"{path} is a {picture.mode} picture, not a mask; masks are index PNGs")
            return np.array(picture)
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist; make the masks with `segpipe refine`") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise_shortage(path, error)
        raise UsageError(f"{path} cannot be read as a mask ({error}); delete masks/ and refine again") from error


def read_part(directory: Path, entry: Mapping[str, Any], box: Box | None = None) -> Mask:
    """The mask of an image, or of a box of it: (h, w) uint8 or uint16, value = class.

    Args:
        directory: `masks/` of the run.
        entry: the image's line of the index.
        box: which pixels; all where None. Of a mosaic only the tiles that it meets are opened, one by one.

    Raises:
        UsageError: a file is missing, damaged, no index PNG or of a wrong size.
    """
    size = Size(entry["height"], entry["width"])
    box = box or Box(0, 0, size.height, size.width)
    if "tile" not in entry:
        mask = read_mask(mask_path(directory, entry["id"]))
        _check_shape(mask, size, mask_path(directory, entry["id"]))
        return mask[box.slices]
    found: Mask | None = None
    for tile in tiles(size, entry["tile"], box):
        path = tile_path(directory, entry["id"], tile)
        mask, both = read_mask(path), tile.common(box)
        _check_shape(mask, tile.size, path)
        found = np.empty((box.height, box.width), mask.dtype) if found is None else found
        found[both.within(box).slices] = mask[both.within(tile).slices]
    assert found is not None
    return found


def mask_names(entry: Mapping[str, Any]) -> list[str]:
    """The files of an image's mask, from the directory, by the image's line of the index."""
    if "tile" not in entry:
        return [f"{entry['id']}.png"]
    size = Size(entry["height"], entry["width"])
    return [f"{entry['id']}.tiles/{tile.top}_{tile.left}.png" for tile in tiles(size, entry["tile"])]


def read_reduced(directory: Path, entry: Mapping[str, Any], size: Size) -> Mask:
    """A mask scaled down to `size`; every value is that of the pixel at its place. One tile is held at a time.

    Raises:
        UsageError: as `read_part`.
    """
    y, x = (
        ((np.arange(out) + 0.5) * length / out).astype(np.int64)
        for out, length in ((size.height, entry["height"]), (size.width, entry["width"]))
    )
    whole = Size(entry["height"], entry["width"])
    found: Mask | None = None
    for tile in tiles(whole, entry.get("tile", max(whole.height, whole.width))):
        rows, cols = np.searchsorted(y, (tile.top, tile.bottom)), np.searchsorted(x, (tile.left, tile.right))
        mask = read_part(directory, entry, tile)
        found = np.empty((size.height, size.width), mask.dtype) if found is None else found
        picked = np.ix_(y[slice(*rows)] - tile.top, x[slice(*cols)] - tile.left)
        found[slice(*rows), slice(*cols)] = mask[picked]
    assert found is not None
    return found


def _check_shape(mask: Mask, size: Size, path: Path) -> None:
    if mask.shape != (size.height, size.width):
        raise UsageError(f"{path} does not have its image's size; run `segpipe refine`")


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


def join_tiles(size: Size, tile: int, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A mosaic's line of the index.

    Args:
        size: of the mosaic.
        tile: side of its tiles.
        entries: what `describe_mask` says of each of them.
    """
    pixels = Counter[str]()
    for entry in entries:
        pixels.update(entry["pixels"])
    return {
        "id": entries[0]["id"],
        "file": f"{entries[0]['id']}.tiles",
        "height": size.height,
        "width": size.width,
        "tile": tile,
        "pixels": {k: pixels[k] for k in sorted(pixels, key=int)},
        "nodata": sum(entry["nodata"] for entry in entries),
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
    """The lines of an index by the classes of a legend; pixels of clusters that are left out count as no data.

    `seen` is how many pixels have a cluster, left out or not.
    """
    lines = []
    for entry in index:
        found, left_out = np.zeros(legend.classes, np.int64), 0
        for name, count in entry["pixels"].items():
            place = legend.classes_of[int(name)]
            found[place] += count if place >= 0 else 0
            left_out += 0 if place >= 0 else count
        pixels = {str(k): int(found[k]) for k in np.flatnonzero(found)}
        kept = {key: value for key, value in entry.items() if key != "margin"}  # which is of clusters
        seen = int(found.sum()) + left_out
        lines.append({**kept, "pixels": pixels, "nodata": entry["nodata"] + left_out, "seen": seen})
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
    return list(_read(lambda path: [_checked(row) for row in files.read_jsonl(path)], directory / "index.jsonl"))


def _checked(row: dict[str, Any]) -> dict[str, Any]:
    """A line of the index, if what all readers look at is of its type."""
    counts = [row["height"], row["width"], row["nodata"], *row["pixels"].values(), row.get("tile", 1)]
    names = all(name.isdecimal() and len(name) <= _DIGITS for name in row["pixels"])
    texts = isinstance(row["id"], str) and isinstance(row["file"], str)
    if not (names and texts and all(type(count) is int and 0 <= count < _MOST for count in counts)):
        raise ValueError(f"the line of {quoted(row['id'])} holds values of other types")
    return row


def save_header(directory: Path, header: Mapping[str, Any]) -> None:
    """Write `header.json`; `format`, `classes` and `nodata` belong in it."""
    files.write_json(directory / "header.json", {"format": _FORMAT, **header})


def has_header(directory: Path) -> bool:
    """Whether `save_header` wrote one here."""
    return (directory / "header.json").exists()


def load_header(directory: Path) -> dict[str, Any]:
    """Read `header.json`.

    Raises:
        UsageError: it is missing, damaged or of another format.
    """
    path = directory / "header.json"
    header: dict[str, Any] = _read(files.read_json, path)
    if header.get("format") != _FORMAT:
        raise UsageError(
            f"{path} has format {quoted(header.get('format'))}, expected {_FORMAT}; run `segpipe refine` again"
        )
    if not (type(header.get("classes")) is int and 0 < header["classes"] <= _MOST_CLASSES):
        raise UsageError(
            f"{path} is damaged (classes is {quoted(header.get('classes'))}); make it with `segpipe refine`"
        )
    return header


def _read(reader: Any, path: Path) -> Any:
    try:
        return reader(path)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise_shortage(path, error)
        raise UsageError(
            f"{path} is missing or damaged ({shorten(str(error), 120)}); make it with `segpipe refine`"
        ) from error
