"""Peak memory and time of `segpipe change` on two mosaics of the same ground: it must not grow with their size.

Usage: PYTHONPATH=. python tools/change_memory.py [SIDE ...] [--weights FILE] [--folder FOLDER] [--set KEY=VALUE ...]

From the top of the checkout; SIDE: pixels along the sides of both GeoTIFFs, multiples of 2,000, default 4000 20000.
Squares of drawn ground are laid side by side, at the second date with three tenths of the coral turned into algae, 7.3
rows and -4.6 columns off, darker and of other contrast. The first mosaic is run through to its masks, then the whole
command compares both: it segments the second, aligns it, counts transitions, writes map and polygons, and looks at
ground that did not change. Features are those of a ViT-Ti/16 with the weights given, or without a network; no CRF.
Memory is that of all processes of a command together. What FOLDER holds already is not made again.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.windows import Window

from memory import peak_sum
from segpipe.base.geometry import Box, Size, tiles
from tests.helpers.drawn_ground import ground_map, moved, photographed, turned

CELL, CELLS, PATCH, AROUND = 2000, 6, 300, 16
SHIFT, GAIN, OFFSET, SHARE = (7.3, -4.6), 0.75, 12, 0.3
SETTINGS = (
    "index.crops=windows",
    "index.window=896",
    "extract.input_size=224",
    "train.method=pca",
    "cluster.k=4",
    "refine.crf=false",
)

Rgb = npt.NDArray[np.uint8]


class Mosaics:
    """Squares of ground at two dates, and which of them lies where in a mosaic."""

    def __init__(self, side: int) -> None:
        rng = np.random.default_rng(0)
        before = [ground_map(rng, CELL, CELL, patch=PATCH) for _ in range(CELLS)]
        after = [turned(labels, SHARE, rng) for labels in before]
        self.dates = [
            [photographed(labels, np.random.default_rng((1, k))) for k, labels in enumerate(maps)]
            for maps in (before, after)
        ]
        self.places = rng.integers(0, CELLS, (side // CELL, side // CELL))
        parts = np.array([(a != b).mean() for a, b in zip(before, after, strict=True)])
        self.changed = float(parts[self.places].mean())

    def picture(self, date: int, box: Box) -> Rgb:
        """A box of the mosaic of a date, before any shift."""
        found = np.zeros((box.height, box.width, 3), np.uint8)
        for row, col in np.ndindex(self.places.shape):
            square = Box(row * CELL, col * CELL, CELL, CELL)
            if box.meets(square):
                part = box.common(square)
                found[part.within(box).slices] = self.dates[date][self.places[row, col]][part.within(square).slices]
        return found

    def second(self, box: Box, size: Size) -> Rgb:
        """A box of the mosaic of the second date, where it lies and as light it is."""
        around = box.grown(AROUND, size)
        there = moved(self.picture(1, around), *SHIFT)[box.within(around).slices]
        return np.asarray(np.clip(np.rint(there * GAIN + OFFSET), 0, 255), np.uint8)


def draw(folder: Path, side: int) -> None:
    """Both mosaics, and the changed share."""
    mosaics, size = Mosaics(side), Size(side, side)
    for date in (0, 1):
        path = folder / "ab"[date] / "mosaic.tif"
        path.parent.mkdir(parents=True)
        with rasterio.open(
            path, "w", driver="GTiff", height=side, width=side, count=3, dtype="uint8", tiled=True, blockxsize=512,
            blockysize=512, compress="deflate", zlevel=1, photometric="rgb", crs=CRS.from_epsg(32755),
            transform=Affine(0.01, 0, 500_000, 0, -0.01, 7_800_000), bigtiff="if_safer",
        ) as file:  # fmt: skip
            for box in tiles(size, CELL // 2):
                pixels = mosaics.second(box, size) if date else mosaics.picture(0, box)
                file.write(np.moveaxis(pixels, -1, 0), window=Window(box.left, box.top, box.width, box.height))
    (folder / "changed.txt").write_text(f"{mosaics.changed}\n")


def measure(folder: Path, settings: list[str]) -> str:
    """Segment the first date, compare both, and say what it took."""
    run, out = folder / "run", folder / "out"
    sets = [part for text in settings for part in ("--set", text)]
    if not (run / "masks").exists():
        seconds, mebibytes = peak_sum(["run", str(folder / "a"), str(run), "--to", "refine", *sets])
        print(f"run: {seconds:.0f} s, {mebibytes:.0f} MiB", flush=True)
    seconds, mebibytes = peak_sum(["change", str(run), str(folder / "b"), str(out)])
    facts = json.loads((out / "change.json").read_text())
    (ground,), part, truth = facts["grounds"], facts["changed"], float((folder / "changed.txt").read_text())
    away = np.hypot(ground["shift"]["rows"] - SHIFT[0], ground["shift"]["cols"] - SHIFT[1])
    return (
        f"change: {seconds:.0f} s, {mebibytes:.0f} MiB; {ground['box']['width']} x {ground['box']['height']}; shift "
        f"wrong by {away:.2f}; true {truth:.1%}, said {part['share']:.1%} ({part['low']:.1%} to {part['high']:.1%}, "
        f"unchanged ground {part['unchanged']:.1%})"
    )


def main() -> None:
    """Draw and compare, each size by itself."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sides", type=int, nargs="*", default=[4000, 20000])
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="settings of the run")
    given = parser.parse_args()
    network = ["extract.backbone=vit_tiny_patch16_224", f"extract.weights={given.weights}"]
    settings = [*SETTINGS, *(network if given.weights else ["extract.backbone=classical"]), *given.set]
    with tempfile.TemporaryDirectory() as name:
        for side in given.sides:
            folder = (given.folder or Path(name)) / str(side)
            if not (folder / "changed.txt").exists():
                draw(folder, side)
            print(f"{side}: {measure(folder, settings)}", flush=True)


if __name__ == "__main__":
    main()
