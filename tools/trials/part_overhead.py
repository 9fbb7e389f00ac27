"""What parts cost: `extract` at once, in parts by one worker, and in parts by two.

Usage: python tools/trials/part_overhead.py IMAGES FOLDER [--parts 8] [settings, such as --extract.input_size=224]

Each of the three is a run of its own in FOLDER, indexed and planned before. Prints seconds from the start of the
command to the end of `merge`, the seconds that the work itself took as `manifest.json` and the records say, and whether
the features have the same bytes. Everything runs with one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

_ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def begin(*words: str) -> subprocess.Popen[bytes]:
    """Start a command of segpipe."""
    return subprocess.Popen([sys.executable, "-m", "segpipe", *words, "-q"], env=_ONE_THREAD)


def wait(*processes: subprocess.Popen[bytes]) -> None:
    """Wait for commands, which must succeed."""
    for process in processes:
        if process.wait() != 0:
            raise SystemExit(f"{process.args!r} ended with {process.returncode}")


def extracted(run: Path, workers: int) -> tuple[float, float]:
    """Seconds of `extract` from start to end, and of the work itself; at once where there are no workers."""
    started = time.monotonic()
    if workers:
        wait(*(begin("extract", str(run), "--part", "auto") for _ in range(workers)))
        wait(begin("merge", str(run)))
    else:
        wait(begin("extract", str(run)))
    whole = time.monotonic() - started
    return whole, json.loads((run / "manifest.json").read_text())["stages"]["extract"]["seconds"]


def main() -> None:
    """Run all three and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", type=int, default=8)
    given, settings = parser.parse_known_args()
    sums, first = set[str](), 0.0
    for workers in (0, 1, 2):
        run = given.folder / f"workers{workers}"
        few = [f"--parts={given.parts}", "--runtime.workers=1", f"--images={given.images}"]
        wait(begin("plan", str(run), *few, *settings))
        whole, work = extracted(run, workers)
        first = first or work
        sums.add((run / "features" / "SHA256SUMS").read_text())
        said = f"{workers} workers by leases" if workers else "at once"
        print(f"{said:20} {whole:.1f} s, the work itself {work:.1f} s ({100 * (work / first - 1):+.1f} %)", flush=True)
    print("same bytes" if len(sums) == 1 else "OTHER BYTES")


if __name__ == "__main__":
    main()
