"""Scaled reading against reading all pixels and averaging them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from PIL import Image as Pillow
from rasterio.enums import Resampling

from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.images.corpus_reader import open_original, read_original
from segpipe.images.scaled_reader import open_scaled, read_small
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.stages import ARTEFACTS, index
from segpipe.store.corpus import load_corpus
from segpipe.store.run_dir import RunDir
from tests.helpers.bands import write_bands
from tests.helpers.digests import sha256_of

RNG = np.random.default_rng(0)


def smooth_picture(height: int, width: int) -> np.ndarray:
    coarse = RNG.integers(0, 255, (5, 7, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def corpus_of(path: Path, size: Size, *, mosaic: bool, depth: str = "uint8") -> Corpus:
    image = Image(path.stem, path.name, size, depth, sha256_of(path), path.stat().st_size, mosaic=mosaic)
    scaling = {} if depth == "uint8" else {depth: (0.0, 1020.0)}
    return Corpus(path.parent, (image,), (Crop(0, Box(0, 0, size.height, size.width)),), scaling)


def write_mosaic(path: Path, rgb: np.ndarray, *, overviews: bool) -> None:
    with rasterio.open(
        path, "w", driver="GTiff", height=rgb.shape[0], width=rgb.shape[1], count=3, dtype=rgb.dtype, tiled=True,
        blockxsize=128, blockysize=128, transform=rasterio.Affine(0.5, 0, 10, 0, -0.5, 20), photometric="rgb",
    ) as out:  # fmt: skip
        out.write(np.moveaxis(rgb, -1, 0))
    if overviews:
        with rasterio.open(path, "r+") as out:
            out.build_overviews([2, 4, 8], Resampling.average)


@pytest.mark.parametrize("overviews", [False, True])
@pytest.mark.parametrize("deep", [False, True])
def test_a_box_of_a_mosaic_is_averaged(tmp_path: Path, overviews: bool, deep: bool) -> None:
    rgb = smooth_picture(700, 900)
    path = tmp_path / "m.tif"
    write_mosaic(path, rgb.astype(np.uint16) * 4 if deep else rgb, overviews=overviews)
    corpus = corpus_of(path, Size(700, 900), mosaic=True, depth="uint16" if deep else "uint8")
    with open_scaled(corpus, corpus.images[0]) as mosaic:
        assert mosaic.cheap(8) == overviews
        assert mosaic.block == Size(128, 128)
        for box, size in ((Box(0, 0, 700, 900), Size(88, 113)), (Box(100, 50, 256, 256), Size(256, 256))):
            found = mosaic.read(box, size)
            wanted = cv2.resize(rgb[box.slices], (size.width, size.height), interpolation=cv2.INTER_AREA)
            assert found.shape == wanted.shape
            assert np.abs(found.astype(int) - wanted).mean() < 3


def test_another_file_in_its_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    write_mosaic(path, smooth_picture(300, 300), overviews=False)
    corpus = corpus_of(path, Size(300, 300), mosaic=True)
    write_mosaic(path, smooth_picture(300, 300), overviews=False)
    with pytest.raises(CorpusError, match="has changed since it was indexed"), open_scaled(corpus, corpus.images[0]):
        pass


@pytest.mark.parametrize("orientation", [1, 6, 8])
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_a_small_photograph_is_the_large_one_averaged(tmp_path: Path, orientation: int, scale: int) -> None:
    path = tmp_path / "p.jpg"
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    Pillow.fromarray(smooth_picture(403, 611)).save(path, quality=95, exif=exif)
    size = Size(403, 611) if orientation == 1 else Size(611, 403)
    corpus = corpus_of(path, size, mosaic=False)
    found = read_small(corpus, corpus.images[0], scale)
    assert found is not None
    assert found.shape == (-(-size.height // scale), -(-size.width // scale), 3)
    whole = read_original(corpus, corpus.images[0]).rgb
    wanted = cv2.resize(whole, found.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(int) - wanted).mean() < 4


def test_files_of_other_kinds_are_left_to_others(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    Pillow.fromarray(smooth_picture(100, 90)).save(path)
    corpus = corpus_of(path, Size(100, 90), mosaic=False)
    assert read_small(corpus, corpus.images[0], 4) is None


def test_a_mosaic_of_channels_is_shown_as_people_see_it(tmp_path: Path) -> None:
    bands = np.random.default_rng(0).integers(0, 256, (4, 80, 90)).astype(np.uint8)
    write_bands(tmp_path / "m.tif", bands, ["B02", "B03", "B04", "B08"], meters=1)
    config = index.Config(images=str(tmp_path / "m.tif"), bands=("all",), window=32)
    run_dir = RunDir(tmp_path / "run", ARTEFACTS)
    index.run(config, run_dir, Runtime())
    corpus = load_corpus(run_dir.path("corpus"))
    (image,) = corpus.images
    assert image.mosaic
    with open_scaled(corpus, image) as mosaic:
        shown = mosaic.read(Box(10, 20, 30, 40), Size(30, 40))
    with open_original(corpus, image) as read:
        pixels = read(Box(10, 20, 30, 40))
    np.testing.assert_array_equal(shown, bands[[2, 1, 0], 10:40, 20:60].transpose(1, 2, 0))
    np.testing.assert_array_equal(pixels.rgb, shown)
    assert pixels.channels is not None
    np.testing.assert_array_equal(pixels.channels, bands[:, 10:40, 20:60].transpose(1, 2, 0))
