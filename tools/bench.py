"""What the machine allows and what segpipe makes of it: every figure a ratio to a limit or a peer of the same run.

Usage: python tools/bench.py [IMAGES] [--weights FILE] [--json FILE] [--only PARTS]

IMAGES is a folder of photographs, the larger the better (msrc21/images: 591); without one a reef is drawn. Networks
have random weights, which cost the same; with --weights a ViT-Ti/16 (augreg) of that file is measured beside them.
Needs the extra `crf` for the part `crf`. Parts: extract, store, train, mine, crf, cluster, growth, job. Nothing else
may run on the machine meanwhile. Prints a Markdown table row by row, and writes all that was measured as JSON.
"""

from __future__ import annotations

import argparse
import datetime
import json
import operator
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import bench_extract
import bench_train
import memory
from segpipe.base.runtime import Runtime, cpu_count
from segpipe.commands.demo.synthetic import write_reef_corpus

HOLDS = {">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Row:
    """One measured figure."""

    what: str
    against: str
    value: float
    goal: str = ""
    """As `>= 0.9`; empty for a figure that has no goal."""
    beside: str = ""
    """Other figures of the same measurement."""

    def cells(self) -> str:
        """The row of the table."""
        met = ""
        if self.goal:
            sign, number = self.goal.split()
            met = "yes" if HOLDS[sign](self.value, float(number)) else "**no**"
        return f"| {self.what} | {self.against} | {self.value:.3g} | {self.goal} | {met} | {self.beside} |"


@dataclass(frozen=True)
class Given:
    """What the parts work on."""

    images: Path
    weights: Path | None
    work: Path
    size: int

    @property
    def networks(self) -> dict[str, Path | None]:
        """Backbones, each with its weights file or none for random weights."""
        own: dict[str, Path | None] = {bench_extract.TINY: self.weights} if self.weights else {}
        return {**own, "dino_vits16": None, "dino_vits8": None}


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bench_extract_rates(given: Given) -> Iterator[Row]:
    """Extraction end to end against the bare network of the same precision."""
    for backbone, weights in given.networks.items():
        folder = Path(tempfile.mkdtemp(dir=given.work))
        corpus = bench_extract.corpus_of(given.images, 12 if backbone == "dino_vits8" else 64, folder)
        header = bench_extract.header_of(backbone, weights, given.size, folder)
        found = bench_extract.rates(corpus, header, folder, rounds=3)
        bare = max(found["bare, images/s"], found["one batch of 32, images/s"])
        beside = f"{found['stage, images/s']:.2f} of {bare:.2f} images/s; bf16: {bf16(corpus, header, folder)}"
        yield Row(f"extract, {backbone}", "bare network", found["stage, images/s"] / bare, ">= 0.9", beside)
        shutil.rmtree(folder)


def bf16(corpus: Any, header: Any, folder: Path) -> str:
    """What precision `auto` comes to with this network on this machine."""
    from segpipe.inference.extraction import bfloat16_cosine
    from segpipe.nn.precision import pick_precision

    if pick_precision("auto", "cpu") == "float32":
        return "this processor does not multiply in it"
    return f"cosine {bfloat16_cosine(corpus, header, folder, Runtime(workers=cpu_count())):.4f}"


def bench_store(given: Given) -> Iterator[Row]:
    """Random reads against reads in order, and bytes of the codecs against float16."""
    backbone, weights = next(iter(given.networks.items()))
    folder = Path(tempfile.mkdtemp(dir=given.work))
    corpus = bench_extract.corpus_of(given.images, 64, folder)
    header = bench_extract.header_of(backbone, weights, given.size, folder)
    for codec, found in bench_extract.codecs(corpus, header, folder, rounds=3).items():
        if codec == "bfloat16":
            yield Row(f"precision bfloat16, {backbone}", "cosine to float32, p1", found["cosine, p1"])
            continue
        beside = f"{found['bytes/image'] / 1e6:.3g} MB per image, cosine to float32 p1 {found['cosine, p1']:.4f}"
        goal = "<= 0.125" if codec == "pca8" else ""
        yield Row(f"store, {codec}: bytes", "float16", found["share of float16"], goal, beside)
        beside = f"{found['random, rows/s']:.0f} rows/s at random, files not in memory"
        yield Row(f"store, {codec}: random reads", "in order", found["random over in order"], ">= 0.5", beside)
    shutil.rmtree(folder)


def bench_training(given: Given) -> Iterator[Row]:
    """A step on stored features against one that runs the backbone."""
    for patch, goal, options in ((16, ">= 50", {}), (8, ">= 100", {"rounds": 2, "steps": 10})):
        found = bench_train.bench_step(patch, **options)
        beside = f"{1000 * found['our_seconds']:.0f} ms; theirs {1000 * found['original_seconds']:.0f} ms"
        yield Row(f"train, steps/s, ViT-S/{patch}", "original STEGO's step", found["ratio"], goal, beside)


def bench_mining(given: Given) -> Iterator[Row]:
    """Exact search against bare FAISS at growing numbers, and how approximate the other indexes are."""
    for count in (2500, 10_000, 40_000):
        found = bench_train.bench_exact(count)
        beside = f"{found['our_seconds']:.2f} s"
        yield Row(f"mine, exact, {count} crops: time", "bare FAISS", found["ratio"], "<= 1.3", beside)
    for kind in ("ivf", "hnsw"):
        found = bench_train.bench_approximate(kind)
        beside = f"{found['bytes_per_vector']:.0f} bytes a vector, {1e6 * found['seconds_per_query']:.0f} µs a query"
        yield Row(f"mine, {kind}, 200,000: recall@7", "exact search", found["recall@7"], ">= 0.95", beside)


def bench_crf(given: Given) -> Iterator[Row]:
    """The dense CRF against pydensecrf at growing sizes."""
    import bench_crf as crf  # needs the extra `crf`

    for side, count, repeats in ((160, 1, 3), (320, 5, 3), (640, 1, 2)):
        found = [crf.compare(case, repeats=repeats) for case in crf.real_cases(given.images, side, 27, count)]
        one, two, apart, same = (
            [getattr(case, name) for case in found] for name in ("faster_one", "faster_two", "difference", "same")
        )
        goals = (">= 4", ">= 8") if side == 320 else ("", "")
        what = f"crf, {side} x {side}, 27 classes: speed"
        beside = f"{min(one):.2f} to {max(one):.2f}, {len(found)} photographs; {found[0].one:.2f} s"
        yield Row(f"{what}, 1 thread", "pydensecrf", float(np.median(one)), goals[0], beside)
        beside = f"{min(two):.2f} to {max(two):.2f}"
        yield Row(f"{what}, 2 threads", "pydensecrf", float(np.median(two)), goals[1], beside)
        yield Row(f"crf, {side} x {side}: marginals, mean difference", "pydensecrf", max(apart), "<= 0.001")
        yield Row(f"crf, {side} x {side}: same labels", "pydensecrf", min(same), ">= 0.995")


def bench_clustering(given: Given) -> Iterator[Row]:
    """Time and memory of `cluster` where patches grow and the sample of the first steps does not."""
    rows = bench_train.bench_cluster()
    for row in rows:
        beside = f"{row['seconds']:.0f} s, at most {row['mebibytes']:.0f} MiB; another k: {row['cut_seconds']:.2f} s"
        growth = row["seconds"] / rows[0]["seconds"]
        yield Row(f"cluster, {row['patches']:.0f} patches: time", "the smallest", growth, "", beside)


def bench_growth(given: Given) -> Iterator[Row]:
    """Peak memory and time of every stage at 1, 4 and 16 times the images."""
    counts = [125, 500, 2000]
    found = memory.measure(counts)
    for stage, cells in found.items():
        peaks = [peak for _, peak in cells]
        beside = " / ".join(f"{peak:.0f} MiB, {took:.0f} s" for took, peak in cells)
        yield Row(
            f"{stage}, {' / '.join(map(str, counts))} images: memory", "1 x", peaks[-1] / peaks[0], "<= 1.2", beside
        )


def bench_job(given: Given) -> Iterator[Row]:
    """Folder to refined masks against the bare network alone, and how long ten photographs take."""
    folder = Path(tempfile.mkdtemp(dir=given.work))
    paths = sorted(path for path in given.images.rglob("*") if path.is_file())
    ten = folder / "ten"
    ten.mkdir()
    for path in paths[:: max(1, len(paths) // 10)][:10]:
        shutil.copy(path, ten)
    corpus = bench_extract.corpus_of(given.images, 64, folder)
    header = bench_extract.header_of("dino_vits16", None, given.size, folder)
    sets = [
        f"extract.backbone={header.backbone}",
        f"extract.weights={header.weights}",
        f"extract.input_size={given.size}",
    ]
    options = [part for text in sets for part in ("--set", text)]
    took, peak = memory.peak(["run", str(ten), str(folder / "first"), *options, "--to", "refine"])
    yield Row("ten photographs to masks, ViT-S/16", "a minute", took / 60, "<= 1", f"{took:.0f} s, {peak:.0f} MiB")
    bare = [bench_extract.rates(corpus, header, folder, rounds=1)]
    took, peak = memory.peak(["run", str(given.images), str(folder / "job"), *options, "--to", "refine"])
    bare.append(bench_extract.rates(corpus, header, folder, rounds=1))  # a machine is not as fast all the time
    floor = len(paths) / max(found[f"{name}, images/s"] for found in bare for name in ("bare", "one batch of 32"))
    manifest = json.loads((folder / "job" / "manifest.json").read_text("utf-8"))
    stages = ", ".join(f"{name} {record['seconds']:.0f}" for name, record in manifest["stages"].items())
    disk = ", ".join(
        f"{part.name} {bench_extract.bytes_of(part) / len(paths) / 1e3:.3g}"
        for part in sorted((folder / "job").iterdir())
        if part.is_dir()
    )
    beside = f"{took:.0f} s of {floor:.0f}, {peak:.0f} MiB; seconds: {stages}; kB per image: {disk}"
    yield Row(f"{len(paths)} photographs to refined masks, ViT-S/16", "bare network", took / floor, "<= 2", beside)
    shutil.rmtree(folder)


PARTS: dict[str, Callable[[Given], Iterator[Row]]] = {
    "extract": bench_extract_rates,
    "store": bench_store,
    "train": bench_training,
    "mine": bench_mining,
    "crf": bench_crf,
    "cluster": bench_clustering,
    "growth": bench_growth,
    "job": bench_job,
}


def machine() -> str:
    """What this was measured on."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    vectors = "AVX-512" if "avx512f" in info.read_text() else "no AVX-512"
    name = names[0] if names else platform.processor()
    return f"{name}, {cpu_count()} cores, {vectors}, Python {platform.python_version()}"


def main() -> None:
    """Print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="?", type=Path)
    parser.add_argument("--weights", type=Path, help="of a ViT-Ti/16 (augreg)")
    parser.add_argument("--size", type=int, default=448, help="extract.input_size")
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        images = options.images
        if images is None:
            write_reef_corpus(Path(name) / "reef", images=96, seed=0)
            images = Path(name) / "reef" / "images"
        given = Given(images, options.weights, Path(name), options.size)
        about = {"date": datetime.date.today().isoformat(), "machine": machine(), "command": " ".join(sys.argv)}
        print("\n".join(f"{key}: {value}" for key, value in about.items()))
        print("\n| what | against | here | goal | met | beside |\n|---|---|---|---|---|---|")
        rows = []
        for part in options.only.split(","):
            for row in PARTS[part](given):
                print(row.cells(), flush=True)
                rows.append({"part": part, **asdict(row)})
                options.json.write_text(json.dumps({**about, "rows": rows}, indent=1), "utf-8")


if __name__ == "__main__":
    main()
