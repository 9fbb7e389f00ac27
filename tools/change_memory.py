"""Peak memory and time of comparing two class maps of the same ground: it must not grow with the mosaics.

Usage: python tools/change_memory.py [SIDE ...]   GeoTIFFs of so many pixels squared, default 5000 20000

Both mosaics are drawn (a square of 1,000 pixels again and again, the second 7 rows and 4 columns off and darker), their
masks are written without a network: what is measured is alignment, transitions, change map and polygons.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.windows import Window

from scale import peak
from segpipe import pipeline
from segpipe.base.geometry import Size, tiles
from segpipe.base.options import make
from segpipe.base.runtime import no_track
from segpipe.commands.change.comparison import compare
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.survey import SurveyDate
from segpipe.ops.drawing.shapes import noise
from segpipe.records.legend import plain_legend
from segpipe.store import masks
from segpipe.store.corpus import load_corpus

CELL, TILE, CLASSES = 1000, 2000, 4
ROWS, COLS = 7, -4


def write_date(folder: Path, side: int, rgb: np.ndarray, labels: np.ndarray) -> None:
    """A mosaic of repeated squares, its corpus, and its masks in tiles."""
    folder.mkdir(parents=True)
    path = folder / "mosaic.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=side, width=side, count=3, dtype="uint8", tiled=True, blockxsize=512,
        blockysize=512, compress="deflate", zlevel=1, photometric="rgb", crs=CRS.from_epsg(32755), bigtiff="if_safer",
        transform=Affine(0.01, 0, 500_000, 0, -0.01, 7_800_000),
    ) as file:  # fmt: skip
        for box in tiles(Size(side, side), CELL):
            pixels = rgb[: box.height, : box.width]
            file.write(np.moveaxis(pixels, -1, 0), window=Window(box.left, box.top, box.width, box.height))
    run_dir = pipeline.open_run(folder / "run")
    pipeline.work(run_dir, pipeline.resolve(run_dir, more={"index.images": str(path)}), no_track, stop="index")
    large = np.tile(labels, (TILE // CELL, TILE // CELL))
    entries = []
    for box in tiles(Size(side, side), TILE):
        mask = large[: box.height, : box.width]
        place = masks.tile_path(run_dir.root / "masks", "mosaic", box)
        masks.write_mask(place, mask, classes=CLASSES)
        entries.append(masks.describe_mask("mosaic", mask, classes=CLASSES))
    masks.save_index(run_dir.root / "masks", [masks.join_tiles(Size(side, side), TILE, entries)])


def open_date(folder: Path) -> SurveyDate:
    """What `write_date` wrote."""
    run_dir = pipeline.open_run(folder / "run")
    index = masks.load_index(run_dir.root / "masks")
    return SurveyDate(run_dir, load_corpus(run_dir.path("corpus")), (0,), index, plain_legend(CLASSES), folder.name)


def draw(home: Path, side: int) -> None:
    """Two dates."""
    rng = np.random.default_rng(0)
    fields = np.stack([noise(rng, CELL, CELL, 80, 3) for _ in range(CLASSES)])
    before = fields.argmax(axis=0).astype(np.uint8)
    after = before.copy()
    after[200:400, 300:700] = 1
    picture = np.clip(120 + 30 * noise(rng, CELL, CELL, 4, 2)[..., None] + np.zeros(3), 0, 255)
    write_date(home / "a", side, picture.astype(np.uint8), before)
    dark = np.roll(picture * 0.7 + 10, (ROWS, COLS), axis=(0, 1)).astype(np.uint8)
    write_date(home / "b", side, dark, np.roll(after, (ROWS, COLS), axis=(0, 1)))


def measure(home: Path) -> None:
    """Compare, and print what it took."""
    started = time.monotonic()
    options = make(ChangeOptions, {"run_a": "a", "second": "b", "out": str(home / "out")})
    (home / "out").mkdir()
    found = compare((open_date(home / "a"), open_date(home / "b")), None, options, no_track, out=home / "out")
    (ground,), part = found.grounds, found.changed
    shift = ground.shift
    assert shift is not None
    assert part is not None
    print(
        f"{ground.box.width} x {ground.box.height}: {time.monotonic() - started:.0f} s, peak {peak():.0f} MB; shift "
        f"{shift.rows:+.2f} {shift.cols:+.2f}; changed {part.share:.2%} ({part.low:.2%} to {part.high:.2%})",
        flush=True,
    )


def main() -> None:
    """Draw and compare, each size in a process of its own."""
    if sys.argv[1:2] == ["measure"]:
        measure(Path(sys.argv[2]))
        return
    for side in map(int, sys.argv[1:] or ("5000", "20000")):
        with tempfile.TemporaryDirectory() as name:
            draw(Path(name), side)
            subprocess.run([sys.executable, __file__, "measure", name], check=True)


if __name__ == "__main__":
    main()
