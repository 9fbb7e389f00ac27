"""Stores that pack their features, against a plain statement of what packing may cost."""

from pathlib import Path

import numpy as np
import pytest
import zarr
from threadpoolctl import threadpool_limits

from segpipe.base.errors import MachineError
from segpipe.records.codec import Codec, channels_of, packed_rows, stored_bytes
from segpipe.records.features import FeatureHeader
from segpipe.store import features as store
from segpipe.store.features import CropFeatures, FeatureStore, FeatureWriter, create_features, stored_codec

DIM = 32
MIXED = np.array([[2, 3], [3, 2], [1, 3], [3, 3]] * 3)
UNIFORM = np.array([[3, 3]] * 12)


def codec_of(name: str) -> Codec:
    if name == "int8":
        return Codec(DIM)
    rng = np.random.default_rng(1)
    square, _ = np.linalg.qr(rng.normal(size=(DIM, DIM)))
    mean = rng.normal(size=DIM).astype(np.float32)
    return Codec(DIM, mean, square[: channels_of(name, DIM)].astype(np.float32))


def made(rng: np.random.Generator, grid: np.ndarray) -> CropFeatures:
    draw = [rng.normal(0, 3, (*grid, DIM)).astype(np.float16) for _ in range(2)]
    return CropFeatures(draw[0], rng.normal(size=DIM).astype(np.float32), rng.random(tuple(grid)) > 0.2, draw[1])


