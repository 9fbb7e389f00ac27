"""Fingerprints of rows on disk."""

from pathlib import Path

import numpy as np

from segpipe.store.crop_keys import CROP_KEYS, load_keys, save_keys


def test_they_come_back(tmp_path: Path) -> None:
    keys = np.random.default_rng(0).integers(0, 256, (5, 16), np.uint8)
    save_keys(keys, tmp_path / CROP_KEYS)
    found = load_keys(tmp_path / CROP_KEYS)
    assert found is not None
    assert np.array_equal(found, keys)
    first = (tmp_path / CROP_KEYS).read_bytes()
    save_keys(keys, tmp_path / CROP_KEYS)
    assert (tmp_path / CROP_KEYS).read_bytes() == first  # without a date


def test_what_is_missing_or_damaged_is_none(tmp_path: Path) -> None:
    assert load_keys(tmp_path / CROP_KEYS) is None
    (tmp_path / CROP_KEYS).write_bytes(b"PK")
    assert load_keys(tmp_path / CROP_KEYS) is None
    save_keys(np.zeros(3, np.float32), tmp_path / CROP_KEYS)
    assert load_keys(tmp_path / CROP_KEYS) is None
