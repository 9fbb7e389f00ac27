"""Does `segpipe change` hold the changed area on real ground? The whole command on pieces of drone mosaics.

Usage: python -m tools.drone_trial FOLDER [--weights FILE]

From the top of the checkout; FOLDER holds two GeoTIFFs at least, of 3600 x 2500 pixels or more. Pieces of 1400 x 1000
are the first date; at the second, squares of another mosaic are pasted in, on 0 to 15 of 100 pixels or a few more, all
lies 7.3 rows and -4.6 columns off, and the exposure is another one. Eight classes, no labels: what changed is known
because it was pasted. Features are those of a ViT-Ti/16 with the weights given, or without a network.
"""

import argparse
import json
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.windows import Window

import segpipe
from tests.helpers.drawn_ground import moved

SHIFT, WIDTH, HEIGHT, DONOR = (7.3, -4.6), 1400, 1000, (700, 700)
QUICK: dict[str, object] = {
    "extract.input_size": 224,
    "index.window": 224,
    "train.method": "pca",
    "cluster.k": 8,
    "runtime.workers": 1,
}


@dataclass(frozen=True)
class Piece:
    """Of which mosaic, where, and what is done to it."""

    mosaic: int
    left: int
    top: int
    share: float
    gain: float


PIECES = (
    Piece(0, 600, 500, 0.0, 0.75),
    Piece(1, 1200, 900, 0.0, 0.75),
    Piece(1, 300, 300, 0.06, 0.75),
    Piece(0, 2200, 1500, 0.10, 1.2),
    Piece(1, 2000, 1200, 0.15, 0.75),
)

Rgb = npt.NDArray[np.uint8]


def cut(path: Path, left: int, top: int) -> tuple[Rgb, dict[str, object]]:
    """A piece of a mosaic, and where it lies."""
    with rasterio.open(path) as file:
        window = Window(left, top, WIDTH, HEIGHT)
        pixels = np.moveaxis(file.read([1, 2, 3], window=window), 0, -1).copy()
        return pixels, {"crs": file.crs, "transform": file.window_transform(window)}


def pasted(first: Rgb, donor: Rgb, share: float, rng: np.random.Generator) -> tuple[Rgb, float]:
    """The piece with squares of another one, until so much of it is, and how much that is."""
    after, mask = first.copy(), np.zeros(first.shape[:2], np.bool_)
    while mask.mean() < share:
        side = int(rng.integers(90, 200))
        top, left = int(rng.integers(0, HEIGHT - side)), int(rng.integers(0, WIDTH - side))
        row, col = int(rng.integers(0, HEIGHT - side)), int(rng.integers(0, WIDTH - side))
        after[top : top + side, left : left + side] = donor[row : row + side, col : col + side]
        mask[top : top + side, left : left + side] = True
    return after, float(mask.mean())


def compare(paths: list[Path], number: int, settings: dict[str, object]) -> tuple[float, dict[str, float], float]:
    """The true changed share, what is said of it, and by how many pixels the shift is wrong."""
    piece = PIECES[number]
    first, place = cut(paths[piece.mosaic], piece.left, piece.top)
    donor, _ = cut(paths[1 - piece.mosaic], *DONOR)
    after, truth = pasted(first, donor, piece.share, np.random.default_rng(number))
    second = np.clip(moved(after, *SHIFT) * piece.gain + 8, 0, 255).astype(np.uint8)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        for date, picture in (("a", first), ("b", second)):
            profile = {"driver": "GTiff", "width": WIDTH, "height": HEIGHT, "count": 3, "dtype": "uint8", "tiled": True}
            with rasterio.open(home / f"{date}.tif", "w", **profile, **place) as file:
                file.write(np.moveaxis(picture, -1, 0))
        segpipe.run(home / "a.tif", home / "run", settings=settings, stop="refine")
        segpipe.change(home / "run", home / "b.tif", home / "out", workers=1)
        facts = json.loads((home / "out" / "change.json").read_text())
    (ground,) = facts["grounds"]
    away = np.hypot(ground["shift"]["rows"] - SHIFT[0], ground["shift"]["cols"] - SHIFT[1])
    return truth, facts["changed"], float(away)


def main() -> None:
    """All pieces."""
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path)
    given = parser.parse_args()
    network = {"extract.backbone": "vit_tiny_patch16_224", "extract.weights": given.weights}
    settings = {**QUICK, **(network if given.weights else {"extract.backbone": "classical"})}
    paths = sorted(given.folder.glob("*.tif"))[:2]
    for number in range(len(PIECES)):
        truth, changed, away = compare(paths, number, settings)
        held = "held" if changed["low"] <= truth <= changed["high"] else "MISSED"
        print(
            f"{number} shift wrong by {away:.2f}; true {truth:6.1%}, said {changed['share']:6.1%} "
            f"({changed['low']:.1%} to {changed['high']:.1%}) {held}",
            flush=True,
        )


if __name__ == "__main__":
    main()
