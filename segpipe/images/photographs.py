"""Photographs of 8 bits, decoded by Pillow, the right way up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from segpipe.images.container import Container
from segpipe.images.heic import open_heic

# The classes, not Image.open: it would warn and refuse by the process-wide Image.MAX_IMAGE_PIXELS.
_PILLOW: dict[str, Callable[[BinaryIO], ImageFile]] = {
    "BMP": BmpImageFile,
    "HEIC": open_heic,
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "TIFF": TiffImageFile,
    "WEBP": WebPImageFile,
}


@contextmanager
def open_photograph(path: Path, container: Container) -> Iterator[ImageFile]:
    """Open an image with Pillow; nothing is decoded yet."""
    with path.open("rb") as handle, _PILLOW[container.kind](handle) as image:
        if container.page:
            image.seek(container.page)
        yield image


def decode(path: Path, container: Container, *, only_alpha: bool) -> Any:
    """Decode with Pillow: RGB or RGBA, or only the alpha channel (None where there is none)."""
    with open_photograph(path, container) as image:
        found, said = image.size, container.size
        if found != (said.width, said.height) and not (container.kind == "TIFF" and found == (said.height, said.width)):
            # before anything of that size is allocated
            raise ValueError(f"{found[0]} x {found[1]} pixels where its header says {said.width} x {said.height}")
        image.load()
        if image.has_transparency_data:
            rgba = image.convert("RGBA")
            return rgba.getchannel("A") if only_alpha else rgba
        return None if only_alpha else image.convert("RGB")


def read_photograph(path: Path, container: Container) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]:
    """Pixels (H, W, 3) of a photograph as displayed, and which of them hold image (H, W); None for all."""
    array = np.asarray(decode(path, container, only_alpha=False))
    if container.kind != "TIFF":  # Pillow turns TIFFs, and nothing else, by itself
        array = upright(array, container.orientation)
    valid = array[..., 3] > 0 if array.shape[2] == 4 else None
    return np.array(array[..., :3], order="C"), None if valid is None or valid.all() else valid


def upright(array: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Turn a stored array (H, W, ...) the way EXIF orientation 1 to 8 says it is displayed."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)
