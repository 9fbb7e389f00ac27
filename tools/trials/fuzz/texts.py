"""Damaged tables, settings, lists and label maps through the commands that read them."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from trials import small_run
from trials.child import Ended, each, segpipe
from trials.mutations import matlab_file, mutations, text_mutations
from trials.row import Row

GOOD = ("accepted", "one-line error")
BAD = ("long error", "too much memory", "internal error", "crash", "hang")
_SECONDS = 60.0
_MEMORY = 1 << 30

_QUICK = ("points of `name`", "sites of `cover`", "settings of --config", "list of images", "label of potsdam3, mat")

Damage = Callable[[int, int], Iterator[bytes]]
"""From how many and a seed to damaged contents."""


@dataclass(frozen=True)
class Given:
    """A file that a person gives."""

    what: str
    damage: Damage
    place: str
    """Where it is written, from the folder of the trial, which also holds a copy of the run in `run/`."""
    work: Callable[[Path, Path], Callable[[], None]]
    """From the folder of the trial and that of the photographs to what is done."""
    beside: Callable[[Path, Path], None] | None = None
    """Lays what else the command needs."""


def measure(folder: Path, given: argparse.Namespace, *, count: int) -> Iterator[Row]:
    """A row for each kind of file."""
    base = folder / "texts"
    shutil.rmtree(base, ignore_errors=True)
    run = small_run.make(base)
    small_run.done(segpipe("name", run, "-q"), base)
    for kind in _kinds(base / "data", run):
        if given.quick and kind.what not in _QUICK:
            continue
        row = Row(f"{kind.what}: damaged", GOOD, BAD)
        works = {}
        for number, content in enumerate(kind.damage(count, given.seed)):
            works[number] = content, partial(_try, kind, content, base, number)
        watched = each(
            ((n, do) for n, (_, do) in works.items()), base / "logs", jobs=given.jobs, seconds=_SECONDS, memory=_MEMORY
        )
        for number, ended in watched:
            row.add(_outcome(ended), f"{works[number][0][:120]!r}: {ended}")
            shutil.rmtree(base / f"{number}", ignore_errors=True)
        yield row


def _try(kind: Given, content: bytes, base: Path, number: int) -> None:
    place = base / f"{number}"
    small_run.copy(base / "run", place)
    if kind.beside is not None:
        kind.beside(place, base / "data")
    path = place / kind.place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    kind.work(place, base / "data")()


def _outcome(ended: Ended) -> str:
    if ended.fault:
        return ended.fault
    if ended.wordy:
        return "long error"
    return "accepted" if ended.code in (0, 4) else "one-line error"


def _kinds(data: Path, run: Path) -> Iterator[Given]:
    points, sites, classes = (_text(data / name) for name in ("points.csv", "sites.csv", "classes.txt"))
    with_classes = ("--classes", data / "classes.txt")
    yield Given("points of `evaluate`", points, "points.csv", _command("evaluate", "--labels"))
    yield Given("points of `name`", points, "points.csv", _command("name", "--points"))
    yield Given("points of `cover`", points, "points.csv", _command("cover", "--points"))
    yield Given("sites of `cover`", sites, "sites.csv", _command("cover", "--sites"))
    yield Given("class names", classes, "classes.txt", _command("evaluate", "--labels", data / "labels", "--classes"))
    yield Given("classes.yaml", _text(run / "classes.yaml"), "run/classes.yaml", _command("export", "-f", "classes"))
    yield Given("a run's config.yaml", _text(run / "config.yaml"), "run/config.yaml", _command("show"))
    yield Given(
        "settings of --config", partial(text_mutations, _SETTINGS), "my.yaml",
        lambda place, data: segpipe("run", data / "images", place / "new", "--dry-run", "--config", place / "my.yaml"),
    )  # fmt: skip
    listed = "".join(f"{path}\n" for path in sorted((data / "images").rglob("*.*")))
    yield Given(
        "list of images", partial(text_mutations, listed), "list.txt",
        lambda place, data: segpipe("index", place / "list.txt", place / "new", "-q"),
    )  # fmt: skip
    whole = _labels_of(data)
    name = whole.relative_to(data).with_suffix("").as_posix()
    for ending in ("png", "tif", "bmp"):
        yield Given(
            f"label map, {ending}", partial(mutations, _as(whole, ending)), f"{name}.{ending}",
            _command("evaluate", *with_classes, "--labels"), _lay_labels,
        )  # fmt: skip
    labels = matlab_file("gt", np.random.default_rng(0).integers(0, 6, (24, 32), dtype=np.uint8))
    yield Given("label of potsdam3, mat", partial(mutations, labels), "gt.mat", _read_coded)
    yield Given(
        "list of potsdam3", partial(text_mutations, "one\ntwo\nthree\n"), "set/labelled_train.txt",
        lambda place, _: segpipe("index", place / "set", place / "new", "-q", *_POTSDAM), _lay_set,
    )  # fmt: skip


_SETTINGS = """\
cluster: {k: 12, method: kmeans}
extract:
  backbone: classical   # no weights
  input_size: 96
index: {crops: windows, window: 120, overlap: 0.5, bands: [3, 2, 1]}
train: {method: pca, dim: 8}
export: {formats: [png, coco]}
refine: {crf_iterations: 1}
"""
_POTSDAM = ("--set", "index.layout=potsdam3", "--set", "index.split=train")


def _text(path: Path) -> Damage:
    return partial(text_mutations, path.read_text("utf-8"))


def _command(name: str, *options: str | Path) -> Callable[[Path, Path], Callable[[], None]]:
    """A command on the run; where the last option wants a value it is the file, or the folder, that was damaged."""

    def work(place: Path, _: Path) -> Callable[[], None]:
        given = [path for path in place.iterdir() if path.name != "run"]
        return segpipe(name, place / "run", "-q", *options, *given)

    return work


def _labels_of(data: Path) -> Path:
    """The label map that is damaged."""
    return max((data / "labels").glob("*.png"))


def _as(path: Path, ending: str) -> bytes:
    out = BytesIO()
    with Image.open(path) as image:
        image.save(out, {"png": "PNG", "tif": "TIFF", "bmp": "BMP"}[ending])
    return out.getvalue()


def _lay_labels(place: Path, data: Path) -> None:
    shutil.copytree(data / "labels", place / "labels")
    _labels_of(place).unlink()


def _lay_set(place: Path, _: Path) -> None:
    (place / "set" / "imgs").mkdir(parents=True)
    rgb = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    for name in ("one", "two", "three"):
        (place / "set" / "imgs" / f"{name}.mat").write_bytes(matlab_file("img", rgb))


def _read_coded(place: Path, _: Path) -> Callable[[], None]:
    """The reader of labels of published sets, as `evaluate` calls it."""
    from segpipe.base.errors import SegpipeError
    from segpipe.labels.encodings import read_coded

    def work() -> None:
        try:
            read_coded(place / "gt.mat", "potsdam3")
        except SegpipeError as error:
            print(f"error: {error}")
            sys.exit(error.exit_code)

    return work
