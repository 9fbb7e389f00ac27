"""Sample data: a folder of photographs, an orthomosaic or a video of a drawn reef, each with its exact labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import Affine

from segpipe.base.csv_files import csv_text
from segpipe.commands.demo import seabed
from segpipe.commands.demo.swim import swim
from segpipe.commands.demo.synthetic import CLASSES, write_class_names, write_label_map, write_reef_corpus
from segpipe.images.rasters import GDAL_OPTIONS
from segpipe.images.video_writing import write_video

POINTS = 25
"""Labelled points of a photograph."""
_TRANSECTS = ("north", "middle", "south")
_GSD = 0.002
_CORNER = (565_000.0, 9_552_000.0)  # easting and northing, off the coast of Kenya
_PIXEL = 0.01
_NODATA = 255


def write_photos(folder: Path, *, count: int, seed: int) -> None:
    """Write photographs, their label maps, labelled points placed by chance, and the transect of each photograph."""
    write_reef_corpus(folder, images=count, seed=seed)
    root = folder / "images"
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    rng = np.random.default_rng([seed, count])
    rows = [[name, *point] for name in names for point in _points(rng, folder / "labels" / name)]
    (folder / "points.csv").write_text(csv_text(("image", "row", "column", "label"), rows), "utf-8", newline="")
    sites = [[name, _TRANSECTS[3 * i // len(names)], _GSD] for i, name in enumerate(names)]
    (folder / "sites.csv").write_text(csv_text(("image", "transect", "gsd"), sites), "utf-8", newline="")


def _points(rng: np.random.Generator, photo: Path) -> list[tuple[int, int, str]]:
    """Row, column and label of points of a photograph, every pixel equally likely."""
    with Image.open(photo.with_suffix(".png")) as image:
        labels = np.asarray(image)
    rows, columns = (rng.integers(length, size=POINTS) for length in labels.shape)
    return [(int(y), int(x), CLASSES[labels[y, x]]) for y, x in zip(rows, columns, strict=True)]


def write_mosaic(folder: Path, *, seed: int, side: int = 1600) -> None:
    """Write `mosaic.tif`, a survey of a seabed that fills its frame but for a collar of zeros, and its label map."""
    drawn, surveyed = np.random.default_rng(seed).spawn(2)
    rgb, labels = seabed.seabed_scene(drawn, side)
    inside, brightness = seabed.surveyed_area(surveyed, side)
    rgb = np.clip(np.rint(rgb * brightness[..., None]), 1, 255).astype(np.uint8)  # 0 is no data
    rgb[~inside], labels[~inside] = 0, _NODATA
    east, north = _CORNER
    transform = Affine(_PIXEL, 0, east, 0, -_PIXEL, north)
    with (
        rasterio.Env(**GDAL_OPTIONS),
        rasterio.open(
            folder / "mosaic.tif",
            "w",
            driver="GTiff",
            height=side,
            width=side,
            count=3,
            dtype="uint8",
            crs="EPSG:32737",
            transform=transform,
            nodata=0,
            photometric="rgb",
            interleave="pixel",
            tiled=True,
            blockxsize=256,
            blockysize=256,
            compress="deflate",
            predictor=2,
        ) as file,
    ):
        file.write(rgb.transpose(2, 0, 1))
    write_label_map(folder / "labels" / "mosaic.png", labels)
    write_class_names(folder, seabed.CLASSES)


def write_dive(folder: Path, *, seed: int, frames: int = 120) -> None:
    """Write `dive.webm`, two swims along a reef with a cut between them, and the label maps of every tenth frame.

    The frames are those of the seed; the file's bytes are not, as WebM gives every file an identity of its own.
    """
    with write_video(folder / "dive.webm", fps=10) as append:
        for i, (rgb, labels) in enumerate(swim(np.random.default_rng(seed), frames)):
            append(rgb)
            if i % 10 == 0:
                write_label_map(folder / "labels" / "dive.webm" / f"{i:06}.png", labels)
    write_class_names(folder, CLASSES)
