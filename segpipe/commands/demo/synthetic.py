"""Synthetic corpus: a few drawn reefs with exact labels, for the demonstration and the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Size
from segpipe.ops.drawing.reef import CLASSES, reef_scene

__all__ = ["CLASSES", "reef_scene", "write_class_names", "write_label_map", "write_reef_corpus"]

_SIZES = ((240, 320), (320, 240), (216, 384), (256, 256), (300, 400), (240, 320))
_NAMES = ("reef {:02d}", "jardín {:02d}", "bay/reef_{:02d}", "reef_{:02d}", "reef_{:02d}", "reef_{:02d}")


def write_reef_corpus(folder: Path, *, images: int, seed: int) -> None:
    """Write a corpus of drawn reefs: `images/`, exact labels for all of them in `labels/`, and `classes.txt`.

    Sizes, shapes, sub-folders and names are mixed on purpose, the second image is a JPEG stored lying on its side with
    an EXIF orientation, the fourth a PNG. Labels are index PNGs under the images' relative stems, as displayed.

    Raises:
        UsageError: `images` is less than 1.
    """
    if images < 1:
        raise UsageError(f"images={images}: a reef corpus has at least one image")
    for i, rng in enumerate(np.random.default_rng(seed).spawn(images)):
        rgb, labels = reef_scene(rng, Size(*_SIZES[i % len(_SIZES)]))
        name = _NAMES[i % len(_NAMES)].format(i)
        photo = folder / "images" / name
        photo.parent.mkdir(parents=True, exist_ok=True)
        write_label_map(folder / "labels" / f"{name}.png", labels)
        if i % 12 == 3:
            Image.fromarray(rgb).save(photo.with_name(f"{photo.name}.png"))
            continue
        exif = Image.Exif()
        if i % 12 == 1:
            exif[274] = 6  # displayed after a quarter turn clockwise, so stored a quarter turn back
            rgb = np.rot90(rgb)
        target = photo.with_name(f"{photo.name}.jpg")
        Image.fromarray(np.ascontiguousarray(rgb)).save(target, quality=92, exif=exif)
    write_class_names(folder, CLASSES)


def write_label_map(path: Path, labels: npt.NDArray[np.uint8]) -> None:
    """Write labels (H, W) as an index PNG; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(path)


def write_class_names(folder: Path, classes: Sequence[str]) -> None:
    """Write `classes.txt`, a name a line in the order of the index."""
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in classes), "utf-8")
