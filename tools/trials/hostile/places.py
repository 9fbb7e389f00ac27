"""Places that are no files: pipes, sockets, devices, loops of links; and runs whose names lead out of them."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from trials import small_run
from trials.child import Ended, each, one, segpipe
from trials.hostile import checks
from trials.mutations import small_file
from trials.row import Row, sample

GOOD = ("told", "one-line error", "ok")
BAD = ("lost", "escaped", "long error", "too much memory", "internal error", "crash", "hang")
_SECONDS = 60.0
_MEMORY = 2 << 30


def measure(folder: Path, given: argparse.Namespace) -> Iterator[Row]:
    """A row for places among the images, one for places that are given, one for runs whose names lead outside."""
    base = folder / "places"
    shutil.rmtree(base, ignore_errors=True)
    small_run.make(base)
    yield _among(base)
    row = Row("places: given as image, table, settings, model or run", GOOD, BAD)
    tries = sample(_given(base), 6 if given.quick else given.sample, given.seed)
    for name, ended in each(tries, base / "logs", jobs=given.jobs, seconds=_SECONDS, memory=_MEMORY):
        row.add(_outcome(ended), f"{name}: {ended}")
    yield row
    row = Row("places: a run whose names lead outside", GOOD, BAD)
    for name, work in sample(_leading(base), 2 if given.quick else given.sample, given.seed):
        before = checks.listing(base, base / "x" / "run", base / "logs")
        ended = one(work, base / "logs", seconds=_SECONDS, memory=_MEMORY)
        left = list(checks.changed(before, checks.listing(base, base / "x" / "run", base / "logs")))
        strange = [where for _, where in left if "/places/x" not in where]
        row.add("escaped" if strange else _outcome(ended), f"{name}: {strange[:2]} {ended}")
        shutil.rmtree(base / "x", ignore_errors=True)
    yield row


def _outcome(ended: Ended) -> str:
    if ended.fault or ended.wordy:
        return ended.fault or "long error"
    return "ok" if ended.code in (0, 4) else "one-line error"


def _among(base: Path) -> Row:
    """All of them in one folder of images, through `index`: it ends, the image is used, each other one is told of."""
    row = Row("places: among the images of `index`", GOOD, BAD)
    images = base / "in"
    images.mkdir()
    whole = small_file("png", base)
    for name in ("whole.png", "d.jpg/inside.png"):
        (images / name).parent.mkdir(exist_ok=True)
        (images / name).write_bytes(whole)
    places = _lay(images)
    ended = one(segpipe("index", images, base / "indexed", "-q"), base / "logs", seconds=_SECONDS, memory=_MEMORY)
    if ended.fault or ended.code not in (0, 4):
        row.add(ended.fault or "lost", str(ended))
        return row
    told = (base / "indexed" / "corpus" / "rejected.jsonl").read_text("utf-8")
    used = (base / "indexed" / "corpus" / "corpus.jsonl").read_text("utf-8")
    for name in ("whole.png", "d.jpg/inside.png"):
        row.add("ok" if f'"{name}"' in used else "lost", name)
    for name in places:
        row.add("told" if f'"{name}"' in told and f'"{name}"' not in used else "lost", name)
    shutil.rmtree(images)
    return row


def _lay(folder: Path) -> list[str]:
    """Make every kind of place that is no image; their names."""
    links = {
        "loop.png": "other.png", "other.png": "loop.png", "self.jpg": "self.jpg", "zero.png": "/dev/zero",
        "null.jpg": "/dev/null", "random.tif": "/dev/urandom", "mem.tif": "/proc/self/mem",
        "maps.png": "/proc/self/maps",
        "kcore.bmp": "/proc/kcore", "stdin.png": "/dev/stdin", "outside.jpg": "/etc/passwd", "gone.webp": "nowhere",
        "up.png": "..", "fd.png": "/proc/self/fd", "root.png": "/", "film.mp4": "/dev/zero",
        "proc.tif": "/proc/self/root",
        "long.png": "a" * 250, "cwd.avi": "/proc/self/cwd",
    }  # fmt: skip
    for name, target in links.items():
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe.jpg")
    os.mkfifo(folder / "pipe.mp4")
    here = os.getcwd()  # noqa: PTH109
    os.chdir(folder)  # the name of a socket has 108 bytes
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("socket.png")
    finally:
        os.chdir(here)
    return [*links, "pipe.jpg", "pipe.mp4", "socket.png"]


def _given(base: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Every place as every argument that names a file or a folder."""
    spare = base / "spare"
    spare.mkdir()
    _lay(spare)
    (spare / "file.txt").write_text("x")
    (spare / "theirs").mkdir()
    (spare / "theirs" / "precious.txt").write_text("x")
    run, images = base / "run", base / "data" / "images"
    labels = base / "data" / "labels"
    commands: dict[str, tuple[str | Path, ...]] = {
        "images": ("index", "{}", base / "new"),
        "config": ("run", images, base / "new", "--dry-run", "--config", "{}"),
        "weights": ("run", images, base / "new", "--backbone", "vit_tiny_patch16_224", "--weights", "{}"),
        "sites": ("cover", run, "--sites", "{}"),
        "labels": ("evaluate", run, "--labels", "{}"),
        "classes": ("evaluate", run, "--labels", labels, "--classes", "{}"),
        "model": ("apply", "{}", images, base / "new"),
        "run": ("run", images, "{}", "--to", "index"),
        "shown": ("show", "{}"),
        "query": ("similar", run, "{}"),
        "bundle": ("bundle", run, "{}"),
    }
    places = [
        "/dev/zero",
        "/dev/null",
        "/proc/self/mem",
        "/proc/self/maps",
        "/",
        "/proc",
        "",
        ".",
        "x" * 300,
        "/nowhere/x",
    ]
    places += [
        str(spare / name)
        for name in ("loop.png", "zero.png", "mem.tif", "socket.png", "file.txt", "theirs", "gone.webp")
    ]
    places += [
        os.fsdecode(b"/tmp/h\xff\xfe"),
        "/tmp/a\x1b[31m\n",
        "http://127.0.0.1:9/x.png",
        "/vsicurl/http://127.0.0.1:9/x",
        "~nobody/x",
    ]
    for what, arguments in commands.items():
        for place in places:
            if what in ("run", "bundle") and place.startswith(("/tmp", "http", "~", ".")):
                continue  # would be written
            given = [place if part == "{}" else part for part in arguments]
            yield f"{what} {place[:80]!r}", partial(_in_folder, base / "cwd", given)


