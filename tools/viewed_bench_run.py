"""A large finished run for `bench_view.py`, written through the stores without running any stage.

Photographs and masks of a few drawn patterns are linked under many names, so that 5,000 images take little disk. The
mosaic is one GeoTIFF in blocks, with or without overviews.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import Resampling
from rasterio.transform import from_origin
from rasterio.windows import Window

from segpipe import pipeline
from segpipe.base import files
from segpipe.base.config import build
from segpipe.base.geometry import Box, Size, tiles, windows
from segpipe.images.headers import inspect
from segpipe.images.mosaics import probe_mosaic
from segpipe.nn.head import describe_head, linear_head
from segpipe.ops.clustering.linkage import average_linkage, cut
from segpipe.records.clusters import ClusterModel, ClusterTree
from segpipe.records.corpus import Corpus, Crop, Image, valid_path
from segpipe.records.features import FeatureHeader
from segpipe.records.geo import Geo
from segpipe.records.manifest import StageRecord
from segpipe.store import masks
from segpipe.store.checkpoints import save_tensors
from segpipe.store.clusters import save_clusters, save_tree
from segpipe.store.corpus import save_corpus
from segpipe.store.features import CropFeatures, FeatureWriter, create_features
from segpipe.store.run_dir import RunDir

CLUSTERS, LEAVES, KINDS = 12, 100, 20
DIM, CODES = 64, 32
PATCH, SIDE = 16, 448
PHOTOGRAPH, MASK_TILE = Size(2000, 3000), 2048

Rgb = npt.NDArray[np.uint8]


def make_bench_run(folder: Path, *, images: int, mosaic: int, overviews: bool) -> RunDir:
    """A run in `folder/run` of so many photographs and, where `mosaic` is above 0, one of that many pixels a side."""
    home = folder / "images"
    home.mkdir(parents=True)
    run_dir = pipeline.open_run(folder / "run")
    run_dir.claim()
    pipeline.save_settings(run_dir, build(pipeline.SECTIONS, []))
    rng = np.random.default_rng(0)
    kinds = [draw_kind(rng, PHOTOGRAPH) for _ in range(min(KINDS, images))]
    found = [_photograph(home, i, kinds[i % KINDS][1], len(kinds)) for i in range(images)]
    if mosaic:
        found.append(_mosaic(home, rng, Size(mosaic, mosaic), overviews))
    with run_dir.writing("corpus") as out:
        corpus = _corpus(home, found, out)
        save_corpus(corpus, [], out)
    _record(run_dir, "index", images=len(found))
    tree, model = _clusters(rng)
    _features(run_dir, corpus, tree, rng)
    _record(run_dir, "extract", backbone="drawn")
    with run_dir.writing("head") as out:
        head = linear_head(np.eye(CODES, DIM), np.zeros(DIM))
        save_tensors(out / "head.safetensors", head.state_dict(), describe_head(head))
    _record(run_dir, "train", method="pca")
    with run_dir.writing("clusters") as out:
        save_tree(tree, out / "tree.npz")
        save_clusters(model, out / "clusters.npz")
    _record(run_dir, "cluster", method="tree", k=CLUSTERS)
    _masks(run_dir, corpus, [mask for mask, _ in kinds], rng)
    _record(run_dir, "refine", classes=CLUSTERS)
    return run_dir


def draw_kind(rng: np.random.Generator, size: Size) -> tuple[npt.NDArray[np.uint8], Rgb]:
    """A mask of smooth regions and a photograph of them, with texture."""
    coarse = rng.normal(size=(CLUSTERS, 9, 13)).astype(np.float32)
    best = np.full((size.height, size.width), -np.inf, np.float32)
    mask = np.zeros(best.shape, np.uint8)
    for k, field in enumerate(coarse):
        drawn = cv2.resize(field, (size.width, size.height), interpolation=cv2.INTER_CUBIC)
        mask[drawn > best] = k
        np.maximum(best, drawn, out=best)
    colors = rng.integers(40, 200, (CLUSTERS, 3))
    grain = cv2.resize(
        rng.normal(0, 18, (size.height // 2, size.width // 2)).astype(np.float32), (size.width, size.height)
    )
    return mask, np.clip(colors[mask] + grain[..., None], 0, 255).astype(np.uint8)


def _photograph(home: Path, number: int, rgb: Rgb, kinds: int) -> Image:
    name = f"site{number % 25:02}/image_{number:05}"
    path = home / f"{name}.jpg"
    path.parent.mkdir(exist_ok=True)
    if number < kinds:
        path.write_bytes(cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
    else:
        first = number % kinds
        os.link(home / f"site{first % 25:02}/image_{first:05}.jpg", path)
    return Image(name, f"{name}.jpg", PHOTOGRAPH, "uint8", files.sha256(path), path.stat().st_size)


def _mosaic(home: Path, rng: np.random.Generator, size: Size, overviews: bool) -> Image:
    path = home / "mosaic.tif"
    transform = from_origin(300_000, 8_000_000, 0.002, 0.002)
    options = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "bigtiff": "if_safer"}
    block = draw_kind(rng, Size(4096, 4096))[1]
    with rasterio.open(
        path, "w", driver="GTiff", height=size.height, width=size.width, count=3, dtype="uint8", crs="EPSG:32754",
        transform=transform, photometric="rgb", **options,
    ) as out:  # fmt: skip
        for box in tiles(size, 4096):
            part = np.moveaxis(block[: box.height, : box.width], -1, 0)
            out.write(part, window=Window(box.left, box.top, box.width, box.height))
            block = np.ascontiguousarray(np.roll(block, 777, 1)[::-1])
        crs = out.crs.to_wkt()
    if overviews:
        with rasterio.open(path, "r+") as out:
            out.build_overviews([2, 4, 8, 16, 32, 64], Resampling.average)
    a, b, c, d, e, f = tuple(transform)[:6]
    return Image("mosaic", "mosaic.tif", size, "uint8", files.sha256(path), path.stat().st_size,
                 geo=Geo(crs, (a, b, c, d, e, f)), mosaic=True)  # fmt: skip


def _corpus(home: Path, images: list[Image], out: Path) -> Corpus:
    crops = list[Crop]()
    for number, image in enumerate(images):
        boxes = [Box(0, 0, image.size.height, image.size.width)]
        if image.mosaic:
            boxes = windows(image.size, side=1024, overlap=0.25)
            probe_mosaic(home / image.path, inspect(home / image.path), valid_path(out, image.id))
        crops += [Crop(number, box) for box in boxes]
    return Corpus(home, tuple(images), tuple(crops), corpus_dir=out)


def _clusters(rng: np.random.Generator) -> tuple[ClusterTree, ClusterModel]:
    centers = _unit(rng.normal(size=(LEAVES, CODES)))
    sizes = rng.integers(100, 10_000, LEAVES)
    merges = average_linkage(centers * 0.9, sizes)
    pool = _unit(rng.normal(size=(2000, CODES))).astype(np.float16)
    tree = ClusterTree(
        centers, sizes, merges, 0.5, (0.5,), pool, pool, np.zeros(len(pool), np.int32), np.arange(500),
        np.arange(500, 1000), 1000, int(sizes.sum()), "bench",
    )  # fmt: skip
    return tree, ClusterModel(centers, 0.5, members=cut(merges, CLUSTERS).astype(np.int64), smooth=0.5)


def _unit(rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _features(run_dir: RunDir, corpus: Corpus, tree: ClusterTree, rng: np.random.Generator) -> None:
    header = FeatureHeader("drawn", "token", (11,), SIDE, PATCH, DIM, "mean", False)
    grids = [header.grid(crop.box.size) for crop in corpus.crops]
    directions = np.pad(tree.centers, ((0, 0), (0, DIM - CODES)))
    with run_dir.writing("features") as out:
        create_features(out, header, np.array([(grid.rows, grid.cols) for grid in grids]))
        writer = FeatureWriter(out)
        for rows in writer.pending():
            items = []
            for row in rows:
                rough = rng.integers(LEAVES, size=(-(-grids[row].rows // 5), -(-grids[row].cols // 5)))
                leaf = rough.repeat(5, 0).repeat(5, 1)[: grids[row].rows, : grids[row].cols]
                patches = directions[leaf] + rng.normal(0, 0.05, (*leaf.shape, DIM)).astype(np.float32)
                items.append(CropFeatures(patches, patches.mean((0, 1)), np.ones(leaf.shape, bool)))
            writer.write(rows, items)


def _masks(run_dir: RunDir, corpus: Corpus, kinds: list[npt.NDArray[np.uint8]], rng: np.random.Generator) -> None:
    index = list[dict[str, Any]]()
    with run_dir.writing("masks") as out:
        for number, image in enumerate(corpus.images):
            if image.mosaic:
                entries = []
                for tile in tiles(image.size, MASK_TILE):
                    part = np.ascontiguousarray(
                        draw_kind(rng, Size(MASK_TILE, MASK_TILE))[0][: tile.height, : tile.width]
                    )
                    masks.write_mask(masks.tile_path(out, image.id, tile), part, classes=CLUSTERS)
                    entries.append(masks.describe_mask(image.id, part, classes=CLUSTERS))
                index.append(masks.join_tiles(image.size, MASK_TILE, entries))
                continue
            path, kind = masks.mask_path(out, image.id), kinds[number % len(kinds)]
            if number < len(kinds):
                masks.write_mask(path, kind, classes=CLUSTERS)
                index.append(masks.describe_mask(image.id, kind, classes=CLUSTERS))
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                os.link(masks.mask_path(out, corpus.images[number % len(kinds)].id), path)
                index.append({**index[number % len(kinds)], "id": image.id, "file": f"{image.id}.png"})
        masks.save_index(out, index)
        masks.save_header(out, {"classes": CLUSTERS, "nodata": 255, "side": SIDE, "sharpness": 1.0, "flip": False})


def _record(run_dir: RunDir, stage: str, **summary: Any) -> None:
    from segpipe.base import checksums

    artefact = pipeline.BY_NAME[stage].ARTEFACT
    record = StageRecord(
        key="bench", artefact="bench", parts={"settings": {}, "inputs": {}}, summary=summary, seconds=1.0,
        checksum=checksums.checksum(run_dir.root / artefact), finished="2026-01-02T03:04:05+00:00", versions={},
        machine={},
    )  # fmt: skip
    run_dir.record(stage, record)
