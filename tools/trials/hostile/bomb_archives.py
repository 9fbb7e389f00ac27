"""Bundles whose entries inflate, claim, repeat or mean too much."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from trials.child import segpipe

Try = tuple[str, Callable[[], None]]


def archives(base: Path) -> Iterator[Try]:
    """Bundles whose entries inflate, claim, repeat or lead elsewhere."""
    with zipfile.ZipFile(base / "whole.segpipe") as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    for name in whole:
        yield f"deflated_{name}", partial(_apply, base, f"deflated_{name}", partial(_deflated, whole, name))
    for name, content in {
        "deep": b"[" * 5_000_000, "integer": b'{"format": ' + b"9" * 5_000_000 + b"}", "names": _many_names(whole),
        "steps": _with(whole, "refine", "iterations", 10**9), "window": _with(whole, "index", "window", 10**9),
        "overlap": _with(whole, "index", "overlap", 0.999999), "canvas": _with(whole, "refine", "side", 10**9),
        "input": _with(whole, "features", "side", 10**9), "dim": _with(whole, "features", "dim", 10**12),
    }.items():  # fmt: skip
        yield (
            f"facts_{name}",
            partial(_apply, base, f"facts_{name}", partial(_stored, whole | {"bundle.json": content})),
        )
    huge = struct.pack("<Q", 1 << 62) + b"{}"
    claims = json.dumps({"a": {"dtype": "F32", "shape": [1 << 20, 1 << 20], "data_offsets": [0, 1 << 42]}}).encode()
    for name, content in {
        "header": huge, "claims": struct.pack("<Q", len(claims)) + claims,
        "nested": struct.pack("<Q", 1 << 20) + b"[" * (1 << 20),
    }.items():  # fmt: skip
        entry = "head.safetensors"
        yield f"tensors_{name}", partial(_apply, base, f"tensors_{name}", partial(_stored, whole | {entry: content}))
    for claimed in (True, False):
        label = "npz_claims" if claimed else "npz_deflated"
        entries = whole | {"clusters.npz": partial(npz, claimed=claimed)}
        yield label, partial(_apply, base, label, partial(_stored, entries))
    yield "many", partial(_apply, base, "many", partial(_stored, whole | {f"x{i}": b"" for i in range(60_000)}))


def _many_names(whole: dict[str, bytes]) -> bytes:
    facts = json.loads(whole["bundle.json"])
    count = 65_000
    return json.dumps(facts | {"names": [f"class {i}" for i in range(count)], "colors": [[0, 0, 0]] * count}).encode()


def _with(whole: dict[str, bytes], section: str, key: str, value: float) -> bytes:
    facts = json.loads(whole["bundle.json"])
    place = facts[section].get("crf") if key == "iterations" else facts[section]
    if not isinstance(place, dict) or key not in place:
        raise RuntimeError(f"bundles have no {section}, {key} any more")
    place[key] = value
    return json.dumps(facts).encode()


def npz(*, claimed: bool) -> bytes:
    """Arrays that claim, or inflate to, gigabytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED if claimed else zipfile.ZIP_DEFLATED) as archive:
        for name in ("centers", "neighbors", "scores"):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array_header_1_0(
                    entry, {"descr": "<f4", "fortran_order": False, "shape": (1 << 15, 1 << 16)}
                )
                for _ in range(1 if claimed else 128):
                    entry.write(bytes(1 << 23 if not claimed else 64))
    return out.getvalue()


def _deflated(whole: dict[str, bytes], name: str, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for each_, content in whole.items():
            if each_ != name:
                archive.writestr(each_, content)
                continue
            info = zipfile.ZipInfo(each_)
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as entry:
                for _ in range(512):
                    entry.write(b" " * (1 << 23))


def _stored(entries: Mapping[str, bytes | Callable[[], bytes]], path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content() if callable(content) else content)


def _apply(base: Path, name: str, write: Callable[[Path], None]) -> None:
    place = base / name
    place.mkdir()
    write(place / "m.segpipe")
    segpipe("apply", place / "m.segpipe", base / "data" / "images", place / "out", "-q", "--workers", "1")()
