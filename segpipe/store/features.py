"""The feature store: frozen patch features of every crop in one zarr v3 group.

    patches (n, rows, cols, d) float16   one crop per chunk, some hundreds of crops per shard
            (n, 8 + rows * cols, c) uint8   where the header names a codec: what `records.codec` makes of a crop
    flipped                              the same of the mirrored crops, where the header says so
    mean (d,), directions (c, d) float32 the projection of the codec, where it has one
    vectors (n, d) float32               one pooled vector per crop
    valid   (n, rows, cols) uint8        1 where at least half of a patch shows image
    done    (n,) uint8                   1 once all of the crop's shard is on disk
    grids   (n, 2) uint16                rows and columns of the crop's own grid

Row i is crop i of the corpus. `rows` and `cols` are the largest of the corpus; a crop with a smaller grid fills the
top left and leaves the rest zero; packed, its patches come first. All but `done` and `grids` is checksummed. Every
shard has one writer and is written whole, because two writers in one shard lose each other's rows.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

from segpipe.base import files
from segpipe.base.errors import MachineError, UsageError
from segpipe.records.codec import Codec, packed_rows
from segpipe.records.features import FeatureHeader
from segpipe.store.zarr_groups import open_group, read_array, reading
from segpipe.store.zarr_rows import RowReader

NAME = "store.zarr"
_FORMAT = 1
_BEGUN = ".partial"
"""Ending of what is not whole yet: of a store that is laid out here, and of every file that zarr writes."""
_SHARD_BYTES = 48 << 20

Float16 = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class CropFeatures:
    """The features of one crop, as a backbone hands them over and the store takes them."""

    patches: npt.NDArray[Any]
    """(rows, cols, d) floats of the crop's own grid; bytes (8 + rows * cols, c) where a store has packed them."""
    vector: npt.NDArray[np.floating]
    """(d,)"""
    valid: npt.NDArray[np.bool_]
    """(rows, cols)"""
    flipped: npt.NDArray[Any] | None = None
    """The same of the mirrored crop, not mirrored back."""


