import errno
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from segpipe.base.errors import MachineError
from segpipe.images.decoding import decoding, quiet
from segpipe.images.headers import BadImage
from segpipe.images.readers import probe_image

LIMIT = 10**7


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth picture with some noise: no two rows or columns alike."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([255 * x / width, 255 * y / height, 127 + 100 * np.sin(x / 3 + y / 5)], axis=-1)
    return np.clip(rgb + rng.normal(0, 6, rgb.shape), 0, 255).astype(np.uint8)


def write_tiff(path: Path, bands: np.ndarray, **profile) -> Path:
    """Write (bands, H, W) with GDAL."""
    count, height, width = bands.shape
    interp = profile.pop("colorinterp", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(
            path, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype, **profile
        ) as out:
            if interp:
                out.colorinterp = interp
            out.write(bands)
    return path


def test_warnings_stay_inside_and_filters_come_back_after_threads(tmp_path):
    Image.fromarray(photo(30, 40)).save(tmp_path / "a.jpg")
    write_tiff(tmp_path / "b.tif", np.ones((1, 9, 9), np.uint16))
    before = list(warnings.filters)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                probe_image(tmp_path / "a.jpg", max_pixels=LIMIT)
                probe_image(tmp_path / "b.tif", max_pixels=LIMIT)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert list(warnings.filters) == before


def test_whatever_a_decoder_throws_becomes_one_error_of_one_line(tmp_path):
    path = tmp_path / "a.tif"
    for error, text in (
        (RuntimeError("two\n  lines"), "cannot be decoded: two lines"),
        (KeyError(), "cannot be decoded: KeyError"),
    ):
        with pytest.raises(BadImage) as caught, decoding(path):
            raise error
        assert str(caught.value) == f"{path}: {text}"
    with pytest.raises(BadImage) as caught, decoding(path):
        raise BadImage(path, "as it is")
    assert caught.value.reason == "as it is"
    for shortage in (MemoryError(), OSError(errno.ENOSPC, "No space left on device")):
        with pytest.raises(MachineError, match=f"{path}: "), decoding(path):
            raise shortage
    with pytest.raises(KeyboardInterrupt), decoding(path):
        raise KeyboardInterrupt


def test_warnings_of_others_are_not_hidden():
    with quiet():
        with pytest.warns(UserWarning, match="of ours"):
            warnings.warn("of ours", UserWarning, stacklevel=1)
        warnings.warn("no place", NotGeoreferencedWarning, stacklevel=1)
