"""Files that would run code, given to every loader: pickles, objects in arrays, pickle codecs of zarr, YAML tags.

The code writes a file, the canary; where it lies there afterwards, the code was run.
"""

from __future__ import annotations

import argparse
import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trials import small_run
from trials.child import each, segpipe
from trials.row import Row, sample

GOOD = ("refused", "not read")
BAD = ("canary executed", "too much memory", "internal error", "crash", "hang")
_READERS = (
    ("show", "{run}"),
    ("export", "{run}", "-f", "classes", "-f", "png", "--force"),
    ("report", "{run}"),
    ("bundle", "{run}", "{run}/x.segpipe"),
    ("name", "{run}"),
    ("similar", "{run}", "{image}"),
    (
        "run",
        "{images}",
        "{run}",
        "--to",
        "refine",
        *(part for stage in ("mine", "train", "cluster", "refine") for part in ("--force", stage)),
    ),
)


class _Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return io.open, (str(self.path), "w")


def contents(canary: Path) -> dict[str, bytes]:
    """Contents that run code where they are unpickled, by what they are."""
    evil = _Canary(canary)
    objects, arrays, tensors, old = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(objects, np.array([evil, evil], object), allow_pickle=True)
    np.savez(arrays, centers=np.array([evil], object), neighbors=np.array([evil], object))
    torch.save({"state_dict": {"a": evil}}, tensors)
    torch.save({"state_dict": {"a": evil}}, old, _use_new_zipfile_serialization=False)
    return {
        "pickle": pickle.dumps(evil),
        "npy of objects": objects.getvalue(),
        "npz of objects": arrays.getvalue(),
        "pth": tensors.getvalue(),
        "pth of old": old.getvalue(),
        "tag of YAML": f"!!python/object/apply:io.open ['{canary}', w]\n".encode(),
        "settings with a tag": f"cluster: !!python/object/apply:io.open ['{canary}', w]\n".encode(),
    }


def measure(folder: Path, given: argparse.Namespace) -> Iterator[Row]:
    """A row for the files of a run, one for those that a person gives, one for zarr's codecs, one for bundles."""
    base = folder / "pickles"
    shutil.rmtree(base, ignore_errors=True)
    small_run.make(base)
    small_run.done(segpipe("name", base / "run", "-q"), base)
    yield _row("every file of a run is a pickle", _artefacts(base, given), base, given)
    yield _row("files that are given are pickles", _given(base), base, given)
    if given.quick:
        return
    yield _row("zarr with pickle codecs", _zarr(base), base, given)
    yield _row("a bundle's entries are pickles", _bundles(base), base, given)


Try = tuple[str, Path, Callable[[], None]]


def _row(what: str, tries: Iterator[Try], base: Path, given: argparse.Namespace) -> Row:
    row = Row(f"pickles: {what}", GOOD, BAD)
    all_ = sample(tries, 2 if given.quick else given.sample, given.seed)
    canaries = {name: canary for name, canary, _ in all_}
    works = ((name, work) for name, _, work in all_)
    for name, ended in each(works, base / "logs", jobs=given.jobs, seconds=120):
        ran = canaries[name].exists()
        outcome = "canary executed" if ran else ended.fault or ("refused" if ended.code else "not read")
        row.add(outcome, f"{name}: {ended}")
        shutil.rmtree(canaries[name].parent, ignore_errors=True)
    return row


def _filled(arguments: tuple[str, ...], run: Path, data: Path) -> list[str]:
    image = str(max((data / "images").glob("*.jpg")))
    places = {"{run}": str(run), "{images}": str(data / "images"), "{image}": image}
    found = []
    for part in arguments:
        for mark, place in places.items():
            part = part.replace(mark, place)
        found.append(part)
    return found


def _artefacts(base: Path, given: argparse.Namespace) -> Iterator[Try]:
    """Each file of the run replaced by each content, then each command that may read it."""
    run, number = base / "run", 0
    names = [path.relative_to(run) for path in sorted(run.rglob("*")) if path.is_file() and path.name != ".lock"]
    kinds = [name for i, name in enumerate(names) if name.suffix != ".png" or i % 7 == 0]
    for name in kinds:
        for kind in ("pickle", _fitting(name)):
            for arguments in _READERS:
                number += 1
                place = base / f"a{number}"
                yield (
                    f"{name} as {kind}, {arguments[0]}",
                    place / "canary",
                    partial(_replaced, base, place, name, kind, arguments),
                )


def _fitting(name: Path) -> str:
    return {".npz": "npz of objects", ".npy": "npy of objects", ".yaml": "tag of YAML"}.get(name.suffix, "pth")


def _replaced(base: Path, place: Path, name: Path, kind: str, arguments: tuple[str, ...]) -> None:
    run = small_run.copy(base / "run", place)
    (run / name).write_bytes(contents(place / "canary")[kind])
    segpipe(*_filled(arguments, run, base / "data"), "-q")()


