"""Label maps: index images beside the corpus, one value per pixel. Only evaluation reads them.

A label map has the name of its image (`reef/a.png` for `reef/a.jpg`; `reef/a.jpg.png` too) and exactly its displayed
size; where both say where they lie on the earth, its pixels are those of the same ground. The stored value is the class
index; 255, or 65535 in 16-bit files, or the no-data value that a TIFF declares, means not labelled. Colors, of palettes
too, are looked at only where the file of classes gives each class one (`segpipe.labels.class_colors`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.errors
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from rasterio.windows import Window

from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Box, Size
from segpipe.base.outside import read_outside
from segpipe.base.shortage import raise_shortage
from segpipe.base.shown import quoted, uncurled
from segpipe.images.decoding import quiet, takes_too_much
from segpipe.images.id_lookup import ImageNames
from segpipe.images.rasters import GDAL_OPTIONS
from segpipe.images.single import MAX_PIXELS
from segpipe.labels.class_colors import Colors, classes_of_colors, parse_labelmap
from segpipe.labels.placement import UNLABELLED, Placement, meaning, place_labels
from segpipe.records.class_names import fold
from segpipe.records.corpus import Image

ENDINGS = (".png", ".tif", ".tiff", ".bmp")
_LARGEST = 1 << 24  # bytes of a list of class names

# the readers themselves: PIL.Image.open refuses large files, and here the size is known beforehand
READERS: dict[bytes, Callable[[BinaryIO], ImageFile]] = {
    b"\x89PNG": PngImageFile,
    b"II": TiffImageFile,
    b"MM": TiffImageFile,
    b"BM": BmpImageFile,
}
"""By the first bytes of a file."""
_INDEX_MODES = ("1", "L", "P", "I;16", "I;16B", "I")
_COLOR_MODES = ("RGB", "RGBA", "P")
_NO_INDICES = (
    "a picture of mode {mode}, not an index image; index PNGs are needed: one channel of 8 or 16 bits whose pixel "
    "values are class indices (255 or 65535 = not labelled), or a file of classes that gives each its color, "
    "name:red,green,blue a line"
)
_NO_COLORS = "the classes are given by their colors, and this label map has none; give a file of names alone"
_FEW_BITS = ("1", "P;1", "P;2", "P;4")
# Pillow spreads the values of gray files of 2 and 4 bits over 0 to 255; these factors take that back
_SPREAD = {"L;2": 85, "L;4": 17}


@dataclass(frozen=True, slots=True)
class LabelFiles:
    """Label files that belong to images, by the image's index, and the names of those that do not."""

    files: dict[int, Path]
    unmatched: tuple[str, ...]


def list_label_files(folder: Path) -> list[Path]:
    """All index images below `folder`, sorted; hidden files are left out."""
    found = [
        Path(place, name)
        for place, folders, names in os.walk(folder)
        for name in names
        if name.lower().endswith(ENDINGS) and not name.startswith(".")
    ]
    return sorted(found)


def find_label_maps(folder: Path, images: Sequence[Image]) -> LabelFiles:
    """Pair the label files below `folder` with images by name.

    Raises:
        CorpusError: there are no label files, or none belongs to an image.
        UsageError: a name fits several images, or two files label one image.
    """
    paths = list_label_files(folder)
    if not paths:
        raise CorpusError(f"{folder} holds no label images; expected index files ending in {', '.join(ENDINGS)}")
    names, files, unmatched = ImageNames(images), dict[int, Path](), list[str]()
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix()
        fits = names.find(name)
        if len(fits) > 1:
            raise UsageError(
                f"{path} fits {len(fits)} images, such as {images[fits[0]].path} and {images[fits[1]].path}; "
                "put it in the same sub-folder as its image, or keep the image's ending in its name (a.jpg.png)"
            )
        if not fits:
            unmatched.append(name)
        elif fits[0] in files:
            raise UsageError(f"{files[fits[0]]} and {path} both label {images[fits[0]].path}; keep one of them")
        else:
            files[fits[0]] = path
    if not files:
        raise CorpusError(
            f"none of the {len(paths)} label files of {folder} belongs to an image: {unmatched[0]!r} is not an id of "
            f"the corpus, ids look like {images[0].id!r}; give label files the names of their images"
        )
    return LabelFiles(files, tuple(unmatched))


