"""Does `segpipe change` call a change where nothing but the light changed? The whole command on drawn reefs.

Usage: python tools/light_trial.py [REPEATS] [--weights FILE] [--harmonize] [--photographs 12] [--less-water]
       default 100 repetitions

Twelve photographs of a reef, and twelve others of the same reef in dimmer and bluer light; four classes of the first
date are given to the second. Features are those of a ViT-Ti/16 with the weights given, or without a network. Prints how
often any class is called more or less, and what else was said of them. With --less-water something did change: of the
second date are those photographs of four times as many that show least water, and what is called is no false alarm.
"""

import argparse
import logging
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

import segpipe
from segpipe.base.geometry import Size
from segpipe.ops.drawing.reef import CLASSES, reef_scene

SIZE, WATER = Size(160, 240), CLASSES.index("water")
DIMMER = np.array([0.65, 0.75, 0.85])  # of red, green and blue
QUICK: dict[str, object] = {
    "extract.input_size": 160,
    "train.method": "pca",
    "cluster.k": 4,
    "refine.crf": False,
    "runtime.workers": 1,
}


def photograph(folder: Path, seed: int, light: np.ndarray, count: int, *, of: int) -> tuple[Path, float]:
    """Photographs of a date, those with least water of `of`; the folder, and their share of water."""
    folder.mkdir()
    scenes = [reef_scene(rng, SIZE) for rng in np.random.default_rng(seed).spawn(of)]
    water = [float((labels == WATER).mean()) for _, labels in scenes]
    chosen = np.argsort(water)[:count] if of > count else range(count)
    for i, k in enumerate(chosen):
        Image.fromarray(np.clip(scenes[k][0] * light + 6, 0, 255).astype(np.uint8)).save(folder / f"{i:02}.png")
    return folder, float(np.mean([water[k] for k in chosen]))


def verdicts(seed: int, settings: dict[str, object], given: argparse.Namespace) -> tuple[list[str], float]:
    """What is said of each class over all; and by how much the water differs."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        count, of = given.photographs, (4 if given.less_water else 1) * given.photographs
        first, before = photograph(place / "first", 2 * seed, np.ones(3), count, of=count)
        second, after = photograph(place / "second", 2 * seed + 1, DIMMER, count, of=of)
        segpipe.run(first, place / "run", settings=settings, stop="refine")
        more = {"harmonize": given.harmonize, "n_resamples": 400, "workers": 1}
        rows = segpipe.change(place / "run", second, place / "out", **more)
        return [row["verdict"] for row in rows if row["site"] == "all"], after - before


def main() -> None:
    """Repeat, and print."""
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser()
    parser.add_argument("repeats", type=int, nargs="?", default=100)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--harmonize", action="store_true")
    parser.add_argument("--photographs", type=int, default=12)
    parser.add_argument("--less-water", action="store_true")
    given = parser.parse_args()
    network = {"extract.backbone": "vit_tiny_patch16_224", "extract.weights": given.weights}
    settings = {**QUICK, **(network if given.weights else {"extract.backbone": "classical"})}
    called, said, moved = 0, Counter[str](), []
    for seed in range(given.repeats):
        found, water = verdicts(seed, settings, given)
        called += bool({"more", "less"} & {*found})
        said.update(found)
        moved.append(100 * water)
        true = f"water by {np.mean(moved):+.1f} points, {min(moved):+.1f} to {max(moved):+.1f}"
        print(f"{called} of {seed + 1} called a change ({true}); of classes: {dict(said)}", flush=True)


if __name__ == "__main__":
    main()