def _in_folder(folder: Path, given: list[str | Path]) -> None:
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    segpipe(*given, "-q")()


_OUTSIDE = (
    "../../escaped",
    "/tmp/escaped",
    "../../../../escaped",
    "a/../../../escaped",
    "..",
    "",
    ".",
    "a\0b",
    "a/" * 900 + "b",
)


def _leading(base: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """A run whose images are called as files outside, and commands that write a file for each."""
    commands = {
        "export": ("export", "{}", "-f", "png", "-f", "color", "-f", "yolo", "-f", "coco", "-f", "cvat", "--force"),
        "refine": ("run", base / "data" / "images", "{}", "--to", "refine", "--force", "refine"),
        "report": ("report", "{}", "--force"),
        "name": ("name", "{}"),
    }
    for outside in _OUTSIDE:
        for field in ("id", "path"):
            for what, arguments in commands.items():
                name = f"{what}, {field} {outside[:40]!r}"
                yield name, partial(_lead, base, field, outside, arguments)


def _lead(base: Path, field: str, outside: str, arguments: tuple[str | Path, ...]) -> None:
    run = small_run.copy(base / "run", base / "x")
    for path in (run / "corpus" / "corpus.jsonl", run / "masks" / "index.jsonl"):
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        if field in rows[0]:
            rows[0][field] = outside
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    segpipe(*(run if part == "{}" else part for part in arguments), "-q")()
