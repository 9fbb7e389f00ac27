"""Masks as pictures: index PNGs, colors, overlays; and the table of classes beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from segpipe.base import files
from segpipe.base.csv_files import csv_text
from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Box
from segpipe.images.corpus_reader import read_original, read_reduced
from segpipe.plots.legend_picture import legend_png
from segpipe.plots.overlay import colorize, overlay
from segpipe.records.corpus import Image
from segpipe.records.palette import hex_colors
from segpipe.stages.export.formats import geotiff as rasters
from segpipe.stages.export.formats.source import Source
from segpipe.store import masks

_JPEG_LIMIT = 65500  # longest side of a JPEG, pixels
_MOSAIC_SIDE = 4096  # of a mosaic's overlay


def export_png(source: Source, out: Path) -> int:
    """Index PNGs, value = class: `png/<id>.png`."""
    legend = source.legend

    def write(image: Image, path: Path) -> None:
        if image.mosaic:
            with rasters.map_file(source, image, path.parent) as large:
                rasters.copy(large, path, image.size, driver="PNG")
        else:
            masks.write_mask(path, source.mask(image), classes=legend.classes, colors=legend.colors)

    return source.each(write, out / "png", ".png")


def export_color(source: Source, out: Path) -> int:
    """RGB PNGs in the classes' colors, no data black: `color/<id>.png`."""
    legend = source.legend

    def write(image: Image, path: Path) -> None:
        def paint(box: Box | None = None) -> npt.NDArray[np.uint8]:
            return colorize(source.mask(image, box), legend.colors, legend.nodata)

        if image.mosaic:
            parts = ((box, paint(box)) for box in source.pieces(image))
            with rasters.large_file(path.parent, image.size, parts, count=3) as large:
                rasters.copy(large, path, image.size, driver="PNG")
        else:
            Pillow.fromarray(paint()).save(path, "PNG")

    return source.each(write, out / "color", ".png")


def export_overlay(source: Source, out: Path) -> int:
    """JPEGs of the images under their classes' colors, borders drawn: `overlay/<id>.jpg`. Mosaics are scaled down.

    `legend.png` says which color is which class.
    """

    def write(image: Image, path: Path) -> None:
        picture = draw_overlay(source, image, most=_JPEG_LIMIT)
        Pillow.fromarray(picture).save(path, "JPEG", quality=92, subsampling=0)

    files.write_bytes(out / "legend.png", draw_legend(source))
    return source.each(write, out / "overlay", ".jpg") + 1


def draw_legend(source: Source) -> bytes:
    """A PNG of the classes' colors and names, those that some image shows, the largest first."""
    names, legend = source.legend.names, source.legend
    pixels, _ = masks.count_classes(source.index, legend)
    shown = [(names[k], tuple(legend.colors[k] / 255)) for k in np.argsort(-pixels, kind="stable") if pixels[k]]
    return legend_png(shown)


def draw_overlay(source: Source, image: Image, *, most: int) -> npt.NDArray[np.uint8]:
    """An image under its classes' colors (h, w, 3), a mosaic scaled down; pixels are left out above `most` a side.

    Raises:
        CorpusError: the image is gone or has changed, or its mask has another size.
    """
    if image.mosaic:
        size = image.size.fit(_MOSAIC_SIDE)
        rgb, mask = read_reduced(source.corpus, image, size), source.reduced(image, size)
    else:
        rgb, mask = read_original(source.corpus, image).rgb, source.mask(image)
    if mask.shape != rgb.shape[:2]:
        raise CorpusError(f"the mask of {image.id} is {mask.shape}, the image {rgb.shape[:2]}; refine again")
    step = -(-max(mask.shape) // most)  # 1 but for pictures that the file cannot hold
    return overlay(rgb[::step, ::step], mask[::step, ::step], source.legend.colors, opacity=source.settings.opacity)


def export_classes(source: Source, out: Path) -> int:
    """The class table: `classes.csv` with name, color, pixels, share of pixels with a class, images, clusters."""
    legend = source.legend
    pixels, images = masks.count_classes(source.index, legend)
    rows = [
        [k, legend.names[k], color, pixels[k], f"{pixels[k] / max(1, pixels.sum()):.6f}", images[k], _listed(clusters)]
        for k, (color, clusters) in enumerate(zip(hex_colors(legend.colors), legend.clusters_of, strict=True))
    ]
    header = ["class", "name", "color", "pixels", "share", "images", "clusters"]
    files.write_text(out / "classes.csv", csv_text(header, rows))
    return 1


def _listed(clusters: Sequence[int]) -> str:
    """Numbers in one cell of a table.

    >>> _listed([2, 5])
    '2 5'
    """
    return " ".join(map(str, clusters))
