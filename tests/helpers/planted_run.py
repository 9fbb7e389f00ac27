"""A run whose features hold known classes: corpus/ and features/ made without running any stage."""

from pathlib import Path

import numpy as np

from segpipe.base.geometry import Box, Size
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.features import FeatureHeader
from segpipe.stages import ARTEFACTS
from segpipe.store.corpus import save_corpus
from segpipe.store.features import CropFeatures, FeatureWriter, create_features
from segpipe.store.run_dir import RunDir

PATCH = 8


def plant(
    root: Path,
    *,
    images: int,
    classes: int = 4,
    dim: int = 16,
    noise: float = 0.3,
    crops: int = 1,
    blank: int = 0,
    constant: bool = False,
) -> tuple[RunDir, list[np.ndarray]]:
    """Landscape and portrait images of two halves, each half one class; also the class of every patch of each crop.

    Features are a large vector that all share, the class's direction, and noise. The last `blank` crops show nothing.
    """
    rng = np.random.default_rng(0)
    run_dir = RunDir(root / "run", ARTEFACTS)
    sizes = [Size(48, 64) if i % 3 else Size(64, 48) for i in range(images)]
    corpus = Corpus(
        root,
        tuple(Image(f"{i:03}", f"{i:03}.png", size, "uint8", "0" * 64, 1) for i, size in enumerate(sizes)),
        tuple(Crop(i, Box(0, 0, size.height, size.width)) for i, size in enumerate(sizes) for _ in range(crops)),
    )
    with run_dir.writing("corpus") as out:
        save_corpus(corpus, [], out)
    header = FeatureHeader("planted", "token", (-1,), round((48 * 64) ** 0.5), PATCH, dim, "mean", False)
    grids = [header.grid(crop.box.size) for crop in corpus.crops]
    directions = np.linalg.qr(rng.normal(size=(dim, classes + 1)))[0].T
    truth = []
    for row, grid in enumerate(grids):
        pair = rng.permutation(classes)[:2]
        cut = grid.cols // 2
        truth.append(np.where(np.arange(grid.cols) < cut, *pair)[None].repeat(grid.rows, 0))
        if constant:
            truth[row][:] = 0
    with run_dir.writing("features") as out:
        create_features(out, header, np.array([(grid.rows, grid.cols) for grid in grids]))
        writer = FeatureWriter(out)
        for rows in writer.pending():
            items = []
            for row in rows:
                seen = np.full(truth[row].shape, row < len(grids) - blank)
                patches = 2 * directions[-1] + directions[truth[row]]
                patches = patches + (0 if constant else noise / np.sqrt(dim)) * rng.normal(size=patches.shape)
                vector = patches.mean((0, 1)) * seen.any()
                items.append(CropFeatures(patches, vector, seen))
            writer.write(rows, items)
    return run_dir, truth