def create_features(
    path: Path, header: FeatureHeader, grids: npt.NDArray[np.integer], codec: Codec | None = None
) -> None:
    """Lay out an empty store for crops with these grids (n, 2); it appears whole, or not at all.

    Args:
        path: the directory `features/` that will hold the store.
        header: goes to the group's attributes.
        grids: rows and columns of every crop.
        codec: packs the features; None where the header says float16.
    """
    if (codec is None) != (header.codec == "float16"):
        raise ValueError(f"a header of codec {header.codec} with {codec}")
    n, (rows, cols) = len(grids), grids.max(axis=0).tolist()
    # by the features' own size: what a shard's crops take in memory does not depend on how they are packed
    per_shard = int(np.clip(_SHARD_BYTES // (2 * rows * cols * header.dim), 1, 512))
    beside = path / f"{NAME}{_BEGUN}"  # zarr writes a file for every key: half of them must not be taken for a store
    group = zarr.create_group(beside, overwrite=True)
    # features hardly compress; only the zeros of a corpus of mixed shapes do
    mixed = len(np.unique(grids, axis=0)) > 1
    packing = [BloscCodec(cname="lz4", shuffle="noshuffle", clevel=1)] if mixed else []
    row = (rows, cols, header.dim) if codec is None else (packed_rows(rows * cols), codec.channels)
    for name in ("patches", "flipped") if header.flipped else ("patches",):
        group.create_array(
            name,
            shape=(n, *row),
            dtype="float16" if codec is None else "uint8",
            chunks=(1, *row),
            shards=(per_shard, *row),
            compressors=[*packing, Crc32cCodec()],
            fill_value=float("nan") if codec is None else 0,
        )
    checked = [ZstdCodec(), Crc32cCodec()]
    for name, shape, dtype in (("vectors", (n, header.dim), "float32"), ("valid", (n, rows, cols), "uint8")):
        chunks = (per_shard, *shape[1:])
        group.create_array(name, shape=shape, dtype=dtype, chunks=chunks, compressors=checked, fill_value=0)
    if codec is not None and codec.mean is not None and codec.directions is not None:
        for name, part in (("mean", codec.mean), ("directions", codec.directions)):
            group.create_array(name, data=part, chunks=part.shape, compressors=checked)
    done = group.create_array("done", shape=(n,), dtype="uint8", chunks=(per_shard,), fill_value=0)
    group.create_array("grids", shape=grids.shape, dtype="uint16", chunks=grids.shape)[:] = grids
    done.attrs["shard"] = per_shard
    group.attrs.update({"format": _FORMAT, **json.loads(json.dumps(header.to_dict()))})
    shutil.rmtree(path / NAME, ignore_errors=True)
    beside.rename(path / NAME)
    files.sync(path)


class FeatureStore:
    """Reads a finished store; rows are read from disk as they are asked for, nothing is kept."""

    def __init__(self, path: Path) -> None:
        """Open `features/`.

        Raises:
            UsageError: the store is missing, of another format, or not finished.
        """
        self._path = path
        self._group = open_group(path / NAME, "r")
        self.header = _header(self._group, path)
        self.grids = _grids(self._group, path)
        self._codec = _codec(self._group, self.header, path)
        self._patches = self._rows("patches")
        self._flipped = self._rows("flipped") if self.header.flipped else None

    def __len__(self) -> int:
        return len(self.grids)

    @property
    def shards(self) -> list[range]:
        """The crops of every shard, which is written and best read whole."""
        each = int(self._array("done").attrs["shard"])
        return [range(start, min(start + each, len(self))) for start in range(0, len(self), each)]

    def _array(self, name: str) -> Any:
        return self._group[name]

    def _rows(self, name: str) -> RowReader:
        with reading(self._path / NAME / name):
            array = self._array(name)
            return RowReader(
                self._path / NAME / name,
                shape=array.shape[1:],
                dtype=array.dtype,
                per_shard=array.shards[0],
                packed=len(array.compressors) > 1,
            )

    def check(self) -> None:
        """Refuse a store with unfinished rows.

        Raises:
            UsageError: some rows were never written.
        """
        missing = np.flatnonzero(np.asarray(self._array("done")[:]) == 0)
        if len(missing):
            raise UsageError(
                f"{self._path}: {len(missing)} of {len(self)} rows are not written, the first is {missing[0]}; "
                "run `segpipe extract` again"
            )

    def patches(self, row: int, *, flipped: bool = False) -> Float16:
        """The features of one crop on its own grid, (rows, cols, d) float16, unpacked."""
        rows, cols = self.grids[row]
        read = self._flipped if flipped else self._patches
        if read is None:
            raise UsageError(f"{self._path} holds no mirrored features; extract them with extract.flip=true")
        stored = read(row)
        if self._codec is None:
            return stored[:rows, :cols]
        return self._codec.decode(stored[: packed_rows(rows * cols)]).reshape(rows, cols, -1)

    def stored(self, rows: range) -> list[CropFeatures]:
        """All that is kept of crops that follow each other as `FeatureWriter` takes it, packed where a codec did so."""
        vectors, valid = self.vector_block(rows.start, rows.stop), self.valid_block(rows.start, rows.stop)
        found = []
        for row, vector, seen in zip(rows, vectors, valid, strict=True):
            height, width = self.grids[row]
            parts = []
            for read in filter(None, (self._patches, self._flipped)):
                whole = read(row)
                parts.append(whole[:height, :width] if self._codec is None else whole[: packed_rows(height * width)])
            found.append(CropFeatures(parts[0], vector, seen[:height, :width], *parts[1:]))
        return found

    def batch(self, rows: Sequence[int] | npt.NDArray[np.integer]) -> Float16:
        """The features of several crops in the order given, (len(rows), ROWS, COLS, d) float16, zero-padded grids."""
        if self._codec is None:
            return np.stack([self._patches(int(row)) for row in rows])
        found = np.zeros((len(rows), *self.grids.max(axis=0), self.header.dim), np.float16)
        for place, row in zip(found, rows, strict=True):
            height, width = self.grids[row]
            place[:height, :width] = self.patches(int(row))
        return found

    def valid(self, row: int) -> npt.NDArray[np.bool_]:
        """Which patches of one crop show image, (rows, cols) bool."""
        rows, cols = self.grids[row]
        return self._checked("valid", row)[:rows, :cols].astype(bool)

    def valid_block(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        """Which patches of the crops `start` to `stop` show image, (stop - start, ROWS, COLS) bool."""
        return self._checked("valid", slice(start, stop)).astype(bool)

    def vectors(self) -> npt.NDArray[np.float32]:
        """One pooled vector per crop, (n, d) float32."""
        return self._checked("vectors", slice(None))

    def vector_block(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        """The pooled vectors of the crops `start` to `stop`, (stop - start, d) float32."""
        return self._checked("vectors", slice(start, stop))

    def _checked(self, name: str, part: Any) -> npt.NDArray[Any]:
        return read_array(self._group, name, part, self._path / NAME)


class FeatureWriter:
    """Fills a store shard by shard; a shard that was finished is never touched again."""

    def __init__(self, path: Path) -> None:
        """Open a store that was laid out, into which others may be writing shards of their own."""
        self._path = path
        self._group = open_group(path / NAME, "r+")
        self.header = _header(self._group, path)
        self.grids = _grids(self._group, path)
        self._codec = _codec(self._group, self.header, path)
        self._shard = int(self._array("done").attrs["shard"])

    def _array(self, name: str) -> Any:
        return self._group[name]

    @property
    def shards(self) -> int:
        """How many there are."""
        return -(-len(self.grids) // self._shard)

    def rows(self, shards: range) -> range:
        """The rows of some shards."""
        return range(min(shards.start * self._shard, len(self.grids)), min(shards.stop * self._shard, len(self.grids)))

    def pending(self, shards: range | None = None) -> list[range]:
        """The rows of every shard that is not finished, or of every one among some."""
        rows = self.rows(range(self.shards) if shards is None else shards)
        done = np.asarray(self._array("done")[rows.start : rows.stop])
        found = (range(s, min(s + self._shard, rows.stop)) for s in rows[:: self._shard])
        return [each for each in found if not done[each.start - rows.start : each.stop - rows.start].all()]

    def names(self, shards: range) -> list[str]:
        """The files of some shards, from the directory `features/`; a chunk of nothing but zeros has none."""
        arrays = [*(("patches", "flipped") if self.header.flipped else ("patches",)), "valid", "vectors", "done"]
        rest = {name: "/0" * (self._array(name).ndim - 1) for name in arrays}
        return [f"{NAME}/{name}/c/{shard}{rest[name]}" for shard in shards for name in arrays]

    def clear(self) -> None:
        """Delete what processes that were killed were writing; once all is finished."""
        for left in (self._path / NAME).rglob(f"*{_BEGUN}"):
            left.unlink(missing_ok=True)

    def write(self, rows: range, features: Sequence[CropFeatures]) -> None:
        """Write one whole shard of `pending()` and mark it done."""
        if rows.start % self._shard or len(rows) != len(features):
            raise ValueError(f"rows {rows} with {len(features)} features are not one whole shard of {self._shard}")
        _, height, width = self._array("valid").shape
        valid = np.zeros((len(rows), height, width), np.uint8)
        for place, (r, c), item in zip(valid, self.grids[rows.start : rows.stop], features, strict=True):
            place[:r, :c] = item.valid
        span = slice(rows.start, rows.stop)
        self._array("patches")[span] = self._pack("patches", rows, [item.patches for item in features])
        if self.header.flipped:
            mirrored = [item.flipped for item in features if item.flipped is not None]
            self._array("flipped")[span] = self._pack("flipped", rows, mirrored)
        self._array("valid")[span] = valid
        self._array("vectors")[span] = np.stack([np.asarray(item.vector, np.float32) for item in features])
        self._array("done")[span] = 1

    def _pack(self, name: str, rows: range, features: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        array = self._array(name)
        packed = np.zeros((len(rows), *array.shape[1:]), array.dtype)
        for place, (r, c), patches in zip(packed, self.grids[rows.start : rows.stop], features, strict=True):
            if self._codec is None:
                place[:r, :c] = patches
            else:
                packed_already = patches.dtype == np.uint8
                place[: packed_rows(r * c)] = patches if packed_already else self._codec.encode(patches)
        return packed


def exists(path: Path) -> bool:
    """Whether a store was laid out here."""
    try:  # earlier versions laid out in place
        return (path / NAME / "grids" / "zarr.json").exists() and "format" in dict(open_group(path / NAME, "r").attrs)
    except MachineError:
        return False


def stored_header(path: Path) -> FeatureHeader:
    """What a store says of itself, finished or not.

    Raises:
        UsageError: the store is missing or of another format.
    """
    return _header(open_group(path / NAME, "r"), path)


def stored_codec(path: Path) -> Codec | None:
    """How a store packs its features, None where it does not.

    Raises:
        UsageError: the store is missing or of another format.
        MachineError: its bytes changed on disk.
    """
    group = open_group(path / NAME, "r")
    return _codec(group, _header(group, path), path)


def _header(group: zarr.Group, path: Path) -> FeatureHeader:
    attributes = dict(group.attrs)
    if attributes.pop("format", None) != _FORMAT:
        raise UsageError(f"{path / NAME} has another format than {_FORMAT}; run `segpipe extract` again")
    with reading(path / NAME / "zarr.json"):
        return FeatureHeader.of(attributes)


def _grids(group: zarr.Group, path: Path) -> npt.NDArray[np.int64]:
    """Rows and columns of every crop (n, 2); they have no checksum, but none exceeds what the store has room for."""
    grids = read_array(group, "grids", slice(None), path / NAME).astype(np.int64)
    with reading(path / NAME / "valid"):
        valid: Any = group["valid"]
        count, *most = valid.shape
    if grids.shape != (count, 2) or (grids < 1).any() or (grids > most).any():
        raise MachineError(f"{path / NAME / 'grids'}: bytes changed on disk; delete features/ and extract again")
    return grids


def _codec(group: zarr.Group, header: FeatureHeader, path: Path) -> Codec | None:
    if header.codec == "float16":
        return None
    if "directions" not in group:
        return Codec(header.dim)
    return Codec(header.dim, *(read_array(group, name, slice(None), path / NAME) for name in ("mean", "directions")))
