"""Does `segpipe change` call a change where nothing but the light changed? The whole command on drawn reefs.

Usage: python tools/light_trial.py [REPEATS] [--weights FILE] [--harmonize]   default 100

Twelve photographs of a reef, and twelve others of the same reef in dimmer and bluer light; four classes of the first
date are given to the second. Features are those of a ViT-Ti/16 with the weights given, or without a network. Prints how
often any class is called more or less, and what else was said of them.
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
from segpipe.commands.demo.synthetic import reef_scene

PHOTOGRAPHS, SIZE = 12, Size(160, 240)
DIMMER = np.array([0.65, 0.75, 0.85])  # of red, green and blue
QUICK: dict[str, object] = {
    "extract.input_size": 160,
    "train.method": "pca",
    "cluster.k": 4,
    "refine.crf": False,
    "runtime.workers": 1,
}


def photograph(folder: Path, seed: int, light: np.ndarray) -> Path:
    """Photographs of a date."""
    folder.mkdir()
    for i, rng in enumerate(np.random.default_rng(seed).spawn(PHOTOGRAPHS)):
        rgb, _ = reef_scene(rng, SIZE)
        Image.fromarray(np.clip(rgb * light + 6, 0, 255).astype(np.uint8)).save(folder / f"{i:02}.png")
    return folder


def verdicts(seed: int, settings: dict[str, object], *, harmonize: bool) -> list[str]:
    """What is said of each class over all."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        first = photograph(place / "first", 2 * seed, np.ones(3))
        second = photograph(place / "second", 2 * seed + 1, DIMMER)
        segpipe.run(first, place / "run", settings=settings, stop="refine")
        rows = segpipe.change(place / "run", second, place / "out", harmonize=harmonize, n_resamples=400, workers=1)
        return [row["verdict"] for row in rows if row["site"] == "all"]


def main() -> None:
    """Repeat, and print."""
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser()
    parser.add_argument("repeats", type=int, nargs="?", default=100)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--harmonize", action="store_true")
    given = parser.parse_args()
    network = {"extract.backbone": "vit_tiny_patch16_224", "extract.weights": given.weights}
    settings = {**QUICK, **(network if given.weights else {"extract.backbone": "classical"})}
    alarms, said = 0, Counter[str]()
    for seed in range(given.repeats):
        found = verdicts(seed, settings, harmonize=given.harmonize)
        alarms += bool({"more", "less"} & {*found})
        said.update(found)
        print(f"{alarms} of {seed + 1} repetitions called a change; of classes: {dict(said)}", flush=True)


if __name__ == "__main__":
    main()
