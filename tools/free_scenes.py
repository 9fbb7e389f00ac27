"""Scenes by rule from pictures with free licences: crops of photographs, every second one with stamps pasted in.

Usage: python tools/free_scenes.py OUT --photographs FOLDER ... --stamps FOLDER ... [--count 900] [--seed 0]

Photographs are JPEG and PNG files without regard to their transparency, stamps PNG files that have one, both of at
least 200 pixels. OUT gets JPEG files of 320 x 240. An embedded backbone was tried on such scenes (howto/pretrain.md).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 320, 240
LEAST, LARGEST = 200, {"RGB": 1600, "RGBA": 400}


def pictures(folders: list[Path], endings: tuple[str, ...], mode: str) -> Iterator[Image.Image]:
    """Those of some folders that can be read, made smaller."""
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in endings):
        try:
            with Image.open(path) as opened:
                picture = opened.convert(mode)
        except OSError as error:
            print(f"skipped {path}: {error}")
            continue
        if max(picture.size) >= LEAST:
            picture.thumbnail((LARGEST[mode], LARGEST[mode]))
            yield picture


def crop(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A part of the scene's shape, of at least a quarter of what fits."""
    width = int(min(picture.width, picture.height * WIDTH / HEIGHT) * rng.uniform(0.25, 1))
    height = int(width * HEIGHT / WIDTH)
    x, y = rng.integers(picture.width - width + 1), rng.integers(picture.height - height + 1)
    return picture.crop((int(x), int(y), int(x) + width, int(y) + height)).resize((WIDTH, HEIGHT))


def paste(scene: Image.Image, stamp: Image.Image, rng: np.random.Generator) -> None:
    """Put a stamp somewhere, at some size; it may reach over the border."""
    share = rng.uniform(0.2, 0.9)
    small = stamp.resize((max(8, int(stamp.width * share)), max(8, int(stamp.height * share))))
    x = rng.integers(-(small.width // 3), max(1, WIDTH - small.width // 2))
    y = rng.integers(-(small.height // 3), max(1, HEIGHT - small.height // 2))
    scene.paste(small, (int(x), int(y)), small)


def main() -> None:
    """Draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--photographs", type=Path, nargs="+", required=True)
    parser.add_argument("--stamps", type=Path, nargs="+", required=True)
    parser.add_argument("--count", type=int, default=900)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    photographs = list(pictures(options.photographs, (".jpg", ".jpeg", ".png"), "RGB"))
    stamps = list(pictures(options.stamps, (".png",), "RGBA"))
    if not photographs or not stamps:
        raise SystemExit(f"{len(photographs)} photographs and {len(stamps)} stamps: both are needed")
    options.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(options.seed)
    for number in range(options.count):
        scene = crop(photographs[rng.integers(len(photographs))], rng)
        for _ in range(int(rng.integers(1, 6)) if number % 2 else 0):
            paste(scene, stamps[rng.integers(len(stamps))], rng)
        scene.save(options.out / f"{number:04d}.jpg", quality=92)
    print(f"{options.count} scenes of {len(photographs)} photographs and {len(stamps)} stamps")


if __name__ == "__main__":
    main()
