"""What a changed folder costs: three images added, one removed, one renamed, and the same command again.

Usage: python tools/trials/changed_folder.py IMAGES FOLDER [settings, such as --refine.crf=false]

Works on a copy of IMAGES in FOLDER. Prints what the second command says that it knew, the seconds of both, and whether
the run has the bytes of one that is made from nothing of the changed folder, in the same classes.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

from segpipe import pipeline
from segpipe.base.runtime import no_track
from segpipe.images.listing import ENDINGS

ARTEFACTS = ("features", "head", "clusters", "masks", "export")
_ADDED = 3
_TOLD = ("known", " new", "are there", "kept")


def run(*words: str | Path) -> float:
    """Seconds of a command of segpipe; prints what it says of what it knew."""
    started = time.monotonic()
    command = [sys.executable, "-m", "segpipe", *map(str, words)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.monotonic() - started
    told = [line for line in (done.stdout + done.stderr).splitlines() if any(word in line for word in _TOLD)]
    print(f"{seconds:.1f} s", *told, sep="\n    ", flush=True)
    return seconds


def take_away(images: Path, aside: Path) -> list[Path]:
    """Images, evenly spread, that are added later; the sorted others are returned."""
    names = sorted(path for path in images.iterdir() if path.suffix.lower() in ENDINGS)
    step = len(names) // _ADDED
    for path in names[step // 2 :: step][:_ADDED]:
        path.rename(aside / path.name)
    return sorted(path for path in names if path.exists())


def differing(one: Path, other: Path, name: str) -> list[str]:
    """Files of an artefact that two runs do not both have with the same bytes."""
    places = {path.relative_to(root) for root in (one, other) for path in (root / name).rglob("*") if path.is_file()}
    return [str(place) for place in sorted(places) if _bytes(one / place) != _bytes(other / place)]


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def main() -> None:
    """Run, change the folder, run again, and compare with a run from nothing."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("folder", type=Path)
    given, settings = parser.parse_known_args()
    images, aside, place = given.folder / "images", given.folder / "aside", given.folder / "run"
    shutil.copytree(given.images, images)
    aside.mkdir()
    kept = take_away(images, aside)
    full = run("run", images, place, "--to", "export", *settings)
    for path in aside.iterdir():
        path.rename(images / path.name)
    kept[7].unlink()
    kept[9].rename(kept[9].with_name(f"renamed{kept[9].suffix}"))
    again = run("run", images, place, "--to", "export", "--keep-classes")
    done, fresh = pipeline.existing_run(place), pipeline.open_run(given.folder / "fresh")
    chosen = pipeline.resolve(done)
    pipeline.keep_classes(fresh, chosen, done)
    pipeline.work(fresh, chosen, no_track, stop="export")
    other = {name: found for name in ARTEFACTS if (found := differing(done.root, fresh.root, name))}
    said = f"OTHER BYTES: {other}" if other else "same bytes"
    print(f"again: {100 * again / full:.0f} % of the full run; a run from nothing in the same classes: {said}")


if __name__ == "__main__":
    main()
