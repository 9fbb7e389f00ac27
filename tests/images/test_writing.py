"""Files that were cut short in any way are noticed once they are closed."""

import errno
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import Resampling

from segpipe.base.errors import MachineError, UsageError
from segpipe.base.geometry import Size
from segpipe.images.decoding import quiet
from segpipe.images.writing import check_png, check_tiff, writing

SIZE = Size(700, 900)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A tiled TIFF, a COG and a PNG of noise."""
    folder = tmp_path_factory.mktemp("whole")
    pixels = np.random.default_rng(0).integers(0, 9, (1, SIZE.height, SIZE.width), np.uint8)
    profile = {"driver": "GTiff", "height": SIZE.height, "width": SIZE.width, "count": 1, "dtype": "uint8"}
    with quiet():
        with rasterio.open(folder / "TIFF", "w", tiled=True, compress="deflate", **profile) as file:
            file.write(pixels)
            file.build_overviews([2, 4], Resampling.nearest)
        for driver in ("COG", "PNG"):
            rasterio.shutil.copy(folder / "TIFF", folder / driver, driver=driver)
    return {name: (folder / name).read_bytes() for name in ("TIFF", "COG", "PNG")}


def check(kind: str, path: Path) -> None:
    if kind == "PNG":
        check_png(path, SIZE)
    else:
        check_tiff(path, SIZE, deep=kind == "COG")


@pytest.mark.parametrize("kind", ["TIFF", "COG", "PNG"])
def test_a_whole_file_passes_and_one_of_another_size_does_not(
    whole: dict[str, bytes], tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(whole[kind])
    check(kind, path)
    with pytest.raises(MachineError, match="not all of it arrived"):
        (check_png if kind == "PNG" else check_tiff)(path, Size(SIZE.height, SIZE.width + 1))


@pytest.mark.parametrize("kind", ["TIFF", "COG", "PNG"])
def test_a_file_cut_short_anywhere_is_told(whole: dict[str, bytes], tmp_path: Path, kind: str) -> None:
    content, path = whole[kind], tmp_path / "a"
    for kept in (0, 7, 23, *(len(content) * tenth // 10 for tenth in range(1, 10)), len(content) - 5):
        path.write_bytes(content[:kept])
        with pytest.raises(MachineError, match=r"a: not all of it arrived on the disk \(.*\); is it full\?") as caught:
            check(kind, path)
        assert "\n" not in str(caught.value)


def test_a_hole_in_a_map_is_told(whole: dict[str, bytes], tmp_path: Path) -> None:
    content, path = bytearray(whole["COG"]), tmp_path / "a"
    middle = len(content) // 2
    content[middle : middle + 4096] = bytes(4096)
    path.write_bytes(content)
    with pytest.raises(MachineError, match="not all of it arrived"):
        check("COG", path)


def test_a_block_that_was_never_written_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "height": 512, "width": 512, "count": 1, "dtype": "uint8", "sparse_ok": True}
    with quiet(), rasterio.open(path, "w", tiled=True, **profile) as file:
        file.write(np.ones((1, 256, 256), np.uint8), window=rasterio.windows.Window(0, 0, 256, 256))
    with pytest.raises(MachineError, match="a block is missing"):
        check_tiff(path, Size(512, 512))


def test_what_a_library_cannot_write_is_the_machine_s(tmp_path: Path) -> None:
    path = tmp_path / "no folder" / "a.tif"
    with pytest.raises(MachineError, match=r"a\.tif: cannot be written \("), writing(path), quiet():
        rasterio.open(path, "w", driver="GTiff", height=9, width=9, count=1, dtype="uint8")
    with pytest.raises(MachineError, match=r"a\.tif: no space left"), writing(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    for error in (UsageError("no masks"), ZeroDivisionError("a mistake")):
        with pytest.raises(type(error), match=str(error)), writing(path):
            raise error
