"""A run of a single mosaic, as far as its tiles need it: corpus and masks, made without running any stage."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import rasterio
from rasterio.enums import Resampling

from segpipe import pipeline
from segpipe.base.config import build
from segpipe.base.geometry import Box, Size, tiles, windows
from segpipe.images.headers import inspect
from segpipe.images.mosaics import probe_mosaic
from segpipe.records.corpus import Corpus, Crop, Image, valid_path
from segpipe.store import certainty, masks
from segpipe.store.corpus import save_corpus
from tests.helpers.digests import sha256_of

SIZE, MASK_TILE, CLASSES = Size(3000, 4400), 1024, 300
"""More classes than 8 bits hold."""


def make_mosaic_run(folder: Path, *, overviews: bool) -> tuple[Path, np.ndarray, np.ndarray]:
    """The run, the picture (H, W, 3) and the mask (H, W) uint16."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
    rgb = np.asarray(cv2.resize(coarse, (SIZE.width, SIZE.height), interpolation=cv2.INTER_CUBIC))
    mask = rng.integers(0, CLASSES, (60, 88)).astype(np.uint16).repeat(50, 0).repeat(50, 1)
    mask[:70, :90] = 65535
    path = folder / "images" / "m.tif"
    path.parent.mkdir(parents=True)
    with rasterio.open(
        path, "w", driver="GTiff", height=SIZE.height, width=SIZE.width, count=3, dtype="uint8", tiled=True,
        blockxsize=256, blockysize=256, compress="deflate", transform=rasterio.Affine(0.1, 0, 0, 0, -0.1, 0),
        photometric="rgb",
    ) as out:  # fmt: skip
        out.write(np.moveaxis(rgb, -1, 0))
    if overviews:
        with rasterio.open(path, "r+") as out:
            out.build_overviews([2, 4, 8, 16], Resampling.average)
    run_dir = pipeline.open_run(folder / "run")
    run_dir.claim()
    pipeline.save_settings(run_dir, build(pipeline.SECTIONS, []))
    image = Image("m", "m.tif", SIZE, "uint8", sha256_of(path), path.stat().st_size, mosaic=True)
    with run_dir.writing("corpus") as out_dir:
        probe_mosaic(path, inspect(path), valid_path(out_dir, "m"))
        boxes = windows(SIZE, side=1000, overlap=0.2)
        save_corpus(Corpus(path.parent, (image,), tuple(Crop(0, box) for box in boxes)), [], out_dir)
    with run_dir.writing("masks") as out_dir:
        entries = []
        for tile in tiles(SIZE, MASK_TILE):
            part = np.ascontiguousarray(mask[tile.slices])
            masks.write_mask(masks.tile_path(out_dir, "m", tile), part, classes=CLASSES)
            margin = margin_of(tile)
            certainty.write_certainty(certainty.certainty_path(out_dir, "margin", "m", tile), margin)
            entries.append({**masks.describe_mask("m", part, classes=CLASSES),
                            **certainty.describe_certainty(part, margin, margin, classes=CLASSES)})  # fmt: skip
        joined = masks.join_tiles(SIZE, MASK_TILE, entries)
        masks.save_index(out_dir, [{**joined, **certainty.join_certainty(entries)}])
        masks.save_header(out_dir, {"classes": CLASSES, "nodata": 65535})
    return run_dir.root, rgb, mask


def margin_of(tile: Box) -> np.ndarray:
    """The margin of a tile: a ramp over the columns of the mosaic."""
    row = (np.arange(tile.left, tile.right) * 255 // SIZE.width).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(row, (tile.height, tile.width)))
