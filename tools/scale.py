"""Scale on paper: what a corpus of millions costs, from the slopes of two runs that were made here.

Usage: python tools/scale.py SMALL LARGE [--images 10000000] [--parts 1000] [--core 0.05] [--month 0.023]

SMALL and LARGE are runs of `segpipe run`, with the same settings, over different numbers of images of one kind, each
made at once on an idle machine. Every stage's seconds (times its workers) and bytes are taken to grow on the line
through both. Memory is measured here: a corpus of drawn rows is loaded in a process of its own, at two sizes.
Prints a Markdown table, bytes of features by codec, and money at the prices given: of an hour of a core, and of a month
of a gigabyte.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from segpipe.base.geometry import Box, Size
from segpipe.records.codec import stored_bytes
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.store.corpus import load_corpus, save_corpus
from segpipe.store.features import stored_header

CODECS = ("float16", "int8", "pca8")
ROWS = (20_000, 100_000)


@dataclass(frozen=True)
class Made:
    """A run that was made here."""

    images: int
    patches: float
    """Of an image."""
    dim: int
    seconds: dict[str, float]
    """Of one core, by stage."""
    bytes: dict[str, int]
    """By artefact."""


def made(run: Path) -> Made:
    """What a run says of itself, and the sizes of its artefacts."""
    stages = json.loads((run / "manifest.json").read_text("utf-8"))["stages"]
    corpus, header = load_corpus(run / "corpus"), stored_header(run / "features")
    grids = [header.grid(crop.box.size) for crop in corpus.crops]
    return Made(
        len(corpus.images),
        sum(grid.rows * grid.cols for grid in grids) / len(corpus.images),
        header.dim,
        {name: record["seconds"] * record["machine"]["workers"] for name, record in stages.items()},
        {
            folder.name: sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            for folder in sorted(run.iterdir())
            if folder.is_dir()
        },
    )


def load_drawn(rows: int) -> None:
    """Print the MiB that this process grows by while it loads a corpus of `rows` photographs."""
    size = Size(3000, 4000)
    with tempfile.TemporaryDirectory() as name:
        images = tuple(
            Image(f"dive {i % 97}/IMG_{i:08d}", f"dive {i % 97}/IMG_{i:08d}.JPG", size, "uint8", f"{i:064x}", 5_000_000)
            for i in range(rows)
        )
        crops = tuple(Crop(i, Box(0, 0, size.height, size.width)) for i in range(rows))
        save_corpus(Corpus(Path("/photographs"), images, crops), [], Path(name))
        del images, crops
        found = subprocess.run([sys.executable, __file__, "--load", name], capture_output=True, text=True, check=True)
    print(found.stdout.strip())


def peak() -> float:
    """MiB that this process held at most. Linux alone says it of the program, not of what it was started by too."""
    (text,) = (row for row in Path("/proc/self/status").read_text("utf-8").splitlines() if row.startswith("VmHWM"))
    return int(text.split()[1]) / 1024


def corpus_memory() -> float:
    """Bytes of memory that each image of a corpus takes in every process that loads it."""
    found = []
    for rows in ROWS:
        asked = subprocess.run([sys.executable, __file__, "--draw", str(rows)], capture_output=True, text=True)
        if asked.returncode:
            raise SystemExit(asked.stderr)
        found.append(float(asked.stdout))
    return (found[1] - found[0]) * 2**20 / (ROWS[1] - ROWS[0])


def line(small: float, large: float, a: Made, b: Made, images: int) -> float:
    """The value at `images` of the line through two runs; never below that of the larger one."""
    slope = (large - small) / (b.images - a.images)
    return max(large, large + slope * (images - b.images))


def table(a: Made, b: Made, options: argparse.Namespace) -> Iterator[str]:
    """Markdown: a row per stage, then features by codec, memory, money."""
    n = options.images
    yield f"{a.images} and {b.images} images, {b.patches:.0f} patches each of {b.dim} numbers; at {n:,} images:\n"
    yield "| stage | core-seconds an image | core-hours | money |\n|---|---|---|---|"
    whole = 0.0
    for stage in b.seconds:
        hours = line(a.seconds[stage], b.seconds[stage], a, b, n) / 3600
        whole += hours
        yield f"| {stage} | {hours * 3600 / n:.4f} | {hours:,.0f} | {hours * options.core:,.0f} |"
    yield f"| all | {whole * 3600 / n:.4f} | {whole:,.0f} | {whole * options.core:,.0f} |\n"
    yield "| artefact | kB an image | GB | a month |\n|---|---|---|---|"
    for name, large in b.bytes.items():
        if name in a.bytes and name != "features":
            size = line(a.bytes[name], large, a, b, n)
            yield f"| {name} | {size / n / 1e3:.1f} | {size / 1e9:,.0f} | {size / 1e9 * options.month:,.0f} |"
    for codec in CODECS:
        size = stored_bytes(codec, b.dim, b.patches) * n
        yield f"| features, {codec} | {size / n / 1e3:.1f} | {size / 1e9:,.0f} | {size / 1e9 * options.month:,.0f} |"
    each = corpus_memory()
    yield "\n| what grows with the images | bytes an image | GB |\n|---|---|---|"
    for name, size in {
        "corpus in the memory of every process": each,
        "`mine`: pooled vectors and their unit rows in memory": 8 * b.dim,
        "`mine`: index, ivf, in memory": b.dim + 8,
        "`cluster`: codes of 64 numbers on its disk while it works": 128 * b.patches,
    }.items():
        yield f"| {name} | {size:,.0f} | {size * n / 1e9:,.0f} |"
    part = n // options.parts
    hours = (b.seconds["extract"] - a.seconds["extract"]) / (b.images - a.images) * part
    yield f"\nOne of {options.parts} parts of `extract`: {part:,} images, {hours / 3600:.1f} core-hours."


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="*")
    parser.add_argument("--images", type=int, default=10_000_000)
    parser.add_argument("--parts", type=int, default=1000)
    parser.add_argument("--core", type=float, default=0.05, help="price of an hour of a core")
    parser.add_argument("--month", type=float, default=0.023, help="price of a month of a gigabyte")
    parser.add_argument("--draw", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        before = peak()
        loaded = load_corpus(options.load)
        print(peak() - before if loaded.crops_of else 0)
    elif options.draw:
        load_drawn(options.draw)
    else:
        small, large = sorted(map(made, options.runs), key=lambda run: run.images)
        print("\n".join(table(small, large, options)))


if __name__ == "__main__":
    main()
