"""The reader of MATLAB files against SciPy, which writes them, and which reads what is made here by hand."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from segpipe.images.matfile import IMAGE, LABELS, find_shape, read_variable


def saved(*, packed: bool = True, **arrays: object) -> io.BytesIO:
    file = io.BytesIO()
    savemat(file, arrays, do_compression=packed)
    file.seek(0)
    return file


def element(order: str, kind: int, content: bytes) -> bytes:
    return struct.pack(order + "II", kind, len(content)) + content + bytes(-len(content) % 8)


def by_hand(order: str, name: str, array: np.ndarray, *, shape: tuple[int, ...] | None = None) -> bytes:
    """A file in a chosen order of bytes."""
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(order + "H2s", 0x100, b"IM" if order == "<" else b"MI")
    sides = struct.pack(f"{order}{array.ndim}i", *(shape or array.shape))
    parts = element(order, 6, struct.pack(order + "II", 9, 0)) + element(order, 5, sides)
    parts += element(order, 1, name.encode()) + element(order, 2, array.tobytes("F"))
    return head + element(order, 14, parts)


@pytest.mark.parametrize("packed", [True, False])
def test_an_array_comes_back_as_scipy_wrote_it(packed: bool) -> None:
    rng = np.random.default_rng(0)
    tile, labels = (rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((50, 71, 4), (5, 7)))
    more = {"text": "a word", "cells": np.array([1, "two"], object), "s": {"a": 1.0}, "few": np.uint8([[7, 8]])}
    file = saved(packed=packed, **more, **{IMAGE: tile, LABELS: labels}, flag=np.ones((2, 2), bool))
    assert find_shape(file, IMAGE) == (50, 71, 4)
    assert find_shape(file, LABELS) == (5, 7)
    np.testing.assert_array_equal(read_variable(file, IMAGE), tile)
    np.testing.assert_array_equal(read_variable(file, IMAGE, planes=3), tile[..., :3])
    np.testing.assert_array_equal(read_variable(file, LABELS), labels)
    np.testing.assert_array_equal(read_variable(file, "few"), [[7, 8]])
    with pytest.raises(ValueError, match="'flag' is of type logical, not uint8"):
        find_shape(file, "flag")


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_orders_of_bytes_are_read_as_scipy_reads_them(order: str) -> None:
    array = np.random.default_rng(1).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    content = by_hand(order, IMAGE, array)
    np.testing.assert_array_equal(loadmat(io.BytesIO(content))[IMAGE], array)
    np.testing.assert_array_equal(read_variable(io.BytesIO(content), IMAGE), array)


def test_what_cannot_be_used_is_told() -> None:
    with pytest.raises(ValueError, match="without a variable 'img'; it holds other"):
        read_variable(saved(other=np.zeros((2, 2), np.uint8)), IMAGE)
    with pytest.raises(ValueError, match="'gt' is of type double, not uint8"):
        find_shape(saved(gt=np.zeros((2, 2))), LABELS)
    whole = saved(img=np.random.default_rng(1).integers(0, 256, (30, 30, 3), dtype=np.uint8)).getvalue()
    with pytest.raises(ValueError, match="damaged MATLAB file"):
        read_variable(io.BytesIO(whole[:136] + b"\0" * 40 + whole[176:]), IMAGE)
    with pytest.raises(ValueError, match="does not hold the 1000000000000 bytes of its shape"):
        read_variable(io.BytesIO(by_hand("<", IMAGE, np.zeros((2, 2), np.uint8), shape=(1000000, 1000000))), IMAGE)
    one = by_hand("<", IMAGE, np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match="holds 'img' twice"):
        read_variable(io.BytesIO(one + one[128:]), IMAGE)


def test_no_more_is_inflated_than_the_shape_says() -> None:
    small = by_hand("<", IMAGE, np.zeros((2, 2), np.uint8))
    bomb = zlib.compress(small[128:] + bytes(1 << 26))
    content = small[:128] + struct.pack("<II", 15, len(bomb)) + bomb
    assert find_shape(io.BytesIO(content), IMAGE) == (2, 2)
    with pytest.raises(ValueError, match="more bytes than its header says"):
        read_variable(io.BytesIO(content), IMAGE)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data(), st.booleans())
def test_damage_is_a_value_error_or_the_shape_that_was_told(data: st.DataObject, packed: bool) -> None:
    rng = np.random.default_rng(2)
    whole = saved(packed=packed, a=rng.integers(0, 9, (3, 3)), img=rng.integers(0, 256, (9, 8, 3), dtype=np.uint8))
    content = bytearray(whole.getvalue())
    length = len(content)
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, length - 1), st.integers(0, 255)), max_size=6)):
        content[at] = value
    file = io.BytesIO(bytes(content[: data.draw(st.integers(0, length) | st.just(length))]))
    try:
        shape, found = find_shape(file, IMAGE), read_variable(file, IMAGE)
    except ValueError:
        return
    assert found.shape == shape


@pytest.mark.parametrize("packed", [True, False])
def test_no_cut_file_is_read(packed: bool) -> None:
    tile = np.random.default_rng(3).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    whole = saved(packed=packed, img=tile).getvalue()
    for length in range(len(whole)):
        with pytest.raises(ValueError, match="MATLAB file"):
            read_variable(io.BytesIO(whole[:length]), IMAGE)
