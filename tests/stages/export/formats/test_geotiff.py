import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from PIL import Image as Pillow
from rasterio.transform import Affine
from rio_cogeo import cog_validate

from segpipe.base.errors import MachineError
from segpipe.base.geometry import Box, Size, tiles
from segpipe.base.runtime import Runtime
from segpipe.images.headers import inspect
from segpipe.images.rasters import read_geo
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.geo import Geo
from segpipe.records.legend import Legend, plain_legend
from segpipe.records.palette import class_colors, nodata
from segpipe.stages import export
from segpipe.stages.export.formats.geotiff import describe_classes, export_cog, large_file
from segpipe.stages.export.formats.pictures import export_color, export_png
from segpipe.stages.export.formats.source import Source
from segpipe.store import masks
from tests.helpers.full_disk import room_for

ENGINEERING = (
    'ENGCRS["Quarry grid",EDATUM["Benchmark 7"],CS[Cartesian,2],AXIS["(E)",east,ORDER[1],LENGTHUNIT["metre",1]],'
    'AXIS["(N)",north,ORDER[2],LENGTHUNIT["metre",1]]]'
)
PLACES = {
    "UTM": ("EPSG:32755", Affine(0.0123456789012345, 0, 345678.123456789, 0, -0.0123456789012345, 8123456.987654321)),
    "degrees": ("EPSG:4326", Affine(1.23456789012345e-7, 0, -95.123456789012, 0, -1.1e-7, 29.987654321098)),
    "south up": ("EPSG:3857", Affine(0.3, 0, 10.1, 0, 0.3, 20.2)),
    "rotated": ("EPSG:32755", Affine(0.1, 0.0234567890123, 5.5, 0.0345678901234, -0.1, 7.7)),
    "local": ('LOCAL_CS["quarry",UNIT["metre",1]]', Affine(0.02, 0, 0, 0, -0.02, 100)),
    "engineering": (ENGINEERING, Affine(0.02, 0, 3, 0, -0.02, 100)),
    "compound": ("EPSG:7415", Affine(0.5, 0, 80000, 0, -0.5, 450000)),
    "no system": (None, Affine(0.5, 0, 10, 0, -0.5, 20)),
}

SETTINGS = export.Config()


