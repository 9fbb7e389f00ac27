"""Damaged and cut images and films through `segpipe index`, many in a folder at once.

Where a whole folder fails, it is halved until the file is found that is to blame.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from trials.child import each, segpipe
from trials.mutations import FILMS, KINDS, cuts, mutations, small_file
from trials.row import Row

GOOD = ("decoded", "skipped with a reason")
BAD = ("lost", "truncated accepted", "too much memory", "internal error", "crash", "hang")
_BATCH = 200
_SECONDS = 240.0
_MEMORY = 2 << 30
_SETTINGS = {
    "index.max_pixels": 10**6, "index.frame_step": 1, "index.window": 16, "index.overlap": 0, "runtime.workers": 1
}  # fmt: skip


@dataclass(frozen=True)
class Damaged:
    """A file that is tried."""

    kind: str
    name: str
    content: bytes
    cut: bool


def damaged_files(folder: Path, *, mutated: int, cut: int, seed: int) -> list[Damaged]:
    """Files of every kind: `mutated` in all, and each kind cut at `cut` places."""
    found = []
    for kind in KINDS:
        whole = small_file(kind, folder)
        changed = mutations(whole, -(-mutated // len(KINDS)), seed)
        found += [
            Damaged(kind, f"{kind.replace('.', '_')}-{i:05}.{kind}", each, False) for i, each in enumerate(changed)
        ]
        found += [
            Damaged(kind, f"{kind.replace('.', '_')}-cut{n:07}.{kind}", whole[:n], True) for n in cuts(len(whole), cut)
        ]
    return found


def measure(folder: Path, given: argparse.Namespace, *, mutated: int, cut: int) -> Iterator[Row]:
    """Two rows for each kind: damaged, and cut short."""
    place = folder / "pictures"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    tried = damaged_files(place, mutated=mutated, cut=cut, seed=given.seed)
    rows = {
        (kind, short): Row(f"{kind}: {'cut short' if short else 'damaged'}, then `index`", GOOD, BAD)
        for short in (False, True)
        for kind in KINDS
    }
    for file, outcome, why in _outcomes(tried, place, given.jobs):
        rows[file.kind, file.cut].add(outcome, f"{file.name}, {len(file.content)} bytes: {why}")
    yield from rows.values()


def _outcomes(tried: Sequence[Damaged], place: Path, jobs: int) -> Iterator[tuple[Damaged, str, str]]:
    many = min(_BATCH, -(-len(tried) // jobs))
    rest = [tried[i : i + many] for i in range(0, len(tried), many)]
    number = 0
    while rest:
        works = {}
        for files in rest:
            work = place / f"{number}"
            number += 1
            _lay(files, work)
            sets = [part for pair in _SETTINGS.items() for part in ("--set", f"{pair[0]}={pair[1]}")]
            works[work] = files, segpipe("index", work / "in", work / "run", "-q", *sets)
        rest = []
        watched = each(
            ((work, do) for work, (_, do) in works.items()), place / "logs", jobs=jobs, seconds=_SECONDS, memory=_MEMORY
        )
        for work, ended in watched:
            files = works[work][0]
            fault = ended.fault or ("" if ended.code in (0, 4) else "internal error")
            if not fault:
                yield from _told(files, work)
            elif len(files) == 1:
                yield files[0], fault, str(ended)
            else:
                rest += [files[: len(files) // 2], files[len(files) // 2 :]]
            shutil.rmtree(work)


def _lay(files: Sequence[Damaged], work: Path) -> None:
    """The files, and beside them a whole one of each kind: it must stay what it is."""
    (work / "in").mkdir(parents=True)
    for file in files:
        (work / "in" / file.name).write_bytes(file.content)
    for kind in dict.fromkeys(("png", *(file.kind for file in files))):
        (work / "in" / f"whole.{kind}").write_bytes(small_file(kind, work))


def _told(files: Sequence[Damaged], work: Path) -> Iterator[tuple[Damaged, str, str]]:
    """What `index` says of each file, read as JSON without help of the package."""
    corpus = work / "run" / "corpus"
    images = _rows(corpus / "corpus.jsonl")
    used: dict[str, list[str]] = {}
    for image in images:
        used.setdefault(image.get("moment", {}).get("video", image["path"]), []).append(image["path"])
    told = {row["path"]: row["reason"] for row in _rows(corpus / "rejected.jsonl")}
    for file in files:
        whole = f"whole.{file.kind}"
        reason = told.get(file.name, "")
        if whole not in used or whole in told:
            yield file, "lost", f"beside it the whole file is not used: {told.get(whole)}"
        elif "\n" in reason or (not reason and file.name not in used):
            yield file, "lost", repr(reason)
        elif reason:
            yield file, "skipped with a reason", reason
        elif file.cut and (why := _missing(file, work, used)):
            yield file, "truncated accepted", why
        else:
            yield file, "decoded", ""


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _missing(file: Damaged, work: Path, used: dict[str, list[str]]) -> str:
    """What a file that was cut and is used lacks of the whole one; empty where nothing is missing."""
    whole = f"whole.{file.kind}"
    if file.kind in FILMS:
        frames = work / "run" / "corpus" / "frames"
        mine, all_ = ([_pixels(frames / path) for path in sorted(used[name])] for name in (file.name, whole))
        if len(mine) != len(all_):
            return f"{len(mine)} of {len(all_)} frames, and nothing is said"
        same = all(np.array_equal(one, other) for one, other in zip(mine, all_, strict=True))
        return "" if same else "frames differ, and nothing is said"
    try:
        found, wanted = (_pixels(work / "in" / name) for name in (file.name, whole))
    except Exception as error:  # whatever other readers throw at half a file
        return f"another reader: {error}"
    return "" if np.array_equal(found, wanted) else "pixels differ"


def _pixels(path: Path) -> Any:
    """Pixels of an image, by Pillow or by GDAL."""
    if path.name.endswith(("geo.tif", "tiled.tif")):
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as dataset:
                return dataset.read()
    with Image.open(path) as image:
        return np.asarray(image)
