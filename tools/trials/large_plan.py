"""Time and memory of `plan`, `status` and `merge` of a run of very many images: corpus drawn, work empty.

Usage: python tools/trials/large_plan.py FOLDER [--images 1000000] [--parts 1000]

Draws a folder of empty files, a corpus of them, and what parts of `extract` and `refine` would have left: shards
without features, masks of one pixel, records. The small run whose clusters it borrows is made on the way. Prints
seconds and peak memory (MB) of each command, which runs in a process of its own.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from segpipe import pipeline
from segpipe.base import checksums, files
from segpipe.base.parts import PartNumber
from segpipe.base.runtime import Runtime, no_track
from segpipe.commands.demo.synthetic import write_reef_corpus
from segpipe.pipeline.part_bench import PartBench
from segpipe.pipeline.part_work import part_record
from segpipe.records.features import FeatureHeader
from segpipe.records.part_record import PartRecord
from segpipe.stages import sharing_of
from segpipe.store import masks
from segpipe.store.features import FeatureWriter, create_features
from segpipe.store.mask_lines import save_lines
from segpipe.store.part_folder import FileSums, PartFolder
from segpipe.store.run_dir import KEY, RunDir

_PER_FOLDER = 1000


def _name(image: int) -> str:
    return f"d{image // _PER_FOLDER:05}/i{image:08}"


def draw_run(folder: Path, images: int) -> RunDir:
    """A run whose corpus has so many images, and all up to `cluster` done of a few."""
    write_reef_corpus(folder / "few", images=6, seed=1)
    run_dir = pipeline.open_run(folder / "run")
    sets = ["extract.backbone=classical", "extract.input_size=96", "train.method=pca", "cluster.k=4"]
    settings = pipeline.resolve(run_dir, sets=[*sets, f"index.images={folder / 'few' / 'images'}"])
    pipeline.work(run_dir, settings, no_track, stop="cluster")
    many = folder / "many"
    for start in range(0, images, _PER_FOLDER):
        (many / _name(start)).parent.mkdir(parents=True, exist_ok=True)
        for image in range(start, min(start + _PER_FOLDER, images)):
            (many / f"{_name(image)}.jpg").touch()
    corpus = run_dir.root / "corpus"
    shutil.rmtree(corpus)
    corpus.mkdir()
    files.write_jsonl(corpus / "corpus.jsonl", (_row(image) for image in range(images)))
    files.write_text(corpus / "rejected.jsonl", "")
    header = {"format": 1, "root": str(many), "images": images, "crops": images, "scaling": {}}
    files.write_json(corpus / "header.json", header)
    checksums.write_sums(corpus)
    settings = pipeline.resolve(run_dir, sets=[f"index.images={many}"])
    pipeline.save_settings(run_dir, settings)
    _recorded(run_dir, settings, "index")
    return run_dir


def _row(image: int) -> dict[str, Any]:
    name = _name(image)
    known = {"id": name, "path": f"{name}.jpg", "size": [1, 1], "depth": "uint8", "sha256": f"{image:064x}"}
    return {**known, "bytes": 0, "crops": [[0, 0, 1, 1]]}


def _recorded(run_dir: RunDir, settings: pipeline.Settings, name: str) -> None:
    """Let the manifest say that a stage is done with these settings."""
    step = pipeline.step_of(pipeline.BY_NAME[name], settings, run_dir, run_dir.manifest())
    old = run_dir.manifest().stages[name]
    checksum = checksums.checksum(run_dir.root / step.stage.ARTEFACT)
    new = {"key": step.key, "parts": dict(step.parts or {}), "checksum": checksum, "artefact": f"drawn {name}"}
    run_dir.record(name, old.model_copy(update=new))


def draw_parts(run_dir: RunDir, name: str, parts: int, images: int) -> None:
    """What parts of a stage would have left, and their records."""
    settings = pipeline.resolve(run_dir)
    stage = pipeline.BY_NAME[name]
    step = pipeline.step_of(stage, settings, run_dir, run_dir.manifest())
    out = run_dir.root / f"{stage.ARTEFACT}.partial"
    out.mkdir()
    if name == "extract":
        _draw_features(out, images)
    else:
        masks.save_header(out, {"classes": 4, "nodata": 255, "side": 1})
        _draw_masks(out, images)
    files.write_text(out / KEY, step.key)
    sharing = sharing_of(stage)
    assert sharing is not None
    work = sharing.open(settings[name], run_dir, out, Runtime())
    bench = PartBench(name, step.key, parts, PartFolder(run_dir.root, name, step.key), out, work)
    for record, sums in _records(bench, images):
        bench.folder.save(record, sums)


def _records(bench: PartBench, images: int) -> Iterator[tuple[PartRecord, FileSums]]:
    for number in range(1, bench.parts + 1):
        units = PartNumber(number, bench.parts).of(bench.work.units)
        if bench.stage == "refine":
            save_lines(bench.out, units, [_line(image) for image in units])
        yield part_record(bench, number, time.monotonic())


def _draw_features(out: Path, images: int) -> None:
    header = FeatureHeader("classical", "token", (-1,), 96, 16, 64, "mean", False, source="embedded")
    create_features(out, header, np.ones((images, 2), np.int64))
    writer = FeatureWriter(out)
    writer._array("done")[:] = 1


def _draw_masks(out: Path, images: int) -> None:
    first = out / f"{_name(0)}.png"
    for image in range(images):
        path = out / f"{_name(image)}.png"
        if image % _PER_FOLDER == 0:  # a file has at most some 65,000 names
            masks.write_mask(path, np.zeros((1, 1), np.uint8), classes=4)
            first = path
        else:
            path.hardlink_to(first)


def _line(image: int) -> dict[str, Any]:
    return masks.describe_mask(_name(image), np.zeros((1, 1), np.uint8), classes=4)


_CHILD = """
import sys, time
from segpipe.cli.entry import run_cli
code = run_cli(sys.argv[1:])
memory = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(f"{sys.argv[1]:8} {time.process_time():.1f} s of processor, {int(memory) / 1024:.0f} MB, exit {code}", flush=True)
"""


def measured(*words: str) -> None:
    """Run a command of segpipe and print its seconds and peak memory."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", _CHILD, *words, "-q"], check=True)
    print(f"{words[0]:8} {time.monotonic() - started:.1f} s", flush=True)


def main() -> None:
    """Draw, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--parts", type=int, default=1000)
    given = parser.parse_args()
    run_dir = draw_run(given.folder, given.images)
    run = str(run_dir.root)
    print(f"{given.images} images, {given.parts} parts", flush=True)
    measured("plan", run, "--parts", str(given.parts))
    for name in ("extract", "refine"):
        draw_parts(run_dir, name, given.parts, given.images)
        measured("status", run)
        measured("merge", run)
        if name == "extract":  # what lies between is of a few images
            for between in ("mine", "train", "cluster"):
                _recorded(run_dir, pipeline.resolve(run_dir), between)


if __name__ == "__main__":
    main()
