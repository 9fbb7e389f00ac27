"""Synthetic corpus: a few drawn reefs with exact labels, for the demonstration and the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Size
from segpipe.commands.demo.reef import CLASSES, reef_scene

__all__ = ["CLASSES", "reef_scene", "write_reef_corpus"]

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
        photo, label = folder / "images" / name, folder / "labels" / f"{name}.png"
        for path in (photo, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels).save(label)
        if i % 12 == 3:
            Image.fromarray(rgb).save(photo.with_name(f"{photo.name}.png"))
            continue
        exif = Image.Exif()
        if i % 12 == 1:
            exif[274] = 6  # displayed after a quarter turn clockwise, so stored a quarter turn back
            rgb = np.rot90(rgb)
        target = photo.with_name(f"{photo.name}.jpg")
        Image.fromarray(np.ascontiguousarray(rgb)).save(target, quality=92, exif=exif)
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES), "utf-8")