def _given(base: Path) -> Iterator[Try]:
    """Weights, labels, tables, settings and images that are pickles."""
    images = "{images}"
    commands: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
        (
            "w.pth",
            ("pickle", "pth", "pth of old"),
            ("run", images, "{place}/new", "--backbone", "vit_tiny_patch16_224", "--weights"),
        ),
        (
            "w.safetensors",
            ("pickle", "pth"),
            ("run", images, "{place}/new", "--backbone", "vit_tiny_patch16_224", "--weights"),
        ),
        ("l.npy", ("npy of objects", "pickle"), ("evaluate", "{run}", "--labels")),
        ("l.csv", ("npy of objects", "pickle"), ("evaluate", "{run}", "--labels")),
        ("c.txt", ("pickle",), ("evaluate", "{run}", "--labels", "{data}/labels", "--classes")),
        ("s.csv", ("pickle",), ("cover", "{run}", "--sites")),
        ("c.yaml", ("tag of YAML", "settings with a tag", "pickle"), ("run", images, "{place}/new", "--config")),
        ("i.txt", ("pickle",), ("index", "{file}", "{place}/new")),
        ("i.png", ("pickle", "npy of objects", "pth"), ("index", "{file}", "{place}/new")),
        ("i.tif", ("pickle", "npz of objects", "pth"), ("index", "{file}", "{place}/new")),
        ("q.png", ("pickle",), ("similar", "{run}")),
        ("m.segpipe", ("pickle", "pth", "npz of objects"), ("apply", "{file}", images, "{place}/new")),
    )
    for name, kinds, arguments in commands:
        for kind in kinds:
            place = base / f"g_{name}_{kind}".replace(" ", "_")
            yield (
                f"{name} as {kind}, {arguments[0]}",
                place / "canary",
                partial(_give, base, place, name, kind, arguments),
            )


def _give(base: Path, place: Path, name: str, kind: str, arguments: tuple[str, ...]) -> None:
    run = small_run.copy(base / "run", place)
    file = place / name
    file.write_bytes(contents(place / "canary")[kind])
    parts = [
        part.replace("{place}", str(place)).replace("{data}", str(base / "data")).replace("{file}", str(file))
        for part in _filled(arguments, run, base / "data")
    ]
    segpipe(*parts, *(() if str(file) in parts else (file,)), "-q")()


def _zarr(base: Path) -> Iterator[Try]:
    """Arrays of the feature store whose metadata ask for pickles."""
    store = base / "run" / "features" / "store.zarr"
    for meta in sorted(store.rglob("zarr.json")):
        for codec in ("pickle", "numcodecs.pickle", "vlen-utf8"):
            name = meta.relative_to(store)
            place = base / f"z_{codec}_{name}".replace("/", "_")
            yield f"{name} with {codec}", place / "canary", partial(_codec, base, place, name, codec)
        place = base / f"z2_{meta.relative_to(store)}".replace("/", "_")
        yield f"{name} as zarr 2", place / "canary", partial(_codec, base, place, name, "")


def _codec(base: Path, place: Path, name: Path, codec: str) -> None:
    run = small_run.copy(base / "run", place)
    meta = run / "features" / "store.zarr" / name
    facts = json.loads(meta.read_text("utf-8"))
    for chunk in (path for path in meta.parent.rglob("*") if path.is_file() and path.name.isdigit()):
        chunk.write_bytes(contents(place / "canary")["pickle"])
    if codec:
        facts["codecs"] = [{"name": codec, "configuration": {}}]
        meta.write_text(json.dumps(facts), "utf-8")
    else:
        shape = facts.get("shape", [1])
        old = {"zarr_format": 2, "shape": shape, "chunks": shape, "dtype": "|O", "compressor": None, "order": "C"}
        meta.unlink()
        (meta.parent / ".zarray").write_text(
            json.dumps({**old, "fill_value": None, "filters": [{"id": "pickle"}]}), "utf-8"
        )
        (meta.parent / ".zgroup").write_text('{"zarr_format": 2}', "utf-8")
    segpipe("run", base / "data" / "images", run, "--to", "refine", "--force", "mine", "--force", "train", "-q")()


def _bundles(base: Path) -> Iterator[Try]:
    """A bundle each of whose entries is a pickle in turn."""
    small_run.done(segpipe("bundle", base / "run", base / "whole.segpipe", "-q"), base)
    with zipfile.ZipFile(base / "whole.segpipe") as archive:
        names = archive.namelist()
    for name in names:
        for kind in dict.fromkeys(("pickle", _fitting(Path(name)))):
            place = base / f"b_{name}_{kind}".replace(" ", "_")
            yield f"{name} as {kind}", place / "canary", partial(_bundle, base, place, name, kind)


def _bundle(base: Path, place: Path, name: str, kind: str) -> None:
    place.mkdir()
    with zipfile.ZipFile(base / "whole.segpipe") as source, zipfile.ZipFile(place / "m.segpipe", "w") as target:
        for info in source.infolist():
            evil = info.filename == name
            target.writestr(info.filename, contents(place / "canary")[kind] if evil else source.read(info))
    segpipe("apply", place / "m.segpipe", base / "data" / "images", place / "out", "-q")()
