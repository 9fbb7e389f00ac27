"""What rasters say of their bands and missing pixels, right and wrong, through `index` as a user runs it."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image as Pillow

from segpipe.base.errors import CorpusError
from segpipe.base.runtime import Runtime
from segpipe.images.corpus_reader import read_original
from segpipe.images.headers import inspect
from segpipe.images.single import read_single
from segpipe.images.views import find_view
from segpipe.records.corpus import Corpus
from segpipe.records.view import PLAIN
from segpipe.stages import ARTEFACTS, index
from segpipe.store.corpus import load_corpus
from segpipe.store.run_dir import RunDir
from tests.images.test_rasters import noise, write


def indexed(images: Path, **settings: Any) -> tuple[Corpus, index.Summary]:
    run = RunDir(images.parent / "run", ARTEFACTS)
    summary = index.run(index.Config(images=str(images), **settings), run, Runtime(workers=1))
    return load_corpus(run.path("corpus")), summary


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


def waves(low: float, high: float, count: int = 3) -> np.ndarray:
    """Bands (count, 280, 320) float64 of a smooth picture that reaches from `low` to `high`."""
    y, x = np.mgrid[:280, :320]
    bands = np.stack([np.sin(x / (9 + i) + i) * np.cos(y / 17) for i in range(count)])
    return low + (high - low) * (bands + 1) / 2


@pytest.mark.parametrize("window", [64, 448])  # by windows, and as a whole
def test_no_data_of_single_bands_enters_no_scale(folder: Path, window: int) -> None:
    bands = waves(0, 1).astype(np.float32)
    bands[0, :60, :80] = bands[1, 100:160, :80] = -10_000
    bands[:, 200:220] = -10_000
    write(folder / "a.tif", bands, nodata=-10_000)
    corpus, _ = indexed(folder, window=window)
    low, high = corpus.scaling["float32"]
    assert -0.01 < low < 0.05
    assert 0.95 < high < 1.01
    assert corpus.images[0].mosaic is (window == 64)
    pixels = read_original(corpus, corpus.images[0])
    assert pixels.valid is not None
    np.testing.assert_array_equal(~pixels.valid, (bands == -10_000).all(axis=0))
    strict, _ = indexed(folder, window=window, nodata="any")
    pixels = read_original(strict, strict.images[0])
    assert pixels.valid is not None
    np.testing.assert_array_equal(~pixels.valid, (bands == -10_000).any(axis=0))


@pytest.mark.parametrize(("high", "dtype"), [((-900, 1140), "int16"), ((0, 10_000), "int16"), ((0, 65_535), "uint32")])
def test_unlike_rasters_have_scales_of_their_own(folder: Path, high: tuple[int, int], dtype: str) -> None:
    write(folder / "a.tif", waves(0, 1).astype(np.float32))
    alone = indexed(folder)[0]
    expected = read_original(alone, alone.images[0]).rgb
    write(folder / "b.tif", waves(*high).astype(dtype))
    corpus, summary = indexed(folder)
    np.testing.assert_array_equal(read_original(corpus, corpus.images[0]).rgb, expected)
    other = read_original(corpus, corpus.images[1]).rgb
    assert other.std() > 40
    assert sorted(corpus.scaling) == ["float32", "float32~2"]
    assert any("a scale of their own" in note and "b.tif" in note for note in summary.notes)


@pytest.mark.parametrize("window", [64, 448])  # by windows, and as a whole
def test_black_at_the_border_of_a_raster_on_the_earth_is_no_data_at_every_window(folder: Path, window: int) -> None:
    bands = waves(1, 250).astype(np.uint8)
    bands[:, 0] = 0  # a row of 320 pixels, which took a class where it was seen as picture
    bands[:, 100:120, 100:120] = 0  # inside: black, and picture
    write(folder / "a.tif", bands)
    corpus, summary = indexed(folder, window=window)
    pixels = read_original(corpus, corpus.images[0])
    assert pixels.valid is not None
    assert not pixels.valid[0].any()
    assert pixels.valid[1:].all()
    said = "a.tif: what is exactly black or white at its border is taken for no data"
    assert (said in summary.notes) is (window == 448)
    assert load_corpus(folder.parent / "run" / "corpus").images[0].view.collar is (window == 448)


def test_black_at_the_border_of_a_picture_without_a_place_is_picture(folder: Path) -> None:
    bands = waves(1, 250).astype(np.uint8)
    bands[:, 0] = 0
    Pillow.fromarray(np.ascontiguousarray(bands.transpose(1, 2, 0))).save(folder / "a.tif")
    corpus, _ = indexed(folder)
    assert read_original(corpus, corpus.images[0]).valid is None


def test_fills_that_nothing_declares_are_masked_and_said(folder: Path) -> None:
    bands = waves(0, 1).astype(np.float32)
    bands[:, :70] = np.finfo(np.float32).min
    write(folder / "a.tif", bands)
    corpus, summary = indexed(folder)
    pixels = read_original(corpus, corpus.images[0])
    assert pixels.valid is not None
    np.testing.assert_array_equal(~pixels.valid, np.arange(280)[:, None].repeat(320, 1) < 70)
    assert corpus.scaling["float32"][0] > -0.01
    assert "-3.402823e+38 far below all other values is taken for no data" in summary.notes[0]
    np.testing.assert_array_equal(read_single(folder / "a.tif").valid, pixels.valid)


@pytest.mark.parametrize("wanted", [(), (4, 1, 2), ("nir", "r", "g")])
def test_near_infrared_that_is_called_alpha_masks_nothing(folder: Path, wanted: tuple[int, ...]) -> None:
    bands = noise((4, 50, 60), "uint8")
    bands[3, :20] = 0  # water
    write(folder / "naip.tif", bands, photometric="rgb", alpha="yes")
    with rasterio.open(folder / "naip.tif", "r+") as out:
        for i, name in enumerate(("r", "g", "b", "nir"), 1):
            out.set_band_description(i, name)
    corpus, summary = indexed(folder, bands=wanted)
    pixels = read_original(corpus, corpus.images[0])
    assert pixels.valid is None
    shown = [3, 0, 1] if wanted else [0, 1, 2]
    np.testing.assert_array_equal(pixels.rgb, bands[shown].transpose(1, 2, 0))
    assert wanted or "band 4 is called alpha and is not nearly two-valued" in summary.notes[0]


@pytest.mark.parametrize("kind", ["msk", "aux"])
@pytest.mark.parametrize("window", [32, 448])
def test_files_beside_say_which_pixels_are_image(folder: Path, kind: str, window: int) -> None:
    bands = noise((3, 50, 60), "uint8")
    holes = np.zeros((50, 60), bool)
    holes[:20, 10:40] = True
    bands[:, holes] = 9
    bands[:, 30, 30] = 9 if kind == "aux" else 8
    write(folder / "a.tif", bands)
    if kind == "msk":
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(folder / "a.tif", "r+") as out:
            out.write_mask(~holes)
    else:
        notes = "".join(f'<PAMRasterBand band="{i}"><NoDataValue>9</NoDataValue></PAMRasterBand>' for i in (1, 2, 3))
        (folder / "a.tif.aux.xml").write_text(f"<PAMDataset>{notes}</PAMDataset>")
        holes |= (bands == 9).all(axis=0)
    beside = folder / ("a.tif.msk" if kind == "msk" else "a.tif.aux.xml")
    with rasterio.open(folder / "a.tif") as dataset:  # GDAL itself
        np.testing.assert_array_equal(dataset.dataset_mask() == 0, holes)
    corpus, summary = indexed(folder, window=window)
    pixels = read_original(corpus, corpus.images[0])
    assert pixels.valid is not None
    np.testing.assert_array_equal(~pixels.valid, holes)
    assert f"taken from {beside.name.removeprefix('a.tif')} beside the file" in summary.notes[0]
    assert beside in index.input_files(index.Config(images=str(folder)))
    beside.write_bytes(beside.read_bytes() + b" ")
    with pytest.raises(CorpusError, match="a file beside it has other bytes"):
        read_original(corpus, corpus.images[0])


def test_too_few_bands_blame_the_setting_and_no_library_speaks(
    folder: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    write(folder / "a.tif", noise((10, 30, 30), "uint16"), photometric="minisblack")
    with pytest.raises(CorpusError, match=r"has 10 bands, and index.bands=13,3,2 asks for band 13.*correct these set"):
        indexed(folder, bands=(13, 3, 2))
    with caplog.at_level(logging.DEBUG):
        corpus, summary = indexed(folder, bands=(10, 3, 2))
    assert corpus.bands == (10, 3, 2)
    assert "of 10 bands 10, 3, 2 are looked at as red, green, blue" in summary.notes[0]
    assert not [record for record in caplog.records if not record.name.startswith("segpipe")]
    assert "samples per pixel" not in "".join(capfd.readouterr())


def test_photographs_are_plain(tmp_path: Path) -> None:
    Pillow.fromarray(noise((20, 30, 3), "uint8")).save(tmp_path / "a.png")
    assert find_view(tmp_path / "a.png", inspect(tmp_path / "a.png"), (), any_band=False).view == PLAIN


def test_pages_that_are_not_looked_at_are_told(folder: Path) -> None:
    pages = [Pillow.fromarray(noise((1, 20, 30), "uint8")[0]) for _ in range(12)]
    pages[0].save(folder / "a.tif", save_all=True, append_images=pages[1:])
    notes = indexed(folder)[1].notes
    assert notes == ["a.tif: the first of 12 pages alone is taken; `magick IN.tif OUT-%03d.tif` makes a file of each"]


def test_strips_are_looked_at_in_pieces_of_the_size_of_others(folder: Path) -> None:
    Pillow.fromarray(noise((40, 12_000, 3), "uint8")).save(folder / "a.png")
    Pillow.fromarray(noise((5000, 1, 3), "uint8")).save(folder / "b.png")
    Pillow.fromarray(noise((60, 80, 3), "uint8")).save(folder / "c.png")
    corpus, summary = indexed(folder)
    assert [len(own) for own in corpus.crops_of] == [38, 313, 1]
    assert max(max(c.box.height / c.box.width, c.box.width / c.box.height) for c in corpus.crops) == 16
    assert summary.notes == [
        "a.png: a strip, looked at in 38 pieces",
        "b.png: a strip, looked at in 313 pieces",
        "b.png: looked at in parts of fewer than 8 pixels; they get masks, but make no classes",
    ]
