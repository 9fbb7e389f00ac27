"""Peak memory of each stage at several corpus sizes: it must not grow with the number of images.

Usage: python tools/memory.py [N ...]        default 500 5000; no weights needed
       python tools/memory.py video [N ...]  `index` (all frames) and `attend` on videos of N frames, default 1000 10000
       python tools/memory.py raster [SIDE ...]  a GeoTIFF of so many pixels squared, all stages, default 5000 20000
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import rasterio
from PIL import Image
from rasterio.transform import Affine
from rasterio.windows import Window

from segpipe.base.geometry import Size, tiles
from segpipe.commands.demo.synthetic import reef_scene
from segpipe.images.video import VideoReader
from segpipe.images.video_writing import write_video

STAGES = ("index", "extract", "mine", "train", "cluster", "refine", "export", "evaluate", "cover", "report")
SETTINGS = (
    "extract.backbone=classical",
    "extract.input_size=112",
    "train.steps=500",
    "cluster.k=5",
    "cluster.patches=100000",
    "refine.crf_iterations=3",
)


RASTER_STAGES = ("extract", "mine", "train", "cluster", "refine", "export")
RASTER_SETTINGS = (
    "extract.backbone=classical",
    "index.window=2688",
    "train.method=pca",
    "cluster.patches=100000",
    "refine.crf_iterations=3",
)


def write_images(folder: Path, labels: Path, count: int) -> None:
    """`count` different JPEG photographs of one size: twenty scenes, each with fresh noise every time it is used.

    And a label map of each.
    """
    folder.mkdir()
    labels.mkdir()
    rng = np.random.default_rng(0)
    scenes = [reef_scene(rng, Size(120, 160)) for _ in range(20)]
    for i in range(count):
        scene, classes = scenes[i % 20]
        noisy = scene.astype(np.int16) + rng.integers(-12, 13, scene.shape, dtype=np.int16)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{i:05}.jpg", quality=90)
        Image.fromarray(classes.astype(np.uint8)).save(labels / f"{i:05}.png")


def peak(arguments: list[str]) -> tuple[float, float]:
    """Seconds, and MiB of the largest process (the stage's own or one of its workers) while a command runs."""
    start = time.monotonic()
    command = [sys.executable, "-m", "segpipe", *arguments, "-q"]
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawn(sys.executable, command, dict(os.environ), file_actions=silent)
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
    """Print a Markdown table of `index` and `attend` on videos, the latter with the random weights of a small ViT."""
    import timm
    from safetensors.torch import save_file

    print("| command | frames | frames written | peak memory |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = folder / "weights.safetensors"
        save_file(timm.create_model("vit_tiny_patch16_224", num_classes=0).state_dict(), weights)
        for count in counts:
            write_film(folder / "in.mp4", count)
            run = folder / f"run{count}"
            seconds, mebibytes = peak(["index", str(folder / "in.mp4"), str(run), "--set", "index.frame_step=1"])
            kept = len(list((run / "corpus" / "frames").rglob("*.png")))
            print(f"| index | {count} | {kept} | {mebibytes:.0f} MiB ({seconds:.0f} s) |", flush=True)
            out = folder / "out.webm"
            backbone = ["--backbone", "vit_tiny_patch16_224", "--weights", str(weights), "--size", "64"]
            seconds, mebibytes = peak(["attend", str(folder / "in.mp4"), str(out), *backbone])
            print(f"| attend | {count} | {len(VideoReader(out))} | {mebibytes:.0f} MiB ({seconds:.0f} s) |", flush=True)


def write_mosaic(path: Path, side: int) -> None:
    """A georeferenced mosaic of drawn scenes with a slanting collar, compressed, written square by square."""
    rng, profile = np.random.default_rng(0), {"driver": "GTiff", "count": 3, "dtype": "uint8", "nodata": 0}
    scenes = [reef_scene(rng, Size(1024, 1024))[0].clip(1) for _ in range(6)]
    place = {"crs": "EPSG:32755", "transform": Affine(0.05, 0, 300000, 0, -0.05, 8000000)}
    layout = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "zlevel": 1}
    with rasterio.open(path, "w", height=side, width=side, **profile, **place, **layout) as out:
        for i, box in enumerate(tiles(Size(side, side), 1024)):
            scene = np.rot90(scenes[i % 6], i // 6)[: box.height, : box.width].copy()
            rows, cols = np.mgrid[box.top : box.bottom, box.left : box.right]
            scene[rows + cols < side // 4] = 0
            out.write(scene.transpose(2, 0, 1), window=Window(box.left, box.top, box.width, box.height))


def peak_sum(arguments: list[str]) -> tuple[float, float]:
    """Seconds, and the largest sum in MiB of a command's and its workers' memory, looked at four times a second.

    What processes share, such as the code of libraries, counts once, where the system tells (Linux).
    """
    start, most = time.monotonic(), 0
    with subprocess.Popen([sys.executable, "-m", "segpipe", *arguments, "-q"]) as process:
        while process.poll() is None:
            total = 0
            try:
                main_process = psutil.Process(process.pid)
                for member in (main_process, *main_process.children(recursive=True)):
                    found = member.memory_full_info()
                    total += getattr(found, "pss", found.rss)
            except psutil.NoSuchProcess:
                pass
            most = max(most, total)
            time.sleep(0.25)
    if process.returncode:
        raise SystemExit(f"segpipe {' '.join(arguments)} ended with status {process.returncode}")
    return time.monotonic() - start, most / 2**20


def measure_raster(sides: list[int], folder: Path) -> None:
    """Print a Markdown table of the stages on mosaics of several sizes."""
    print("| stage | side | peak memory, all processes | seconds |\n|---|---|---|---|", flush=True)
    sets = [part for text in RASTER_SETTINGS for part in ("--set", text)]
    for side in sides:
        mosaic, run = folder / f"{side}.tif", folder / f"run{side}"
        write_mosaic(mosaic, side)
        for stage in ("index", *RASTER_STAGES):
            arguments = ["index", str(mosaic), str(run), *sets] if stage == "index" else [stage, str(run)]
            seconds, mebibytes = peak_sum(arguments)
            print(f"| {stage} | {side} | {mebibytes:.0f} MiB | {seconds:.0f} |", flush=True)


def measure(counts: list[int]) -> dict[str, list[tuple[float, float]]]:
    """Seconds and peak MiB of each stage at each number of images."""
    found: dict[str, list[tuple[float, float]]] = {stage: [] for stage in STAGES}
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_images(folder / "images", folder / "labels", count)
            sets = [part for text in SETTINGS for part in ("--set", text)]
            given = {"index": [str(folder / "images")], "evaluate": ["--labels", str(folder / "labels")]}
            for stage in STAGES:
                more = sets if stage == "index" else []
                found[stage].append(peak([stage, *given.get(stage, []), str(folder / "run"), *more]))
    return found


def main() -> None:
    """Print a Markdown table."""
    if sys.argv[1:2] == ["video"]:
        measure_video([int(text) for text in sys.argv[2:]] or [1000, 10000])
        return
    if sys.argv[1:2] == ["raster"]:
        with tempfile.TemporaryDirectory() as name:
            measure_raster([int(text) for text in sys.argv[2:]] or [5000, 20000], Path(name))
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
