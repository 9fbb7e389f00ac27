"""Bundles: one zip file that holds a model, without its images and without anything that could run code.

    bundle.json             format, settings, class names
    LICENCES.txt            for people
    head.safetensors        the head
    clusters.npz            the centers of the classes
    backbone.safetensors    weights of the network, or whitening.safetensors of the classical features
    codec.npz               mean and directions, where features are packed as principal components

Entries are not compressed and carry no dates: equal models make equal files.
"""

from __future__ import annotations

import errno
import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.shortage import raise_shortage
from segpipe.base.shown import quoted
from segpipe.records.bundle import Bundle
from segpipe.records.codec import Codec
from segpipe.records.features import FeatureHeader
from segpipe.records.legend import Legend
from segpipe.store.array_files import load_arrays, stored_entries

BACKBONE = "backbone.safetensors"
FILES = (
    "bundle.json",
    "LICENCES.txt",
    "head.safetensors",
    "clusters.npz",
    BACKBONE,
    "whitening.safetensors",
    "codec.npz",
)
_FORMAT = 1
_MOST_TEXT = 1 << 24  # bytes of bundle.json; that of 65,000 classes has 4 million
_DATE = (1980, 1, 1, 0, 0, 0)
_DAMAGE = (OSError, EOFError, KeyError, TypeError, ValueError, AttributeError, RuntimeError)
"""What a damaged zip or JSON raises: RuntimeError covers NotImplementedError of zipfile and RecursionError of json."""


def save_bundle(bundle: Bundle, path: Path, parts: Mapping[str, Path]) -> None:
    """Write a bundle; the file appears whole or not at all.

    Args:
        bundle: what it says of itself.
        path: the file; its folder is made.
        parts: the other files by their names in it, of `FILES`.
    """
    legend = bundle.legend
    facts = {
        "format": _FORMAT,
        "version": bundle.version,
        "features": bundle.header.to_dict() | {"weights": ""},  # a path of the machine it was made on
        "index": dict(bundle.index),
        "scaling": {depth: list(limits) for depth, limits in bundle.scaling.items()},
        "refine": dict(bundle.refine),
        "names": list(legend.names),
        "colors": legend.colors.tolist(),
        "classes_of": legend.classes_of.tolist(),
        "licence": bundle.licence,
        **({"guided": bundle.guided} if bundle.guided else {}),
    }
    files.clear_beside(path)
    with files.atomic(path) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as archive:
        texts = {"bundle.json": json.dumps(facts, indent=1), "LICENCES.txt": licences(bundle)}
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), text)
        for name in FILES:
            if name in parts:
                info = zipfile.ZipInfo(name, _DATE)
                info.file_size = parts[name].stat().st_size  # beyond 2 GiB the entry needs another form
                with parts[name].open("rb") as source, archive.open(info, "w") as target:
                    shutil.copyfileobj(source, target, 1 << 20)


def licences(bundle: Bundle) -> str:
    """What a person should know before passing a bundle on."""
    return (
        f"Made by segpipe {bundle.version} (Apache-2.0), which this file does not contain.\n"
        f"The weights of the backbone {bundle.header.backbone} are published under: {bundle.licence}. Pass them on "
        "under its terms.\nHead and clusters were learned from images of whoever made this file.\n"
        + (f"The classes are {bundle.guided}.\n" if bundle.guided else "")
    )


def open_bundle(path: Path, folder: Path) -> Bundle:
    """Read a bundle and lay its other files into a folder.

    Args:
        path: the file.
        folder: an existing one; only files named in `FILES` are written to it.

    Raises:
        UsageError: the file is missing, damaged, no bundle, or one of another format.
        MachineError: there is no room in the folder, or the file cannot be read for another reason of the machine's.
    """
    try:
        if path.exists() and not path.is_file():  # a device has no end to look for the zip's directory at
            raise ValueError("not a file")
        with zipfile.ZipFile(path) as archive:
            facts = json.loads(archive.read(_entries(archive)["bundle.json"]))
            if facts["format"] != _FORMAT:
                raise UsageError(
                    f"{path} has format {facts['format']}, this version reads {_FORMAT}; make it again with "
                    "`segpipe bundle`"
                )
            for info in archive.infolist():
                with archive.open(info) as source, (folder / info.filename).open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)  # and the checksum is compared
        return _bundle(facts)
    except (*_DAMAGE, zipfile.BadZipFile) as error:
        raise_shortage(_place(path, folder, error), error)
        raise UsageError(f"{path} is missing, damaged or no bundle ({error}); make it with `segpipe bundle`") from error


def _place(path: Path, folder: Path, error: BaseException) -> Path:
    """Where the machine is short: what is unpacked needs room, what is read does not."""
    return folder if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else path


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The entries by name: all that every bundle has, and no other than `FILES`."""
    found = {info.filename: info for info in stored_entries(archive)}
    surplus, missing = found.keys() - {*FILES}, {"bundle.json", "head.safetensors", "clusters.npz"} - found.keys()
    if surplus or missing:
        told = f"{min(surplus)!r} does not belong in it" if surplus else f"{min(missing)} is missing"
        raise ValueError(told)
    if found["bundle.json"].file_size > _MOST_TEXT:
        raise ValueError(f"bundle.json has {found['bundle.json'].file_size} bytes, at most {_MOST_TEXT} are read")
    return found


def save_codec(codec: Codec, path: Path) -> None:
    """Write how features are packed."""
    arrays: dict[str, Any] = {"dim": np.array(codec.dim)}
    if codec.mean is not None and codec.directions is not None:
        arrays |= {"mean": codec.mean, "directions": codec.directions}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_codec(path: Path) -> Codec | None:
    """Read what `save_codec` wrote; None where there is no such file.

    Raises:
        UsageError: it is damaged.
    """
    if not path.exists():
        return None
    try:
        arrays = load_arrays(path)
        return Codec(int(arrays["dim"]), arrays.get("mean"), arrays.get("directions"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise_shortage(path, error)
        raise UsageError(f"{path.name} of the bundle is damaged ({error}); make it with `segpipe bundle`") from error


def _bundle(facts: Mapping[str, Any]) -> Bundle:
    return Bundle(
        header=FeatureHeader.of(facts["features"]),
        index=facts["index"],
        scaling={depth: (low, high) for depth, (low, high) in facts["scaling"].items()},
        refine=facts["refine"],
        legend=Legend(
            _names(facts["names"]),
            np.array(facts["colors"], np.uint8).reshape(-1, 3),
            np.array(facts["classes_of"], np.int64),
        ),
        licence=facts["licence"],
        version=facts["version"],
        guided=str(facts.get("guided", "")),
    )


def _names(values: Any) -> tuple[str, ...]:
    """Names of classes as classes.yaml takes them; a ValueError where one is no text, or cannot be seen or written."""
    for value in values:
        if not isinstance(value, str) or not value.isprintable():
            raise ValueError(f"{quoted(value)} is no name of a class")
    return tuple(values)
