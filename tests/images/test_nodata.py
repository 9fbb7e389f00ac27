from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from hypothesis import given
from hypothesis import strategies as st

from segpipe.images.nodata import fingerprint, parse_notes, stated_beside, survey
from tests.helpers.digests import sha256_of
from tests.images.test_rasters import noise, write


def test_notes_are_read_as_gdal_reads_them(tmp_path: Path) -> None:
    """GDAL writes the notes (a PNG holds no-data values for itself alone), and reads them back."""
    write(tmp_path / "a.tif", noise((3, 20, 30), "uint8"), nodata=7, driver="GTiff")
    rasterio.shutil.copy(tmp_path / "a.tif", tmp_path / "b.bmp", driver="BMP")
    notes = tmp_path / "b.bmp.aux.xml"
    with rasterio.open(tmp_path / "b.bmp") as seen:
        assert seen.nodatavals == (7, 7, 7)
    assert parse_notes(notes.read_text(), 3) == (7.0, 7.0, 7.0)
    notes.rename(tmp_path / "a.tif.aux.xml")
    (tmp_path / "a.tif.msk").touch()
    assert stated_beside(tmp_path / "a.tif", 3) == ((7.0, 7.0, 7.0), ("a.tif.aux.xml", "a.tif.msk"))
    assert stated_beside(tmp_path / "b.bmp", 3) == ((), ())
    own = fingerprint(tmp_path / "a.tif", ())
    assert own == sha256_of(tmp_path / "a.tif")
    both = fingerprint(tmp_path / "a.tif", ("a.tif.msk",))
    (tmp_path / "a.tif.msk").write_bytes(b"1")
    assert len({own, both, fingerprint(tmp_path / "a.tif", ("a.tif.msk",))}) == 3


@given(st.text(), st.integers(1, 5))
def test_any_text_is_notes_of_nothing_or_of_all_bands(text: str, bands: int) -> None:
    assert len(parse_notes(text, bands)) in (0, bands)


@given(st.floats(allow_nan=False), st.integers(1, 4), st.integers(1, 4))
def test_a_value_is_that_of_its_band(value: float, band: int, bands: int) -> None:
    text = (
        f'<x><PAMRasterBand band="{band}"><NoDataValue le_hex_encoding="0">{value!r}</NoDataValue></PAMRasterBand></x>'
    )
    found = parse_notes(text, bands)
    assert found == (tuple(value if i == band else None for i in range(1, bands + 1)) if band <= bands else ())


@pytest.mark.parametrize(
    ("dtype", "fill", "low", "high", "recognized"),
    [
        ("float32", -9999.0, 0.0, 1.0, True),
        ("float32", float(np.finfo(np.float32).min), -30.0, 4000.0, True),
        ("int16", -32768, -900, 1140, True),
        ("int16", -9999, 0, 10_000, True),  # Sentinel-2 times 10,000
        ("int16", -32768, -32_000, 32_000, False),  # the least of values that go everywhere
        ("float32", -9999.0, -9990.0, 0.0, False),  # a depth among others
        ("float32", -7.0, 0.0, 1.0, False),
    ],
)
def test_fills_that_nothing_declares(
    tmp_path: Path, dtype: str, fill: float, low: float, high: float, recognized: bool
) -> None:
    rng = np.random.default_rng(0)
    bands = rng.uniform(low, high, (1, 60, 80)).astype(dtype)
    bands[0, :20, :30] = fill
    write(tmp_path / "a.tif", bands)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        found = survey(dataset, [1], (None,), None)
        declared = survey(dataset, [1], (fill,), None)
    assert found.fill == (fill if recognized else None)
    assert declared.fill is None
    exact = np.percentile(bands[bands != np.asarray(fill, dtype)].astype(float), (0.5, 99.5))
    assert (declared.low, declared.high) == pytest.approx(tuple(exact))
    if recognized:
        assert (found.low, found.high) == pytest.approx(tuple(exact))


@pytest.mark.parametrize("blocks", [{}, {"tiled": True, "blockxsize": 256, "blockysize": 256}])
def test_a_large_raster_is_looked_at_in_part_and_its_fill_is_found(tmp_path: Path, blocks: dict[str, Any]) -> None:
    bands = np.random.default_rng(0).uniform(0, 1, (1, 600, 9000)).astype(np.float32)
    bands[0, 3, 4567] = -9999  # one pixel: the least of a cell is looked at whatever is chosen of it
    write(tmp_path / "a.tif", bands, **blocks)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        found = survey(dataset, [1], (None,), None)
    assert found.fill == -9999
    assert (found.low, found.high) == pytest.approx((0.005, 0.995), abs=0.002)


@pytest.mark.parametrize(("kind", "believed"), [("hole", True), ("feathered", True), ("infrared", False)])
def test_an_alpha_has_two_values(tmp_path: Path, kind: str, believed: bool) -> None:
    bands = noise((4, 100, 100), "uint8")
    bands[3] = 255
    bands[3, :40] = 0
    if kind == "feathered":
        bands[3, 40] = np.arange(100)
    if kind == "infrared":
        bands[3, 40:] = np.random.default_rng(1).integers(40, 200, (60, 100))
    write(tmp_path / "a.tif", bands, photometric="rgb", alpha="yes")
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert survey(dataset, [1, 2, 3], (None,) * 3, 4).two_valued is believed
