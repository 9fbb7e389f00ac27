"""Peak memory of each stage at several corpus sizes: it must not grow with the number of images.

Usage: python tools/memory.py [N ...]        default 500 5000; no weights needed
       python tools/memory.py video [N ...]  `segpipe attend` on videos of so many frames, default 1000 10000
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from segpipe.base.geometry import Size
from segpipe.data.synthetic import reef_scene
from segpipe.data.video import VideoReader, write_video

STAGES = ("extract", "mine", "train", "cluster", "refine")
SETTINGS = (
    "extract.backbone=classical",
    "extract.size=112",
    "train.steps=500",
    "cluster.k=5",
    "cluster.patches=100000",
    "refine.crf_iterations=3",
)


def write_images(folder: Path, count: int) -> None:
    """`count` different JPEG photographs of one size: twenty scenes, each with fresh noise every time it is used."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    scenes = [reef_scene(rng, Size(120, 160))[0].astype(np.int16) for _ in range(20)]
    for i in range(count):
        noisy = scenes[i % 20] + rng.integers(-12, 13, scenes[0].shape, dtype=np.int16)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{i:05}.jpg", quality=90)


def peak(arguments: list[str]) -> tuple[float, float]:
    """Seconds, and MiB of the largest process (the stage's own or one of its workers) while a command runs."""
    start = time.monotonic()
    process = os.posix_spawn(sys.executable, [sys.executable, "-m", "segpipe", *arguments, "-q"], dict(os.environ))
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"segpipe {' '.join(arguments)} ended with status {status}")
    return time.monotonic() - start, usage.ru_maxrss / 1024


def write_film(path: Path, count: int) -> None:
    """`count` small frames, each a shifted scene."""
    scene = reef_scene(np.random.default_rng(0), Size(72, 96))[0]
    with write_video(path, fps=25) as append:
        for i in range(count):
            append(np.roll(scene, i, axis=1))


def measure_video(counts: list[int]) -> None:
    """Print a Markdown table of `segpipe attend` on videos, with the random weights of a small ViT."""
    import timm
    from safetensors.torch import save_file

    print("| video to video | frames written | peak memory |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = folder / "weights.safetensors"
        save_file(timm.create_model("vit_tiny_patch16_224", num_classes=0).state_dict(), weights)
        for count in counts:
            write_film(folder / "in.mp4", count)
            out = folder / "out.webm"
            backbone = ["--backbone", "vit_tiny_patch16_224", "--weights", str(weights), "--size", "64"]
            seconds, mebibytes = peak(["attend", str(folder / "in.mp4"), str(out), *backbone])
            print(f"| {count} frames | {len(VideoReader(out))} | {mebibytes:.0f} MiB ({seconds:.0f} s) |", flush=True)


def measure(counts: list[int]) -> dict[str, list[tuple[float, float]]]:
    """Seconds and peak MiB of each stage at each number of images."""
    found: dict[str, list[tuple[float, float]]] = {stage: [] for stage in STAGES}
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_images(folder / "images", count)
            sets = [part for text in SETTINGS for part in ("--set", text)]
            index = [sys.executable, "-m", "segpipe", "index", str(folder / "images"), str(folder / "run"), "-q", *sets]
            subprocess.run(index, check=True)
            for stage in STAGES:
                found[stage].append(peak([stage, str(folder / "run")]))
    return found


def main() -> None:
    """Print a Markdown table."""
    if sys.argv[1:2] == ["video"]:
        measure_video([int(text) for text in sys.argv[2:]] or [1000, 10000])
        return
    counts = [int(text) for text in sys.argv[1:]] or [500, 5000]
    found = measure(counts)
    print("| stage | " + " | ".join(f"{count} images" for count in counts) + " |")
    print("|---|" + "---|" * len(counts))
    for stage, pairs in found.items():
        cells = [f"{mebibytes:.0f} MiB ({seconds:.0f} s)" for seconds, mebibytes in pairs]
        print(f"| {stage} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
