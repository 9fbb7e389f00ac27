"""Hostile names of images, classes, sites and labels through a run, its exports, its report and its bundle."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import rasterio
import yaml
from PIL import Image

from segpipe.base.csv_files import csv_text
from segpipe.base.errors import UsageError
from segpipe.store.class_names import load_naming
from trials.child import one, segpipe
from trials.hostile import checks
from trials.hostile.names import file_names, texts
from trials.mutations import small_file
from trials.row import Row
from trials.small_run import SETTINGS

GOOD = ("ok",)
BAD = (
    *("lost", "escaped", "formula in CSV", "raw control byte", "markup injected", "broken output"),
    *("too much memory", "internal error", "crash", "hang"),
)
_FORMATS = (
    *("png", "color", "overlay", "classes", "certainty", "video", "cog", "gpkg", "geoparquet", "points", "coco"),
    *("yolo", "cvat", "labelstudio", "fiftyone", "coralnet", "taglab"),
)
_QUICK = ("classes", "yolo", "labelstudio")
_SECONDS = 300.0


class _Place:
    """A folder with images of hostile names, and the commands that are done in it."""

    def __init__(self, base: Path, given: argparse.Namespace) -> None:
        shutil.rmtree(base, ignore_errors=True)
        self.base, self.images, self.run, self.out = base, base / "images", base / "run", base / "out"
        for folder in (self.images, base / "cwd", base / "tmp", base / "given"):
            folder.mkdir(parents=True)
        step = 7 if given.quick else 1
        self.names, self.texts = file_names()[::step], texts()[::step]
        for number, name in enumerate(self.names):
            _draw(self.images, name, number)
        self.tags = [
            m[0] for name in (*self.names, *map(str.encode, self.texts)) if (m := re.search(r"h\d{3}", _str(name)))
        ]

    def row(self, what: str, *arguments: str | Path, allowed: Sequence[int] = (0, 4)) -> Row:
        """One command, and what it says and leaves."""
        row = Row(f"names: {what}", GOOD, BAD)
        before = checks.listing(self.base, self.run, self.out, self.base / "tmp")
        ended = one(self._work(segpipe(*arguments)), self.base / "tmp" / "logs", seconds=_SECONDS)
        faults = list(checks.spoken(ended.said))
        faults += checks.changed(before, checks.listing(self.base, self.run, self.out, self.base / "tmp"))
        for folder in (self.run, self.out):
            faults += checks.written(folder)
        fault = ended.fault or ("" if ended.code in allowed else "internal error")
        row.add(fault or "ok", str(ended))
        row.notes["exit code"] = ended.code
        of: dict[str, checks.Fault] = {}
        for outcome, where in faults:
            found = checks.TAG.search(where)
            of.setdefault(found[0] if found else "", (outcome, where))
        for tag in dict.fromkeys((*self.tags, *of)):
            row.add(*(of.get(tag) or ("ok", "")))
        return row

    def _work(self, work: Callable[[], None]) -> Callable[[], None]:
        def inside() -> None:
            os.chdir(self.base / "cwd")
            os.environ["TMPDIR"] = str(self.base / "tmp")
            tempfile.tempdir = None
            work()

        return inside

    def listed(self) -> Row:
        """Whether each image of the folder is in the corpus or told of."""
        row = Row("names: each file is used or told of", GOOD, BAD)
        text = b"".join((self.run / "corpus" / name).read_bytes() for name in ("corpus.jsonl", "rejected.jsonl"))
        for name in self.names:
            tag = checks.TAG.search(_str(name))
            row.add("ok" if name.startswith(b".") or (tag and tag[0].encode() in text) else "lost", repr(name))
        return row


def measure(folder: Path, given: argparse.Namespace) -> Iterator[Row]:
    """A row for every command."""
    place = _Place(folder / "names", given)
    sets = ("--config", "demo", "-q", *SETTINGS, "--set", f"cluster.k={len(place.texts)}", *_MANY)
    yield place.row("`run`", "run", place.images, place.run, "--to", "refine", *sets)
    yield place.listed()
    _name_classes(place)
    yield place.row("`name`", "name", place.run, allowed=(0, 2))
    for format_ in _QUICK if given.quick else _FORMATS:
        yield place.row(f"`export -f {format_}`", "export", place.run, "-f", format_, allowed=(0, 2, 3))
    points = _points(place)
    yield place.row("`cover` by sites", "cover", place.run, "--sites", _sites(place))
    if not given.quick:
        yield place.row("`name` by points", "name", place.run, "--points", points)
        yield place.row("`evaluate` by points", "evaluate", place.run, "--labels", points)
        yield place.row("`show`", "show", place.run)
        yield place.row("`diff`", "diff", place.run, place.run)
        query = next(path for path in sorted(place.images.iterdir()) if path.suffix == ".jpg")
        yield place.row("`similar`", "similar", place.run, query)
    yield place.row("`report`", "report", place.run)
    if given.quick:
        return
    model = place.run / "reef.segpipe"
    yield place.row("`bundle`", "bundle", place.run, model)
    _rename_in(model, texts(), place.base / "given" / "theirs.segpipe")
    formats = [part for format_ in _FORMATS if format_ != "certainty" for part in ("-f", format_)]
    yield place.row("`apply`", "apply", model, place.images, place.out, *formats)
    theirs = place.base / "given" / "theirs.segpipe"
    shutil.rmtree(place.out, ignore_errors=True)
    yield place.row(
        "`apply` of a bundle with raw names", "apply", theirs, place.images, place.out, *_FEW, allowed=(0, 2, 4)
    )


_MANY = ("--set", "cluster.prototypes=200", "--set", "index.window=32", "--set", "refine.certainty=true")
_FEW = ("-f", "classes", "-f", "yolo", "-f", "cvat", "-f", "labelstudio", "-f", "coralnet")


def _str(name: bytes | str) -> str:
    return name if isinstance(name, str) else os.fsdecode(name)


def _draw(folder: Path, name: bytes, number: int) -> None:
    """An image of one of the kinds, of patches of colors of its own."""
    rng = np.random.default_rng(number)
    rgb = np.kron(rng.integers(0, 256, (3, 4, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    rgb += rng.integers(0, 16, rgb.shape, dtype=np.uint8) - 8
    path, kind = _str(name), number % 8
    if kind == 2 and number % 16 == 2:
        (folder / f"{path}.avi").write_bytes(small_file("avi", folder.parent / "tmp"))
    elif kind == 3:  # is skipped, so that its name is told
        (folder / f"{path}.png").write_bytes(b"no image")
    elif kind == 0:
        place = {"transform": rasterio.Affine(0.01, 0, 5e5 + number, 0, -0.01, 9e6), "crs": "EPSG:32737"}
        with rasterio.MemoryFile() as memory, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with memory.open(driver="GTiff", height=48, width=64, count=3, dtype="uint8", **place) as made:
                made.write(np.moveaxis(rgb, -1, 0))
            (folder / f"{path}.tif").write_bytes(memory.read())
    else:
        exif = Image.Exif()
        exif.get_ifd(0x8825).update({1: "S", 2: (4.0, 3.0, number / 10), 3: "E", 4: (39.0, 40.0, number / 10)})
        with (folder / f"{path}.{'jpg' if kind == 1 else 'png'}").open("wb") as file:
            Image.fromarray(rgb).save(file, "JPEG" if kind == 1 else "PNG", **({"exif": exif} if kind == 1 else {}))


def _name_classes(place: _Place) -> None:
    """Write classes.yaml with all names that it takes."""
    path = place.run / "classes.yaml"
    entries: dict[int, dict[str, str]] = {}
    for text in place.texts:
        wider = {**entries, len(entries): {"name": text}}
        path.write_text(yaml.safe_dump({"clusters": wider}, allow_unicode=True), "utf-8")
        try:
            load_naming(path).legend(len(place.texts))
            entries = wider
        except UsageError:
            continue  # refused in one line
    path.write_text(yaml.safe_dump({"clusters": entries}, allow_unicode=True), "utf-8")


def _ids(place: _Place) -> list[dict[str, object]]:
    lines = (place.run / "corpus" / "corpus.jsonl").read_bytes().decode("utf-8", "surrogateescape").split("\n")
    return [json.loads(line) for line in lines if line]


def _sites(place: _Place) -> Path:
    path = place.base / "given" / "sites.csv"
    names = [str(row["path"]).encode("utf-8", "replace").decode() for row in _ids(place) if "moment" not in row]
    rows = [(name, place.texts[i % len(place.texts)]) for i, name in enumerate(names)]
    path.write_text(csv_text(("image", "site"), rows), "utf-8", newline="")
    return path


def _points(place: _Place) -> Path:
    path = place.base / "given" / "points.csv"
    names = [str(row["path"]).encode("utf-8", "replace").decode() for row in _ids(place) if "moment" not in row]
    rows = [(name, 3 * k, 5 * k, place.texts[i % len(place.texts)]) for i, name in enumerate(names) for k in range(12)]
    path.write_text(csv_text(("image", "row", "column", "label"), rows), "utf-8", newline="")
    return path


def _rename_in(model: Path, names: Sequence[str], out: Path) -> None:
    """A bundle whose classes have names that no classes.yaml of ours would take."""
    with zipfile.ZipFile(model) as source, zipfile.ZipFile(out, "w") as target:
        for info in source.infolist():
            content = source.read(info)
            if info.filename == "bundle.json":
                facts = json.loads(content)
                raw = [*_RAW, *names][: len(facts["names"])]
                facts["names"] = raw + facts["names"][len(raw) :]
                content = json.dumps(facts).encode()
            target.writestr(info, content)


_RAW = (
    *(
        "\x1b[31mred h950",
        "a\nb h951",
        "a\rb h952",
        "a\0b h953",
        "\ud83d h954",
        "\udcff h955",
        "\u202e h956",
        "\x9b h957",
    ),
    *(
        "",
        " ",
        "x" * 100_000,
        "../../escaped h958",
        "/tmp/escaped h959",
        "<script>hostile() h960",
        "=1+1 h961",
        "\u2028 h962",
    ),
)
