"""A run's masks as formats are given them, without a run: images whose masks and places are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow
from rasterio.crs import CRS
from scipy.ndimage import gaussian_filter

from segpipe.base.geometry import Box, Size, tiles
from segpipe.base.runtime import Runtime
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.geo import Geo
from segpipe.records.legend import Legend
from segpipe.stages import export
from segpipe.stages.export.formats.source import Source
from segpipe.store import masks
from tests.helpers.digests import sha256_of

CLUSTERS = 5
NAMES = ("sand & <rubble>", "Acropora: branching", 'algae, "turf" ü', "background")
COLORS = np.array([[220, 200, 120], [255, 0, 0], [255, 0, 0], [0, 0, 0]], np.uint8)
LEGEND = Legend(NAMES, COLORS, np.array([0, 1, 1, 2, 3]))  # clusters 1 and 2 are one class
LEFT_OUT = Legend(NAMES[:3], COLORS[:3], np.array([0, 1, 1, 2, -1]))

UTM33, UTM34, DEGREES = (CRS.from_epsg(code).to_wkt() for code in (32633, 32634, 4326))
SITE = 'LOCAL_CS["dive site",UNIT["US survey foot",0.304800609601219],AXIS["x",EAST],AXIS["y",NORTH]]'
PLACES = {
    "north up": Geo(UTM33, (0.5, 0, 500_000, 0, -0.5, 4_000_000)),
    "south up": Geo(UTM33, (0.25, 0, 500_100, 0, 0.25, 4_000_000)),
    "rotated/ü 1": Geo(UTM34, (0.3, 0.4, 500_000, 0.4, -0.3, 4_000_000)),
    "degrees": Geo(DEGREES, (2e-6, 0, 14.0, 0, -1.5e-6, 36.0)),
    "site": Geo(SITE, (0.1, 0, 10, 0, -0.1, 20)),
    "no system": Geo("", (2.0, 0, 1, 0, -2.0, 1)),
    "photo": None,
    "photo.2": None,
    "sub dir/=3+1": None,
}
SIZES = {name: (40 + 3 * i, 61 - 2 * i) for i, name in enumerate(PLACES)} | {"sub dir/=3+1": (1, 9)}
GPS = {"photo": (-16.5, 145.25), "photo.2": (-16.6, 145.5)}


def planted_mask(seed: int, size: tuple[int, int]) -> np.ndarray:
    """Blobs of five clusters with holes, specks of one pixel, and an edge without data."""
    rng = np.random.default_rng(seed)
    fields = [gaussian_filter(rng.normal(size=size), 2.5) for _ in range(CLUSTERS)]
    mask = np.stack(fields).argmax(0).astype(np.uint8)
    specks = rng.random(size) < 0.01
    mask[specks] = rng.integers(0, CLUSTERS, specks.sum())
    mask[size[0] // 2 :, : size[1] // 6] = 255
    return mask


def plant(root: Path, *, legend: Legend = LEGEND, names: tuple[str, ...] = tuple(PLACES), **settings: Any) -> Source:
    """Write images and masks below `root`; settings are those of `export`."""
    images, index = [], []
    for seed, name in enumerate(names):
        size = SIZES[name]
        path = root / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        rgb = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        Pillow.fromarray(rgb).save(path)
        mask = planted_mask(seed, size)
        masks.write_mask(masks.mask_path(root / "masks", name), mask, classes=CLUSTERS)
        index.append(masks.describe_mask(name, mask, classes=CLUSTERS))
        plain = Image(name, f"{name}.png", Size(*size), "uint8", sha256_of(path), path.stat().st_size)
        images.append(replace(plain, geo=PLACES[name], gps=GPS.get(name)))
    crops = tuple(Crop(i, Box(0, 0, image.size.height, image.size.width)) for i, image in enumerate(images))
    return Source(
        corpus=Corpus(root / "images", tuple(images), crops),
        directory=root / "masks",
        index=index,
        legend=legend,
        settings=export.Config(**settings),
        runtime=Runtime(workers=2),
    )


def named(source: Source, name: str) -> Image:
    """An image by its id."""
    return next(image for image in source.corpus.images if image.id == name)


def with_mask(source: Source, name: str, mask: np.ndarray) -> Source:
    """The same with another mask of clusters for an image."""
    masks.write_mask(masks.mask_path(source.directory, name), mask, classes=CLUSTERS)
    own = masks.describe_mask(name, mask, classes=CLUSTERS)
    return replace(source, index=[own if entry["id"] == name else entry for entry in source.index])


def in_tiles(source: Source, name: str, side: int) -> Source:
    """The same with an image's mask cut into tiles, as that of a mosaic is."""
    image = named(source, name)
    whole = masks.mask_path(source.directory, name)
    for tile in tiles(image.size, side):
        part = masks.read_mask(whole)[tile.slices]
        masks.write_mask(masks.tile_path(source.directory, name, tile), part, classes=CLUSTERS)
    whole.unlink()
    index = [{**entry, "tile": side} if entry["id"] == name else entry for entry in source.index]
    images = tuple(replace(each, mosaic=True) if each is image else each for each in source.corpus.images)
    return replace(source, index=index, corpus=replace(source.corpus, images=images))
