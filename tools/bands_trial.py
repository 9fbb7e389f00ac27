"""Are classes found that differ in one band alone? Drawn scenes of 4 and 12 bands, with the near infrared and without.

Usage: python -m tools.bands_trial [--weights FILE] [--seeds 3]   from the top of the checkout

Rasters of 16 bits as Sentinel-2 writes them, of irregular patches of four classes, two and two of which differ in B08
alone; every scene has a light of its own. Prints the share of pixels that lie in a cluster mostly of their class, mean
and standard deviation over seeds: chance is 25, and without the near infrared 50 is all that can be told. Features are
those of a ViT-Ti/16 with the weights given, or without a network.
"""

import argparse
import logging
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

import segpipe
from segpipe.ops.drawing.shapes import noise
from segpipe.store import masks
from tests.helpers.bands import write_bands

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
OTHERS = np.linspace(0.8, 1.2, len(BANDS))
LEVELS, INFRARED = (700, 700, 1500, 1500), (900, 3600, 1500, 3900)  # of the four classes
SIDE, SCENES, CLUSTERS = 256, 12, 8
SETS = {
    "4 bands": "B02,B03,B04,B08",
    "3, without B08": "B02,B03,B04",
    "12 bands": ",".join(BANDS),
    "11, without B08": ",".join(band for band in BANDS if band != "B08"),
}
QUICK: dict[str, object] = {
    "extract.input_size": 256,
    "index.window": 256,
    "train.method": "pca",
    "cluster.k": CLUSTERS,
    "refine.crf": False,
    "runtime.workers": 1,
}

Labels = npt.NDArray[np.int64]


def draw_scenes(folder: Path, seed: int) -> list[Labels]:
    """Rasters in a folder, and the classes of each."""
    drawn = []
    for i, rng in enumerate(np.random.default_rng(seed).spawn(SCENES)):
        labels = np.argmax([noise(rng, SIDE, SIDE, 90, 1) for _ in range(4)], axis=0).astype(np.int64)
        pure = np.array(LEVELS)[labels] * OTHERS[:, None, None]
        pure[BANDS.index("B08")] = np.array(INFRARED)[labels]
        seen = pure * rng.normal(1, 0.06, pure.shape) * rng.normal(1, 0.05)
        write_bands(folder / f"{i:02}.tif", seen.clip(1, 65_535).astype(np.uint16), BANDS, meters=10)
        drawn.append(labels)
    return drawn


def found(run: Path, drawn: list[Labels]) -> float:
    """Share of pixels in a cluster mostly of their class."""
    counts = np.zeros((4, CLUSTERS))
    for i, labels in enumerate(drawn):
        np.add.at(counts, (labels, masks.read_mask(masks.mask_path(run / "masks", f"{i:02}"))), 1)
    return float(counts.max(axis=0).sum() / counts.sum())


def main() -> None:
    """Run and print."""
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    network = {"extract.backbone": "vit_tiny_patch16_224", "extract.weights": given.weights}
    settings = {**QUICK, **(network if given.weights else {"extract.backbone": "classical"})}
    shares: dict[str, list[float]] = {name: [] for name in SETS}
    for seed in range(given.seeds):
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            drawn = draw_scenes(place / "scenes", seed)
            for number, (what, bands) in enumerate(SETS.items()):
                own = {**settings, "index.bands": bands, "cluster.seed": seed}
                segpipe.run(place / "scenes", place / str(number), settings=own, stop="refine")
                shares[what].append(100 * found(place / str(number), drawn))
    for what, values in shares.items():
        print(f"{what:16} {np.mean(values):5.1f} ± {np.std(values):.1f}")


if __name__ == "__main__":
    main()
