"""Extraction against the bare network, and what the codecs of the feature store cost and save.

Usage: python tools/bench_extract.py IMAGES [IMAGES ...] [--weights FILE] [--images 48] [--rounds 5] [--work FOLDER]

IMAGES are folders of photographs; codecs are measured on the first. Networks: with --weights a ViT-Ti/16 of that file;
a ViT-S/16 and a ViT-S/8 with random weights. Rates are paired: every round measures all sides one after the other in
one process, ratios are medians over rounds. Random reads are measured with the files dropped from the page cache.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from safetensors.torch import save_file

from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime, cpu_count
from segpipe.inference.encoder import Encoder, open_encoder
from segpipe.inference.extraction import describe_shards, read_cuts, sample_patches
from segpipe.nn.backbones import find_backbone
from segpipe.ops.maps.crops import Cut, batches
from segpipe.records.corpus import Corpus
from segpipe.records.features import FeatureHeader
from segpipe.stages.extract.preparation import fit_codec
from segpipe.store.corpus import load_corpus
from segpipe.store.features import CropFeatures, FeatureStore, FeatureWriter, create_features

CODECS = ("float16", "int8", "pca8")
Times = dict[str, list[float]]
TINY = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"


def corpus_of(folder: Path, count: int, work: Path) -> Corpus:
    """Images spread over a folder, indexed by segpipe."""
    names, paths = work / "images.txt", sorted(path for path in folder.rglob("*") if path.is_file())
    names.write_text("".join(f"{path.resolve()}\n" for path in paths[:: max(1, len(paths) // count)][:count]), "utf-8")
    subprocess.run([sys.executable, "-m", "segpipe", "index", str(names), str(work / "run"), "-q"], check=True)
    return load_corpus(work / "run" / "corpus")


def header_of(backbone: str, weights: Path | None, size: int, work: Path) -> FeatureHeader:
    """A header that `open_encoder` takes; without a weights file the network gets random weights."""
    row = find_backbone(backbone)
    if weights is None:
        torch.manual_seed(0)
        weights = work / f"{backbone}.safetensors"
        save_file(timm.create_model(row.timm, pretrained=False, num_classes=0).state_dict(), weights)
    return FeatureHeader(backbone, "token", (-1,), size, row.patch, row.width, "mean", False, weights=str(weights))


@contextmanager
def threads(count: int) -> Any:
    """Torch's threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of wall time and of processor time."""
    start, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - used


def paired(sides: Mapping[str, Callable[[], object]], rounds: int) -> tuple[Times, Times]:
    """Wall and processor seconds of each side in each round, in alternation; a first round is not counted."""
    wall: Times = {name: [] for name in sides}
    used: Times = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, work in sides.items():
            seconds = timed(work)
            if number:
                wall[name].append(seconds[0])
                used[name].append(seconds[1])
    return wall, used


def ratio(found: Times, over: str, under: str) -> float:
    """The median over rounds of how many times as long `over` took as `under`."""
    return float(np.median(np.array(found[over]) / np.array(found[under])))


def write_store(folder: Path, corpus: Corpus, header: FeatureHeader, encoder: Encoder, runtime: Runtime) -> Path:
    """What the stage does between loading the network and its summary."""
    how: Any = {
        "describe": encoder.describe,
        "batch": min(32, encoder.most),
        "lanes": encoder.lanes,
        "workers": runtime.workers,
    }
    grids = np.array([(g.rows, g.cols) for g in (header.grid(crop.box.size) for crop in corpus.crops)])
    with encoder.alone():
        codec: Any = header.codec
        create_features(folder, header, grids, fit_codec(codec, header.dim, sample_patches(corpus, header, **how)))
        writer = FeatureWriter(folder)
        shards = describe_shards(corpus, header, writer.pending(), **how)
        for _ in thread_map(lambda shard: writer.write(*shard), shards, workers=1, ahead=2):
            pass
    return folder


def rates(corpus: Corpus, header: FeatureHeader, work: Path, *, rounds: int) -> dict[str, float]:
    """Images per second of the stage, of the bare network as the stage calls it, and as one batch on all threads."""
    runtime = Runtime(workers=cpu_count())
    encoder = open_encoder(header, work, runtime)
    cuts: list[Cut] = []
    for row in range(len(corpus.crops)):
        cuts += read_cuts([row], corpus=corpus, header=header)

    def stacks(size: int) -> list[Any]:
        return [np.stack([item.rgb for item in group]) for group in batches(cuts, size)]

    small, large = stacks(min(32, encoder.most)), stacks(32)

    def bare() -> None:
        with encoder.alone():
            list(thread_map(encoder.describe, small, workers=encoder.lanes, ahead=encoder.lanes + 1))

    def whole() -> None:
        with threads(runtime.workers):
            for stack in large:
                encoder.describe(stack)

    def stage() -> None:
        with tempfile.TemporaryDirectory(dir=work) as folder:
            write_store(Path(folder), corpus, header, encoder, runtime)

    def decode() -> None:
        read = [[row] for row in range(len(corpus.crops))]
        list(thread_map(lambda rows: read_cuts(rows, corpus=corpus, header=header), read, workers=runtime.workers,
                        ahead=2 * runtime.workers))  # fmt: skip

    wall, used = paired({"stage": stage, "bare": bare, "one batch of 32": whole, "decoding": decode}, rounds)
    n = len(corpus.crops)
    return {
        **{f"{name}, images/s": n / float(np.median(times)) for name, times in wall.items()},
        **{f"{name}, processor s/image": float(np.median(times)) / n for name, times in used.items()},
        "stage over bare": ratio(wall, "bare", "stage"),
        "stage over bare, processor time": ratio(used, "bare", "stage"),
        "stage over one batch of 32": ratio(wall, "one batch of 32", "stage"),
    }


