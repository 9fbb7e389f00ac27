import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from segpipe.base.errors import MachineError, UsageError
from segpipe.records.codec import Codec
from segpipe.records.features import FeatureHeader
from segpipe.store import features as store
from segpipe.store.features import CropFeatures, FeatureStore, FeatureWriter, create_features

MIXED = np.array([[2, 3], [3, 2], [1, 3]] * 7)
UNIFORM = np.array([[3, 3]] * 21)


def header(*, flipped: bool = False) -> FeatureHeader:
    return FeatureHeader("vit", "token", (-1,), 48, 16, 5, "mean", flipped)


def made(rng: np.random.Generator, grid: np.ndarray, *, flipped: bool = False) -> CropFeatures:
    return CropFeatures(
        patches=rng.normal(size=(*grid, 5)).astype(np.float16),
        vector=rng.normal(size=5).astype(np.float32),
        valid=rng.random(tuple(grid)) > 0.2,
        flipped=rng.normal(size=(*grid, 5)).astype(np.float16) if flipped else None,
    )


@pytest.fixture(params=["uniform", "mixed", "flipped"])
def filled(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, list[CropFeatures]]:
    monkeypatch.setattr(store, "_SHARD_BYTES", 4 * 2 * 9 * 5)  # four rows a shard, the last one not full
    rng = np.random.default_rng(0)
    grids, flipped = UNIFORM if request.param == "uniform" else MIXED, request.param == "flipped"
    create_features(tmp_path, header(flipped=flipped), grids)
    writer = FeatureWriter(tmp_path)
    items = [made(rng, grid, flipped=flipped) for grid in grids]
    for rows in writer.pending():
        writer.write(rows, [items[row] for row in rows])
    return tmp_path, items


def test_rows_read_back_as_zarr_itself_reads_them(filled: tuple[Path, list[CropFeatures]]) -> None:
    path, items = filled
    features = FeatureStore(path)
    features.check()
    assert features.shards == [range(start, min(start + 4, 21)) for start in range(0, 21, 4)]
    whole = np.asarray(zarr.open_group(path / store.NAME, mode="r")["patches"][:])
    np.testing.assert_array_equal(features.batch(range(len(items))), whole)
    for row, item in enumerate(items):
        np.testing.assert_array_equal(features.patches(row), item.patches)
        np.testing.assert_array_equal(features.valid(row), item.valid)
        if item.flipped is not None:
            np.testing.assert_array_equal(features.patches(row, flipped=True), item.flipped)
    np.testing.assert_array_equal(features.vectors(), np.stack([item.vector for item in items]))
    np.testing.assert_array_equal(features.batch([20, 3, 3]), whole[[20, 3, 3]])


def test_a_row_is_copied_as_it_is_stored(filled: tuple[Path, list[CropFeatures]], tmp_path: Path) -> None:
    path, items = filled
    features = FeatureStore(path)
    np.testing.assert_array_equal(features.vector_block(3, 9), features.vectors()[3:9])
    create_features(tmp_path / "copy", features.header, features.grids)
    writer = FeatureWriter(tmp_path / "copy")
    for rows in writer.pending():
        writer.write(rows, features.stored(rows))
    for file in (path / store.NAME).rglob("*"):
        if file.is_file():
            assert (tmp_path / "copy" / file.relative_to(path)).read_bytes() == file.read_bytes(), file
    assert len(items) == len(features)


@pytest.mark.parametrize("name", ["int8", "pca8"])
def test_a_packed_row_is_copied_as_it_is_stored(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(5, 2)))[0].T.astype(np.float32)
    codec = Codec(5) if name == "int8" else Codec(5, np.ones(5, np.float32), directions)
    items, copied = [made(rng, grid) for grid in MIXED], list[CropFeatures]()
    for folder in ("a", "b"):
        create_features(tmp_path / folder, replace(header(), codec=name), MIXED, codec)
        writer = FeatureWriter(tmp_path / folder)
        for rows in writer.pending():
            writer.write(rows, [(copied or items)[row] for row in rows])
        features = FeatureStore(tmp_path / folder)
        copied = features.stored(range(len(items)))
    files = [sorted(path.read_bytes() for path in (tmp_path / f).rglob("*") if path.is_file()) for f in ("a", "b")]
    assert files[0] == files[1]


def test_mirrored_features_that_are_not_there(filled: tuple[Path, list[CropFeatures]]) -> None:
    features = FeatureStore(filled[0])
    if not features.header.flipped:
        with pytest.raises(UsageError, match=r"extract\.flip=true"):
            features.patches(0, flipped=True)


def test_unfinished_shards_are_pending_and_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_SHARD_BYTES", 4 * 2 * 9 * 5)
    create_features(tmp_path, header(), UNIFORM)
    rng = np.random.default_rng(0)
    writer = FeatureWriter(tmp_path)
    assert [len(rows) for rows in writer.pending()] == [4, 4, 4, 4, 4, 1]
    writer.write(range(4, 8), [made(rng, UNIFORM[0]) for _ in range(4)])
    assert range(4, 8) not in FeatureWriter(tmp_path).pending()
    with pytest.raises(UsageError, match="17 of 21 rows are not written, the first is 0"):
        FeatureStore(tmp_path).check()
    with pytest.raises(MachineError, match="missing"):
        FeatureStore(tmp_path).patches(0)


def test_a_shard_is_written_whole(tmp_path: Path) -> None:
    create_features(tmp_path, header(), UNIFORM)
    with pytest.raises(ValueError, match="not one whole shard"):
        FeatureWriter(tmp_path).write(range(2, 4), [])


def test_a_flipped_bit_is_found(filled: tuple[Path, list[CropFeatures]]) -> None:
    path, _ = filled
    shard = next((path / store.NAME / "patches" / "c" / "0").rglob("0"), None)
    assert shard is not None
    while shard.is_dir():
        shard = shard / "0"
    raw = bytearray(shard.read_bytes())
    raw[3] ^= 1
    shard.write_bytes(raw)
    features = FeatureStore(path)
    with pytest.raises(MachineError, match="bytes changed on disk"):
        features.batch([0, 1, 2, 3])


@pytest.mark.parametrize("codecs", [[{"name": "pickle"}], [{"name": "numcodecs.pickle"}], [{"name": "vlen-utf8"}], "x"])
def test_codecs_that_are_not_ours_are_damage(filled: tuple[Path, list[CropFeatures]], codecs: object) -> None:
    meta = filled[0] / store.NAME / "patches" / "zarr.json"
    meta.write_text(json.dumps(json.loads(meta.read_text("utf-8")) | {"codecs": codecs}), "utf-8")
    with pytest.raises(MachineError, match=r"patches: bytes changed on disk .* extract again"):
        FeatureStore(filled[0])


def test_no_store(tmp_path: Path) -> None:
    assert not store.exists(tmp_path)
    with pytest.raises(UsageError, match="is not a feature store"):
        FeatureStore(tmp_path)
