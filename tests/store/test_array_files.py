"""npz files by NumPy's own writer, and damaged ones that NumPy would allocate for."""

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from segpipe.store.array_files import load_arrays


def test_arrays_are_those_that_numpy_wrote(tmp_path: Path) -> None:
    arrays = {
        "matrix": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        "number": np.array(7),
        "empty": np.zeros((0, 4), np.int64),
        "text": np.array("reef"),
    }
    np.savez(tmp_path / "a.npz", allow_pickle=False, **arrays)
    found = load_arrays(tmp_path / "a.npz")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def entry(shape: str, descr: str = "<f4", content: bytes = b"") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (entry("(2000000000,)"), "holds 0 bytes"),
        (entry("(-1,)"), "holds 0 bytes"),
        (entry("(2,)", content=b"1234"), "holds 4 bytes"),
        (entry("(1,)", "|O", b"12345678"), "objects"),
        (b"no array", "magic"),
        (entry("(0,)").replace(b"\x01\x00", b"\x09\x00", 1), "unknown version"),
    ],
)
def test_damaged_arrays_are_refused_before_anything_is_allocated(tmp_path: Path, content: bytes, reason: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", content)
    tracemalloc.start()
    with pytest.raises(ValueError, match=reason):
        load_arrays(tmp_path / "a.npz")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_compressed_arrays_and_damaged_zips_are_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(10_000_000))
    with pytest.raises(ValueError, match="compressed"):
        load_arrays(tmp_path / "bomb.npz")
    held = io.BytesIO()
    np.savez(held, a=np.arange(64))
    whole = held.getvalue()
    four_five = bytes([4, *bytes(7), 5])  # in the array, and not in the heads, which hold the time of day
    assert whole.count(four_five) == 1
    for damaged in (b"", whole[:-30], whole.replace(four_five, bytes([4, *bytes(7), 6]))):
        (tmp_path / "a.npz").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"zip|CRC"):
            load_arrays(tmp_path / "a.npz")