def read_label_map(path: Path, image: Image, colors: Colors | None = None) -> npt.NDArray[np.int32]:
    """Read the label map of an image.

    Args:
        path: the file.
        image: whose labels it holds.
        colors: what colors mean; None: the stored values are the classes.

    Returns:
        (H, W) int32 class indices as stored, `UNLABELLED` where there is no label.

    Raises:
        UsageError: the file is no readable index image, has another size than the image, or lies elsewhere.
    """
    values, placed = _read_whole(path, image, colors)
    return placed.read(Box(0, 0, image.size.height, image.size.width), lambda box: values[box.slices])


def _read_whole(path: Path, image: Image, colors: Colors | None) -> tuple[npt.NDArray[np.int32], Placement]:
    """All labels of a file, as they lie in it."""
    stored, mode, samples, placed = _decode(path, image, in_color=colors is not None)
    if colors is not None:
        return classes_of_colors(stored.astype(np.uint8), colors, path), placed
    if samples in _SPREAD:
        return meaning(stored // _SPREAD[samples], None, placed.nodata), placed
    # with fewer than 8 bits there is no value 255 to give a meaning
    unlabelled = None if samples in _FEW_BITS else 255 if mode in ("L", "P") else 65535
    values = meaning(stored, unlabelled, placed.nodata)
    if mode == "I" and not UNLABELLED <= values.min() <= values.max() < 65535:
        raise UsageError(f"{path}: holds {values.min()} to {values.max()}; class indices go from 0 to 65534")
    return values, placed


@contextmanager
def open_label_map(
    path: Path, image: Image, colors: Colors | None = None
) -> Iterator[Callable[[Box], npt.NDArray[np.int32]]]:
    """Open the label map of an image for reading boxes of it; that of a photograph is decoded now, and held.

    Of a mosaic the stored values are read by GDAL, which needs a plain band of 8 or 16 bits (PNG or TIFF).

    Yields:
        A function from a box to its labels (h, w), as of `read_label_map`.

    Raises:
        UsageError: as `read_label_map`.
    """
    if not image.mosaic:
        labels = read_label_map(path, image, colors)
        yield lambda box: labels[box.slices]
        return
    if colors is not None:
        raise UsageError(f"{path}: labels of a mosaic are read as indices, not as colors; save them as an index TIFF")
    with ExitStack() as stack:
        try:
            stack.enter_context(rasterio.Env(**GDAL_OPTIONS))
            stack.enter_context(quiet())
            with path.open("rb") as handle:
                driver = "PNG" if handle.read(4) == b"\x89PNG" else "GTiff"
            file = stack.enter_context(rasterio.open(path, driver=driver))
        except (OSError, rasterio.errors.RasterioIOError) as error:
            raise_shortage(path, error)
            raise UsageError(f"{path}: cannot read this label image ({error}); save it again as index PNG") from error
        dtype = file.dtypes[0]
        if file.count != 1 or dtype not in ("uint8", "uint16"):
            raise UsageError(
                f"{path}: {file.count} bands of type {dtype}, not an index image; one band of uint8 or uint16 is needed"
            )
        placed = _placed(path, Size(file.height, file.width), image)
        unlabelled = 255 if dtype == "uint8" else 65535

        def stored_in(box: Box) -> npt.NDArray[np.int32]:
            try:
                stored = file.read(1, window=Window(box.left, box.top, box.width, box.height))
            except rasterio.errors.RasterioIOError as error:
                raise UsageError(f"{path}: cannot read this label image ({error}); save it again") from error
            return meaning(stored, unlabelled, placed.nodata)

        yield lambda box: placed.read(box, stored_in)


def _placed(path: Path, size: Size, image: Image) -> Placement:
    """Where the labels of a file of this size lie in their image."""
    placed = place_labels(path, image, size)
    if placed.aligned and not image.mosaic and size.height * size.width > MAX_PIXELS:
        raise UsageError(
            f"{path}: {size.width} x {size.height} pixels are more than {MAX_PIXELS // 10**6} million for "
            f"{image.path} of {image.size.width} x {image.size.height}; cut the labels to the image"
        )
    if not placed.aligned and size != image.size:
        raise UsageError(_wrong_size(path, size, image))
    return placed


def _decode(path: Path, image: Image, *, in_color: bool = False) -> tuple[npt.NDArray[np.generic], str, str, Placement]:
    """Stored values (H, W), Pillow's name of their mode, of the layout of the samples in the file, and their place.

    In color they are (H, W, 3), red, green, blue.
    """
    try:
        with quiet(), path.open("rb") as handle:
            start = handle.read(4)
            handle.seek(0)
            reader = next((reader for mark, reader in READERS.items() if start.startswith(mark)), None)
            if reader is None:
                raise UsageError(f"{path}: not a PNG, TIFF or BMP file inside; save the labels as index PNG")
            file = reader(handle)
            if file.mode not in (_COLOR_MODES if in_color else _INDEX_MODES):
                raise UsageError(f"{path}: {_NO_COLORS if in_color else _NO_INDICES.format(mode=file.mode)}")
            placed = _placed(path, Size(file.height, file.width), image)  # before memory is taken for it
            arguments = file.tile[0].args
            samples = str(arguments[0] if isinstance(arguments, tuple) else arguments)
            if samples.startswith(("L;I", "1;I")):
                raise UsageError(
                    f"{path}: stored with white as 0, so its values are ambiguous; save it with black as 0"
                )
            stored, mode = np.asarray(file.convert("RGB") if in_color else file), file.mode
    except UsageError:
        raise
    except Exception as error:  # Pillow meets damaged files with any exception there is
        greedy = takes_too_much(error)
        if greedy:
            raise UsageError(f"{path}: {greedy}; save this label again or take it away") from error
        raise_shortage(path, error)
        raise UsageError(f"{path}: cannot read this label image ({error}); save it again or take it away") from error
    if Size(*stored.shape[:2]) != placed.size:
        raise UsageError(_wrong_size(path, Size(*stored.shape[:2]), image))
    return stored, mode, samples, placed


def _wrong_size(path: Path, found: Size, image: Image) -> str:
    size = image.size
    hint = "labels are never resized"
    if (found.width, found.height) == (size.height, size.width):
        hint = "if the image's EXIF tag turns it, save the labels as the image is displayed"
    return (
        f"{path}: labels of {found.width} x {found.height} pixels for {image.path} of {size.width} x {size.height} "
        f"(width x height); {hint}"
    )


def read_classes(path: Path) -> tuple[str, ...]:
    """The class names of `read_class_file`, in index order."""
    return read_class_file(path)[0]


def read_class_file(path: Path) -> tuple[tuple[str, ...], Colors | None]:
    """Read class names, one per line in index order, or those of CVAT's `labelmap.txt` and their colors.

    Returns:
        The names, and what colors mean; None where the file holds names alone.

    Raises:
        UsageError: the file is missing, is not UTF-8, is empty, has a gap or names a class twice; a color is none, or
            stands for two classes.
    """
    text = read_outside(path, most=_LARGEST, what="list of class names", way_out="give one name per line")
    lines = text.rstrip().split("\n")
    given, colors = parse_labelmap(lines, path) or (lines, None)
    names = [uncurled(line.strip()) for line in given]
    first: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if not name:
            raise UsageError(
                f"{path}:{number}: an empty line would shift the classes below it; name class {number - 1}"
            )
        if fold(name) in first:
            line = first[fold(name)]
            alike = "was named" if names[line - 1] == name else f"was named, as {quoted(names[line - 1])},"
            raise UsageError(f"{path}:{number}: {quoted(name)} {alike} on line {line} already; names must differ")
        first[fold(name)] = number
    return tuple(names), colors
