"""Do parts leave the bytes that a run at once leaves? Every way to do them, on real images, with workers killed.

Usage: python tools/trials/part_bytes.py IMAGES FOLDER [--ways once 3 7 leases ray] [settings, such as --cluster.k=8]

Each way is a run of its own in FOLDER, up to the masks: `once` by `segpipe run`; a number N by `--part i/N` in an order
that is drawn, rounds closed by `merge`; `leases` by four workers a stage, of which two are killed by SIGKILL once they
hold a part; `ray` by the engine with two workers, of which one is killed in every stage. Prints seconds, who was
killed, and whether features, pairs, head, clusters and masks have the bytes of the first way.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ARTEFACTS = ("features", "pairs", "head", "clusters", "masks")
STAGES = ("extract", "mine", "cluster", "refine")
_ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
_WORKERS, _LOST, _LEASE_MINUTES = 4, 2, 0.25
_MANY = 99  # rounds, where a stage never ends


def begin(*words: str | Path) -> subprocess.Popen[bytes]:
    """Start a command of segpipe."""
    return subprocess.Popen([sys.executable, "-m", "segpipe", *map(str, words), "-q"], env=_ONE_THREAD)


def call(*words: str | Path) -> None:
    """Run a command of segpipe, which must succeed."""
    if (code := begin(*words).wait()) != 0:
        raise SystemExit(f"segpipe {' '.join(map(str, words))} ended with {code}")


def finished(run: Path, stage: str) -> bool:
    """Whether the manifest says that a stage is done."""
    return stage in json.loads((run / "manifest.json").read_text("utf-8"))["stages"]


def by_numbers(run: Path, parts: int, rng: random.Random) -> None:
    """Every part of every stage, in an order that is drawn."""
    for stage in STAGES:
        _before(run, stage)
        for _ in range(_MANY):
            for number in rng.sample(range(1, parts + 1), parts):
                call(stage, run, "--part", f"{number}/{parts}")
            call("merge", run)
            if finished(run, stage):
                break


def by_leases(run: Path) -> list[str]:
    """Four workers a stage; two are killed as soon as they hold a part. Says who was."""
    killed = list[str]()
    for stage in STAGES:
        _before(run, stage)
        words = (stage, run, "--part", "auto", "--lease-minutes", str(_LEASE_MINUTES))
        workers = [begin(*words) for _ in range(_WORKERS)]
        own = {worker.pid for worker in workers}
        killed += [f"{stage} {path}" for path in _kill(run, stage, own, _LOST, workers)]
        if any(worker.wait() not in (0, -signal.SIGKILL) for worker in workers):
            raise SystemExit(f"{stage}: a worker failed")
        call("merge", run)
    return killed


def by_ray(images: Path, run: Path) -> list[str]:
    """The engine, with one of its workers killed in every stage. Says in which part."""
    driver, killed = begin("run", images, run, "--to", "refine", "--engine", "ray", "--engine-workers", "2"), []
    for stage in STAGES:
        killed += [f"{stage} {path}" for path in _kill(run, stage, None, 1, [driver])]
    if driver.wait() != 0:
        raise SystemExit(f"the engine ended with {driver.returncode}")
    return killed


def _before(run: Path, stage: str) -> None:
    """The stages before this one that are done by one process."""
    if stage == "cluster":
        call("train", run)


def _kill(
    run: Path, stage: str, own: set[int] | None, count: int, workers: Sequence[subprocess.Popen[bytes]]
) -> Iterator[str]:
    """Kill processes that hold a part of a stage, each once; stops where all workers ended or the stage is done."""
    gone = set[int]()
    while len(gone) < count and any(worker.poll() is None for worker in workers) and not finished(run, stage):
        for path in run.glob(f"parts/{stage}/*/0*.lease"):
            try:
                process = int(json.loads(path.read_text("utf-8"))["owner"].split(":")[1])
                if process in gone or len(gone) == count or (own is not None and process not in own):
                    continue
                os.kill(process, signal.SIGKILL)
            except (OSError, ValueError, KeyError):
                continue
            gone.add(process)
            yield f"{path.parent.name[8:]}/{path.stem}"
        time.sleep(0.002)


def sums(run: Path) -> dict[str, str]:
    """SHA-256 over the paths and bytes of every file of each artefact."""
    found = {}
    for name in ARTEFACTS:
        whole = hashlib.sha256()
        for path in sorted(path for path in (run / name).rglob("*") if path.is_file()):
            whole.update(path.relative_to(run).as_posix().encode() + hashlib.sha256(path.read_bytes()).digest())
        found[name] = whole.hexdigest()
    return found


def main() -> None:
    """Go every way and compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ways", nargs="+", default=["once", "3", "7", "leases", "ray"])
    given, settings = parser.parse_known_args()
    first: dict[str, str] | None = None
    for way in given.ways:
        run, started, killed = given.folder / way, time.monotonic(), list[str]()
        parts = way if way.isdecimal() else "7"
        call("plan", run, "--parts", parts, f"--images={given.images}", "--runtime.workers=1", *settings)
        if way == "once":
            call("run", given.images, run, "--to", "refine")
        elif way.isdecimal():
            by_numbers(run, int(way), random.Random(way))
        elif way == "leases":
            killed = by_leases(run)
        else:
            killed = by_ray(given.images, run)
        found = sums(run)
        first = first or found
        other = [name for name in ARTEFACTS if found[name] != first[name]]
        said = f"OTHER BYTES: {other}" if other else "same bytes"
        said += f"; killed: {', '.join(killed)}" if killed else ""
        print(f"{way:8} {time.monotonic() - started:6.0f} s  {said}", flush=True)


if __name__ == "__main__":
    main()