def plainly(codec: Codec, patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In double precision, what a lossless store would hand out, and the largest error of each of its numbers."""
    x = patches.reshape(-1, DIM).astype(np.float64)
    if codec.directions is None:
        return x, np.broadcast_to(np.ptp(x, axis=0) / 255 / 2, x.shape)
    directions = codec.directions.astype(np.float64)
    z = (x - codec.mean) @ directions.T
    return z @ directions + codec.mean, np.broadcast_to(np.ptp(z, axis=0) / 255 / 2 @ np.abs(directions), x.shape)


@pytest.fixture(params=["int8", "pca8"])
def codec(request: pytest.FixtureRequest) -> tuple[str, Codec]:
    return request.param, codec_of(request.param)


@pytest.mark.parametrize("grids", [UNIFORM, MIXED], ids=["uniform", "mixed"])
def test_what_is_read_back_differs_by_less_than_half_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: tuple[str, Codec], grids: np.ndarray
) -> None:
    monkeypatch.setattr(store, "_SHARD_BYTES", 5 * 2 * 9 * DIM)  # five rows a shard, the last one not full
    name, packing = codec
    header = FeatureHeader("vit", "token", (-1,), 48, 16, DIM, "mean", True, codec=name)
    create_features(tmp_path, header, grids, packing)
    rng, writer = np.random.default_rng(0), FeatureWriter(tmp_path)
    items = [made(rng, grid) for grid in grids]
    for rows in writer.pending():
        writer.write(rows, [items[row] for row in rows])
    found = FeatureStore(tmp_path)
    found.check()
    assert found.header == header
    for row, item in enumerate(items):
        for patches, flipped in ((item.patches, False), (item.flipped, True)):
            expected, most = plainly(packing, patches)
            back = found.patches(row, flipped=flipped)
            assert back.dtype == np.float16
            assert back.shape == patches.shape
            rounding = 2**-11 * np.abs(expected) + 1e-4
            assert (np.abs(back.reshape(-1, DIM) - expected) <= most + rounding).all()
        np.testing.assert_array_equal(found.valid(row), item.valid)
    np.testing.assert_array_equal(found.vectors(), np.stack([item.vector for item in items]))
    block = found.batch([11, 0, 0])
    assert block.shape == (3, 3, 3, DIM)
    for place, row in zip(block, (11, 0, 0), strict=True):
        r, c = grids[row]
        np.testing.assert_array_equal(place[:r, :c], found.patches(row))
        assert not place[r:].any()
        assert not place[:, c:].any()
    stored = zarr.open_group(tmp_path / store.NAME, mode="r")["patches"]
    assert stored.shape[1:] == (packed_rows(9), channels_of(name, DIM))
    np.testing.assert_array_equal(
        packing.decode(np.asarray(stored[3])[: packed_rows(int(grids[3].prod()))]).reshape(*grids[3], DIM),
        found.patches(3),
    )


def test_a_crop_unlike_all_others_and_one_of_one_color_are_not_cut_off(codec: tuple[str, Codec]) -> None:
    _, packing = codec
    far = np.full((6, DIM), 60_000.0, np.float32)
    far[0] = -60_000
    for patches in (far, np.full((6, DIM), 3.5, np.float32), np.ones((1, DIM), np.float32)):
        expected, most = plainly(packing, patches)
        inside = np.clip(expected, -65_504, 65_504)
        assert (np.abs(packing.decode(packing.encode(patches)) - inside) <= most + 2e-3 * np.abs(inside) + 1e-3).all()


def test_new_images_are_seen_as_the_store_would_hand_them_out(codec: tuple[str, Codec]) -> None:
    _, packing = codec
    patches = np.random.default_rng(0).normal(size=(2, 3, DIM)).astype(np.float32)
    settled = packing.round_trip(patches)
    stored = patches.astype(np.float16)  # what a store is given
    np.testing.assert_array_equal(settled.reshape(-1, DIM), packing.decode(packing.encode(stored)))
    for odd in (np.nan, 1e5):
        patches[0, 0, 0] = odd
        np.testing.assert_array_equal(packing.round_trip(patches), patches)


def test_the_bits_do_not_depend_on_threads() -> None:
    rng = np.random.default_rng(0)
    square, _ = np.linalg.qr(rng.normal(size=(384, 384)))
    packing = Codec(384, rng.normal(size=384).astype(np.float32), square[:84].astype(np.float32))
    patches = rng.normal(size=(1600, 384)).astype(np.float32)
    with threadpool_limits(1):
        packed = packing.encode(patches)
        alone = packing.decode(packed)
    np.testing.assert_array_equal(packing.encode(patches), packed)
    np.testing.assert_array_equal(packing.decode(packed), alone)


def test_an_eighth_of_the_bytes() -> None:
    for dim in (192, 384, 768, 1024):
        plain = stored_bytes("float16", dim, 400) + 4 * dim
        assert stored_bytes("pca8", dim, 400) + 4 * dim <= plain / 8
        assert stored_bytes("int8", dim, 400) <= 0.52 * plain


@pytest.mark.parametrize("array", ["patches", "directions", "vectors", "valid"])
def test_a_flipped_bit_is_found(tmp_path: Path, array: str) -> None:
    header = FeatureHeader("vit", "token", (-1,), 48, 16, DIM, "mean", False, codec="pca8")
    create_features(tmp_path, header, UNIFORM, codec_of("pca8"))
    rng = np.random.default_rng(0)
    FeatureWriter(tmp_path).write(range(12), [made(rng, grid) for grid in UNIFORM])
    (chunk,) = [path for path in (tmp_path / store.NAME / array / "c").rglob("*") if path.is_file()]
    raw = bytearray(chunk.read_bytes())
    raw[len(raw) // 3] ^= 1
    chunk.write_bytes(raw)

    def read() -> None:
        found = FeatureStore(tmp_path)
        found.batch(range(12))
        found.vectors()
        found.valid(0)

    with pytest.raises(MachineError, match="bytes changed on disk"):
        read()


def test_codec_and_header_belong_together(tmp_path: Path) -> None:
    header = FeatureHeader("vit", "token", (-1,), 48, 16, DIM, "mean", False, codec="int8")
    with pytest.raises(ValueError, match="header of codec int8 with None"):
        create_features(tmp_path, header, UNIFORM)
    create_features(tmp_path, header, UNIFORM, Codec(DIM))
    assert stored_codec(tmp_path) == Codec(DIM)
    with pytest.raises(ValueError, match="orthonormal"):
        Codec(2, np.zeros(2, np.float32), np.ones((1, 2), np.float32))
    with pytest.raises(ValueError, match="come together"):
        Codec(2, np.zeros(2, np.float32))