def make_source(
    root: Path, size: Size, classes: int, *, geo: Geo | None, tile: int | None
) -> tuple[Source, np.ndarray]:
    """A run of one image whose class map is known."""
    rng = np.random.default_rng(0)
    mask = rng.integers(0, classes, (size.height // 8 + 1, size.width // 8 + 1)).repeat(8, 0).repeat(8, 1)
    mask = mask[: size.height, : size.width].astype(np.uint8 if classes <= 255 else np.uint16)
    mask[:5, :9] = nodata(classes)
    image = Image("a", "a.tif", size, "uint8", "", 1, geo=geo, mosaic=tile is not None)
    whole = Box(0, 0, size.height, size.width)
    entries = []
    for box in [whole] if tile is None else tiles(size, tile):
        path = masks.mask_path(root, "a") if tile is None else masks.tile_path(root, "a", box)
        masks.write_mask(path, mask[box.slices], classes=classes)
        entries.append(masks.describe_mask("a", mask[box.slices], classes=classes))
    index = entries if tile is None else [masks.join_tiles(size, tile, entries)]
    corpus = Corpus(root, (image,), (Crop(0, whole),))
    return Source(corpus, root, index, plain_legend(classes), SETTINGS, Runtime(workers=1)), mask


@pytest.mark.parametrize("place", PLACES)
def test_maps_lie_exactly_where_their_images_do(tmp_path: Path, place: str) -> None:
    crs, transform = PLACES[place]
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=30, height=20, count=1, dtype="uint8", crs=crs, transform=transform
    ) as file:
        file.write(np.zeros((1, 20, 30), np.uint8))
    geo, _ = read_geo(path, inspect(path))
    source, mask = make_source(tmp_path / "masks", Size(20, 30), 3, geo=geo, tile=None)
    assert export_cog(source, tmp_path) == 1
    with rasterio.open(path) as original, rasterio.open(tmp_path / "cog/a.tif") as found:
        assert tuple(found.transform) == tuple(original.transform) == tuple(transform)
        assert (found.crs is None) == (original.crs is None)
        assert found.crs is None or found.crs.to_wkt() == original.crs.to_wkt()
        np.testing.assert_array_equal(found.read(1), mask)


@pytest.mark.parametrize("classes", [3, 300])
@pytest.mark.parametrize("tile", [None, 250])
def test_a_large_map_is_a_valid_cog_with_overviews_by_majority(tmp_path: Path, classes: int, tile: int | None) -> None:
    geo = Geo("", (0.5, 0, 10, 0, -0.5, 20))
    source, mask = make_source(tmp_path / "masks", Size(1100, 700), classes, geo=geo, tile=tile)
    assert export_cog(source, tmp_path) == 1
    path = tmp_path / "cog/a.tif"
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as file:
        assert file.dtypes[0] == ("uint8" if classes == 3 else "uint16")
        assert file.nodata == nodata(classes)
        assert file.overviews(1) == [2, 4]
        np.testing.assert_array_equal(file.read(1), mask)
    with rasterio.open(path, overview_level=1) as file:  # squares of 8 pixels: a quarter has 2 of each
        small = file.read(1)
    np.testing.assert_array_equal(small[4:274, 4:174], mask[2::4, 2::4][4:274, 4:174])
    assert not list(tmp_path.rglob(".*"))


def test_a_raster_without_a_place_gets_a_map_too_and_its_png_is_read_by_pillow(tmp_path: Path) -> None:
    source, mask = make_source(tmp_path / "masks", Size(130, 90), 300, geo=None, tile=50)
    assert (export_cog(source, tmp_path), export_png(source, tmp_path)) == (1, 1)
    with Pillow.open(tmp_path / "png/a.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), mask)


def test_class_names_and_colors_are_told_in_gdals_words() -> None:
    legend = Legend(("sand", "coral & rock"), class_colors(2), np.array([0, 1]))
    root = ElementTree.fromstring(describe_classes(legend))
    assert [item.text for item in root.iterfind(".//Category")] == ["sand", "coral & rock"]
    rows = [[cell.text for cell in row] for row in root.iterfind(".//Row")]
    assert rows == [["0", "sand", *map(str, class_colors(2)[0])], ["1", "coral & rock", *map(str, class_colors(2)[1])]]


def test_two_threads_do_not_write_through_gdal_at_once(tmp_path: Path) -> None:
    """A block half written by one thread must not be thrown out of the process's cache by another."""
    size, inside, most = Size(600, 700), 0, 0

    def parts(values: np.ndarray) -> Iterator[tuple[Box, np.ndarray]]:
        nonlocal inside, most
        for box in tiles(size, 250):
            inside += 1
            most = max(most, inside)
            time.sleep(0.01)  # the others come in here, if they can
            yield box, values[box.slices]
            inside -= 1

    def write(seed: int) -> None:
        values = np.random.default_rng(seed).integers(0, 255, (600, 700, 3), np.uint8)
        (tmp_path / str(seed)).mkdir()
        with large_file(tmp_path / str(seed), size, parts(values), count=3) as path, rasterio.open(path) as file:
            wrong.append(int((np.moveaxis(file.read(), 0, -1) != values).sum()))

    wrong: list[int] = []
    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [0, 0, 0]
    assert most == 1


@pytest.mark.parametrize("write", [export_cog, export_png, export_color])
def test_a_map_that_finds_no_room_is_an_error_and_leaves_no_file(
    tmp_path: Path, write: Callable[[Source, Path], int]
) -> None:
    source, _ = make_source(tmp_path / "masks", Size(1300, 1100), 9, geo=None, tile=512)
    write(source, tmp_path / "whole")
    (made,) = (path for path in (tmp_path / "whole").rglob("a.*") if path.suffix in (".tif", ".png"))
    for share in (0.0, 0.3, 0.6, 0.9, 0.98):
        out = tmp_path / f"out {share}"
        out.mkdir()
        with pytest.raises(MachineError) as caught, room_for(int(share * made.stat().st_size)):
            write(source, out)
        assert str(out) in str(caught.value)
        assert not [path for path in out.rglob("*") if path.is_file()]
