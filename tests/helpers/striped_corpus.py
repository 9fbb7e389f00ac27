"""A photograph and a mosaic of plain stripes, whose stored features say the color of every patch.

Stripes end where patches do, so that an interpolated code is most like its own color at every pixel: maps are exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image as Pillow

from segpipe.base.geometry import Box, Size, windows
from segpipe.images.headers import inspect
from segpipe.images.mosaics import probe_mosaic
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.features import FeatureHeader
from segpipe.store.features import CropFeatures, FeatureWriter, create_features
from tests.helpers.digests import sha256_of

COLORS = np.array([(230, 30, 30), (30, 220, 40), (40, 60, 240), (240, 220, 30)], np.uint8)
SIDE, PATCH = 64, 8
"""Crops of 64 x 64 pixels are 8 x 8 patches, neither scaled nor padded."""
PHOTO, MOSAIC = 0, 1
"""Places in the corpus."""


@dataclass(frozen=True)
class Striped:
    """Where it lies, and what it shows."""

    corpus: Corpus
    features: Path
    truth: Mapping[int, np.ndarray]
    """Class 0 to 3 of every pixel (H, W) of an image."""
    valid: Mapping[int, np.ndarray]
    """Which of its pixels hold image."""


def plant(root: Path) -> Striped:
    """Write images and features, those of mirrored crops too.

    The photograph has vertical stripes and a hole at its top left; the mosaic has horizontal stripes and no image in
    its quarter at the bottom right.
    """
    (root / "images").mkdir(parents=True)
    columns, rows = np.repeat([2, 0, 1, 3], (32, 16, 24, 24)), np.repeat([3, 1, 2, 0], (24, 40, 32, 32))
    truth = {PHOTO: np.tile(columns, (64, 1)), MOSAIC: np.tile(rows[:, None], (1, 128))}
    valid = {index: np.ones(classes.shape, bool) for index, classes in truth.items()}
    valid[PHOTO][:16, :16] = False
    valid[MOSAIC][64:, 64:] = False
    images = [_write_photo(root, truth[PHOTO], valid[PHOTO]), _write_mosaic(root, truth[MOSAIC], valid[MOSAIC])]
    crops = tuple(Crop(i, box) for i, image in enumerate(images) for box in windows(image.size, side=64, overlap=0.5))
    corpus = Corpus(root / "images", tuple(images), crops, corpus_dir=root / "corpus")
    striped = Striped(corpus, root / "features", truth, valid)
    _write_features(striped)
    return striped


def _write_photo(root: Path, classes: np.ndarray, valid: np.ndarray) -> Image:
    path = root / "images" / "photo.png"
    Pillow.fromarray(np.dstack([COLORS[classes], 255 * valid.astype(np.uint8)])).save(path)
    return Image("photo", path.name, Size(*classes.shape), "uint8", sha256_of(path), path.stat().st_size)


def _write_mosaic(root: Path, classes: np.ndarray, valid: np.ndarray) -> Image:
    path, size = root / "images" / "mosaic.tif", Size(*classes.shape)
    profile = {"driver": "GTiff", "count": 4, "dtype": "uint8", "photometric": "rgb", "alpha": "yes"}
    place = {"crs": "EPSG:32755", "transform": rasterio.Affine(0.01, 0, 4e5, 0, -0.01, 8e6)}
    with rasterio.open(path, "w", height=size.height, width=size.width, **profile, **place) as file:
        file.write(np.dstack([COLORS[classes], 255 * valid.astype(np.uint8)]).transpose(2, 0, 1))
    image = Image("mosaic", path.name, size, "uint8", sha256_of(path), path.stat().st_size, mosaic=True)
    picture = root / "corpus" / "valid" / "mosaic.tif"
    picture.parent.mkdir(parents=True)
    probe_mosaic(path, inspect(path), picture)
    return image


def _write_features(striped: Striped) -> None:
    header = FeatureHeader("stripes", "token", (0,), SIDE, PATCH, len(COLORS), "mean", flipped=True)
    grids = [header.grid(crop.box.size) for crop in striped.corpus.crops]
    create_features(striped.features, header, np.array([(grid.rows, grid.cols) for grid in grids]))
    writer = FeatureWriter(striped.features)
    for span in writer.pending():
        writer.write(span, [_describe(striped, striped.corpus.crops[row]) for row in span])


def _describe(striped: Striped, crop: Crop) -> CropFeatures:
    """The class in the middle of every patch as a unit vector."""
    box = crop.box
    rows, cols = (np.arange(first + PATCH // 2, last, PATCH) for first, last in _ends(box))
    places = np.ix_(rows, cols)
    patches = np.eye(len(COLORS))[striped.truth[crop.image][places]]
    return CropFeatures(patches, patches.mean(axis=(0, 1)), striped.valid[crop.image][places], patches[:, ::-1])


def _ends(box: Box) -> tuple[tuple[int, int], tuple[int, int]]:
    return (box.top, box.bottom), (box.left, box.right)
