"""Does `segpipe change` hold the changed area of the same ground? The whole command on drawn mosaics.

Usage: python -m tools.mosaic_trial [REPEATS] [--weights FILE] [--photographs]

From the top of the checkout; default 20 repeats. A mosaic of drawn ground, and another one of which a tenth to a half
of the coral has turned into algae, 7.3 rows and -4.6 columns off, darker and of other contrast; four classes of the
first are given to the second. Features are those of a ViT-Ti/16 with the weights given, or without a network. With
--photographs neither names coordinates: both are PNG files of one name, compared by `--pairs names`. Prints by how many
pixels the shift is wrong, the true changed share, the one that is said and its interval, whether it holds the truth,
and how the drift of features was.
"""

import argparse
import json
import logging
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import segpipe
from tests.helpers.drawn_ground import ground_map, moved, photographed, turned, write_raster

SHIFT, SIZE, PATCH = (7.3, -4.6), (768, 896), 130
GAIN, OFFSET = 0.75, 12
QUICK: dict[str, object] = {
    "extract.input_size": 192,
    "index.window": 192,
    "index.crops": "windows",
    "train.method": "pca",
    "cluster.k": 4,
    "runtime.workers": 1,
}


def compare(
    seed: int, settings: dict[str, object], *, photographs: bool
) -> tuple[float, float, dict[str, float], dict[str, float]]:
    """Pixels by which the shift is wrong, the true changed share, what is said of it, and of the drift."""
    rng = np.random.default_rng(seed)
    before = ground_map(rng, *SIZE, patch=PATCH)
    after = turned(before, float(rng.uniform(0.1, 0.5)), rng)
    first, second = (photographed(labels, np.random.default_rng((seed, 1))) for labels in (before, after))
    dark = np.clip(np.rint(moved(second, *SHIFT) * GAIN + OFFSET), 0, 255).astype(np.uint8)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for date, picture in (("first", first), ("second", dark)):
            if photographs:
                (place / date).mkdir()
                Image.fromarray(picture).save(place / date / "mosaic.png")
            else:
                write_raster(place / date / "mosaic.tif", picture)
        segpipe.run(place / "first", place / "run", settings=settings, stop="refine")
        pairs = "names" if photographs else None
        segpipe.change(place / "run", place / "second", place / "out", workers=1, pairs=pairs)
        facts = json.loads((place / "out" / "change.json").read_text())
    (ground,) = facts["grounds"]
    away = np.hypot(ground["shift"]["rows"] - SHIFT[0], ground["shift"]["cols"] - SHIFT[1])
    return float(away), float((before != after).mean()), facts["changed"], facts["drift"]


def main() -> None:
    """Repeat, and print."""
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser()
    parser.add_argument("repeats", type=int, nargs="?", default=20)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--photographs", action="store_true")
    given = parser.parse_args()
    network = {"extract.backbone": "vit_tiny_patch16_224", "extract.weights": given.weights}
    settings = {**QUICK, **(network if given.weights else {"extract.backbone": "classical"})}
    held, farthest = 0, 0.0
    for seed in range(given.repeats):
        away, truth, changed, drift = compare(seed, settings, photographs=given.photographs)
        inside = changed["low"] <= truth <= changed["high"]
        held, farthest = held + inside, max(farthest, away)
        said = f"{changed['share']:6.1%} ({changed['low']:.1%} to {changed['high']:.1%})"
        print(
            f"{seed:3} shift wrong by {away:.2f}; true {truth:6.1%}, said {said} {'held' if inside else 'MISSED'}; "
            f"drift {drift['size']:.2f} ({drift['noise']:.2f})",
            flush=True,
        )
    print(f"held in {held} of {given.repeats}; the shift is wrong by {farthest:.2f} pixels at most")


if __name__ == "__main__":
    main()