def packed(store: FeatureStore, folder: Path, codec: Any, *, repeat: int = 1) -> FeatureStore:
    """A copy of a float16 store as the stage would have packed it, its crops `repeat` times over."""
    header = replace(store.header, codec=codec)
    sample = (store.patches(row)[store.valid(row)] for row in range(min(len(store), 256)))
    folder.mkdir(exist_ok=True)
    create_features(folder, header, np.tile(store.grids, (repeat, 1)), fit_codec(codec, header.dim, sample))
    writer, vectors = FeatureWriter(folder), store.vectors()
    for rows in writer.pending():
        kept = [row % len(store) for row in rows]
        writer.write(rows, [CropFeatures(store.patches(row), vectors[row], store.valid(row)) for row in kept])
    return FeatureStore(folder)


def bytes_of(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def cosines(exact: FeatureStore, near: FeatureStore) -> dict[str, float]:
    """Per-patch cosines between two stores of the same crops: mean and first percentile."""
    found = []
    for row in range(len(exact)):
        seen = exact.valid(row)
        x, y = (store.patches(row)[seen].astype(np.float64) for store in (exact, near))
        found.append((x * y).sum(axis=1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1))
    joined = np.concatenate(found)
    return {"cosine, mean": float(joined.mean()), "cosine, p1": float(np.percentile(joined, 1))}


def drop_cache(folder: Path) -> None:
    """Ask the system to forget the pages of these files."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def reads(folder: Path, *, rounds: int) -> dict[str, float]:
    """Rows per second read in order and in random order, from files that are not in the page cache."""
    store = FeatureStore(folder)
    orders = {"in order": np.arange(len(store)), "random": np.random.default_rng(0).permutation(len(store))}

    def reading(rows: Any) -> Callable[[], None]:
        def work() -> None:
            for row in rows:
                store.patches(int(row))

        return work

    found: Times = {name: [] for name in orders}
    for _ in range(rounds):
        for name, rows in orders.items():
            drop_cache(folder)
            found[name].append(timed(reading(rows))[0])
    return {
        **{f"{name}, rows/s": len(store) / float(np.median(times)) for name, times in found.items()},
        "random over in order": ratio(found, "in order", "random"),
    }


def codecs(corpus: Corpus, header: FeatureHeader, work: Path, *, rounds: int) -> dict[str, dict[str, float]]:
    """For each codec, and for bfloat16: bytes per image, cosines to plain float32, reading rates."""
    runtime = Runtime(workers=cpu_count())
    plain = work / "plain"
    plain.mkdir()
    write_store(plain, corpus, header, open_encoder(header, work, runtime), runtime)
    exact = FeatureStore(plain)
    found: dict[str, dict[str, float]] = {}
    for codec in CODECS:
        near = packed(exact, work / codec, codec)
        packed(exact, work / f"{codec} long", codec, repeat=-(-1500 // len(exact)))
        found[codec] = {
            "bytes/image": bytes_of(work / codec) / len(corpus.images),
            "share of float16": bytes_of(work / codec) / bytes_of(work / "float16"),
            **cosines(exact, near),
            **reads(work / f"{codec} long", rounds=rounds),
        }
    half = work / "half"
    half.mkdir()
    low = replace(header, precision="bfloat16")
    write_store(half, corpus, low, open_encoder(low, work, runtime), runtime)
    found["bfloat16"] = cosines(exact, FeatureStore(half))
    return found


def measure(
    folders: list[Path], weights: Path | None, *, images: int, rounds: int, size: int, work: Path
) -> dict[str, dict[str, Any]]:
    """All networks on all folders."""
    networks: dict[str, Path | None] = {TINY: weights} if weights else {}
    found: dict[str, dict[str, Any]] = {}
    for backbone, file in {**networks, "dino_vits16": None, "dino_vits8": None}.items():
        for images_of in folders:
            with tempfile.TemporaryDirectory(dir=work) as name:
                folder, count = Path(name), images if file or backbone != "dino_vits8" else max(4, images // 6)
                corpus = corpus_of(images_of, count, folder)
                header = header_of(backbone, file, size, folder)
                here: dict[str, Any] = {"rates": rates(corpus, header, folder, rounds=rounds)}
                if images_of == folders[0]:
                    here["codecs"] = codecs(corpus, header, folder, rounds=rounds)
                found[f"{backbone}{'' if file else ', random weights'}, {images_of}"] = here
                print(json.dumps({f"{backbone}, {images_of}": here}, indent=1), flush=True)
    return found


def main() -> None:
    """Print what was measured, as JSON, network by network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="IMAGES")
    parser.add_argument("--weights", type=Path, help="of a ViT-Ti/16 (augreg)")
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=448)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    given = parser.parse_args()
    measure(given.folders, given.weights, images=given.images, rounds=given.rounds, size=given.size, work=given.work)


if __name__ == "__main__":
    main()
