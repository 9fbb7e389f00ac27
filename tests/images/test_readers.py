import struct
import warnings
import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps
from rasterio.enums import ColorInterp

from segpipe.base.geometry import Size
from segpipe.images import readers
from segpipe.images.readers import BadImage, Pixels, probe_image, read_image, sample_values

LIMIT = 10**7


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth picture with some noise: no two rows or columns alike."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([255 * x / width, 255 * y / height, 127 + 100 * np.sin(x / 3 + y / 5)], axis=-1)
    return np.clip(rgb + rng.normal(0, 6, rgb.shape), 0, 255).astype(np.uint8)


def read(path: Path, depth: str = "uint8", **scaling: tuple[float, float]) -> Pixels:
    probe = probe_image(path, max_pixels=LIMIT)
    pixels = read_image(path, depth=depth, scaling=scaling)
    assert probe.depth == depth
    assert probe.size == Size(*pixels.rgb.shape[:2])
    assert pixels.rgb.dtype == np.uint8
    assert pixels.rgb.shape[2] == 3
    assert pixels.rgb.flags.c_contiguous
    assert pixels.rgb.flags.writeable
    if pixels.valid is not None:
        assert pixels.valid.shape == pixels.rgb.shape[:2]
        assert not pixels.rgb[~pixels.valid].any()
    return pixels


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


def write_png16(path: Path, values: np.ndarray) -> Path:
    """A 16-bit PNG made from the specification: (H, W, 1|2|3|4) uint16."""
    height, width, channels = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return path


# --- 8-bit photographs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["png", "tif", "bmp", "webp"])
def test_rgb_is_read_exactly(tmp_path, ending):
    rgb, path = photo(37, 53), tmp_path / f"a.{ending}"
    Image.fromarray(rgb).save(path, **({"lossless": True} if ending == "webp" else {}))
    pixels = read(path)
    np.testing.assert_array_equal(pixels.rgb, rgb)
    assert pixels.valid is None


def test_jpeg_is_read_as_pillow_reads_it(tmp_path):
    Image.fromarray(photo(37, 53)).save(tmp_path / "a.jpg", quality=90, progressive=True)
    with Image.open(tmp_path / "a.jpg") as image:
        np.testing.assert_array_equal(read(tmp_path / "a.jpg").rgb, np.asarray(image))


def test_content_counts_not_the_ending(tmp_path):
    Image.fromarray(photo(8, 9)).save(tmp_path / "a.jpg", format="PNG")
    np.testing.assert_array_equal(read(tmp_path / "a.jpg").rgb, photo(8, 9))


@pytest.mark.parametrize("ending", ["png", "tif", "bmp"])
@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_gray_bits_and_palette(tmp_path, ending, mode):
    image = Image.fromarray(photo(21, 34)).convert(mode)
    image.save(tmp_path / f"a.{ending}")
    np.testing.assert_array_equal(read(tmp_path / f"a.{ending}").rgb, np.asarray(image.convert("RGB")))


def test_cmyk_ycbcr_and_white_is_zero(tmp_path):
    rgb = Image.fromarray(photo(24, 32))
    rgb.convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    rgb.convert("CMYK").save(tmp_path / "a.tif")
    rgb.convert("YCbCr").save(tmp_path / "b.jpg", quality=95)
    rgb.save(tmp_path / "b.tif", compression="jpeg", quality=95)  # stored as YCbCr
    for name in ("a.jpg", "a.tif", "b.jpg", "b.tif"):
        difference = read(tmp_path / name).rgb.astype(int) - np.asarray(rgb)
        assert np.abs(difference).mean() < 8, name
    gray = photo(24, 32)[..., 0]
    write_tiff(tmp_path / "c.tif", 255 - gray[None], photometric="MINISWHITE")
    np.testing.assert_array_equal(read(tmp_path / "c.tif").rgb[..., 1], gray)
    write_tiff(tmp_path / "d.tif", 65535 - 257 * gray[None].astype(np.uint16), photometric="MINISWHITE")
    np.testing.assert_array_equal(read(tmp_path / "d.tif", "uint16", uint16=(0, 65535)).rgb[..., 2], gray)


@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
def test_alpha_zero_is_not_image(tmp_path, ending):
    rgba = np.dstack([photo(20, 30), np.full((20, 30), 255, np.uint8)])
    rgba[:5, :, 3], rgba[5:8, :, 3] = 0, 1
    Image.fromarray(rgba).save(tmp_path / f"a.{ending}", **({"lossless": True} if ending == "webp" else {}))
    pixels = read(tmp_path / f"a.{ending}")
    np.testing.assert_array_equal(pixels.valid, rgba[..., 3] > 0)
    np.testing.assert_array_equal(pixels.rgb[5:], rgba[5:, :, :3])


def test_alpha_of_gray_and_palette(tmp_path):
    gray = np.dstack([photo(20, 30)[..., 0], np.full((20, 30), 255, np.uint8)])
    gray[:5, :, 1] = 0
    Image.fromarray(gray, "LA").save(tmp_path / "la.png")
    pixels = read(tmp_path / "la.png")
    np.testing.assert_array_equal(pixels.valid, gray[..., 1] > 0)
    np.testing.assert_array_equal(pixels.rgb[5:, :, 0], gray[5:, :, 0])

    palette = Image.fromarray((np.arange(600).reshape(20, 30) % 4).astype(np.uint8))
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 9, 9, 200])
    palette.save(tmp_path / "one.png", transparency=2)
    palette.save(tmp_path / "many.png", transparency=bytes([255, 0, 128, 255]))
    expected = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [9, 9, 200]])[np.asarray(palette)]
    for name, clear in (("one", 2), ("many", 1)):
        pixels = read(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(pixels.valid, np.asarray(palette) != clear)
        np.testing.assert_array_equal(pixels.rgb[pixels.valid], expected[pixels.valid])

    Image.fromarray(photo(20, 30)).save(tmp_path / "key.png", transparency=tuple(photo(20, 30)[3, 4].tolist()))
    assert np.argwhere(~read(tmp_path / "key.png").valid).tolist() == [[3, 4]]


def test_fully_opaque_alpha_is_no_mask_and_fully_clear_is_no_image(tmp_path):
    Image.new("RGBA", (9, 7), (1, 2, 3, 255)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").valid is None
    Image.new("RGBA", (9, 7), (1, 2, 3, 0)).save(tmp_path / "b.png")
    with pytest.raises(BadImage, match="no pixel holds image"):
        probe_image(tmp_path / "b.png", max_pixels=LIMIT)


# --- orientation ----------------------------------------------------------------------------------------------------

# Where EXIF says the stored row 0 and column 0 are displayed (EXIF 2.32, tag 0112), as an independent table.
SIDES = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "lt", 6: "rt", 7: "rb", 8: "lb"}


def stored_for(shown: np.ndarray, orientation: int) -> np.ndarray:
    """The array whose row 0 and column 0 lie on the sides of `shown` that EXIF names for the orientation."""
    row_side, column_side = SIDES[orientation]
    stored = shown if row_side in "tb" else shown.swapaxes(0, 1)
    if row_side in "br":
        stored = stored[::-1]
    if column_side in "br":
        stored = stored[:, ::-1]
    return np.ascontiguousarray(stored)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_exif_orientation(tmp_path, ending, orientation):
    shown = photo(24, 40)
    shown[:6, :9] = (255, 0, 0)
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"a.{ending}"
    image = Image.fromarray(stored_for(shown, orientation))
    image.save(path, exif=exif, **({"lossless": True} if ending == "webp" else {}))
    assert probe_image(path, max_pixels=LIMIT).size == Size(24, 40)
    pixels = read(path)
    if ending == "jpg":
        assert np.abs(pixels.rgb.astype(int) - shown).mean() < 12
        with Image.open(path) as opened:
            np.testing.assert_array_equal(pixels.rgb, np.asarray(ImageOps.exif_transpose(opened)))
    else:
        np.testing.assert_array_equal(pixels.rgb, shown)


@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_of_what_gdal_reads_and_of_alpha(tmp_path, orientation):
    shown = photo(24, 40).astype(np.uint16) * 257
    exif = Image.Exif()
    exif[274] = orientation
    image = Image.fromarray(stored_for(shown[..., 0], orientation))
    image.save(tmp_path / "a.tif", exif=exif)
    np.testing.assert_array_equal(
        read(tmp_path / "a.tif", "uint16", uint16=(0, 65535)).rgb[..., 0], photo(24, 40)[..., 0]
    )
    image.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(
        read(tmp_path / "a.png", "uint16", uint16=(0, 65535)).rgb[..., 0], photo(24, 40)[..., 0]
    )
    palette = Image.fromarray(stored_for(photo(24, 40)[..., 0] // 64, orientation))
    palette.putpalette([v for i in range(256) for v in (i, 2 * i % 256, 7)])
    palette.save(tmp_path / "p.tif", exif=exif)  # Pillow turns this one itself
    np.testing.assert_array_equal(read(tmp_path / "p.tif").rgb[..., 0], photo(24, 40)[..., 0] // 64)


@pytest.mark.parametrize(
    "block", [b"Exif\0\0", b"Exif\0\0junkjunkjunkjunk", b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(20)]
)
def test_damaged_exif_is_no_reason_to_lose_a_photograph(tmp_path, block):
    out = BytesIO()
    Image.fromarray(photo(16, 20)).save(out, "JPEG")
    body = out.getvalue()
    (tmp_path / "a.jpg").write_bytes(body[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + body[2:])
    assert read(tmp_path / "a.jpg").rgb.shape == (16, 20, 3)


# --- deeper than 8 bits and plain bands -----------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_16_bits_keep_all_levels_until_they_are_scaled(tmp_path, ending, channels):
    rng = np.random.default_rng(channels)
    values = rng.integers(1000, 5000, (20, 30, channels), dtype=np.uint16)  # 8-bit rounding would leave 16 levels
    if channels in (2, 4):
        values[:4, :, -1] = 0
    path = tmp_path / f"a.{ending}"
    if ending == "png":
        write_png16(path, values)
    else:
        kinds = {2: [ColorInterp.gray, ColorInterp.alpha], 4: [*list(ColorInterp)[3:6], ColorInterp.alpha]}
        write_tiff(path, np.moveaxis(values, -1, 0), colorinterp=kinds.get(channels))
    pixels = read(path, "uint16", uint16=(1000.0, 5000.0))
    colors = values[..., :3] if channels >= 3 else np.repeat(values[..., :1], 3, axis=2)
    expected = np.rint((colors.astype(float) - 1000) / 4000 * 255)
    if channels in (2, 4):
        np.testing.assert_array_equal(pixels.valid, values[..., -1] > 0)
        expected[~pixels.valid] = 0
    else:
        assert pixels.valid is None
    assert np.abs(pixels.rgb - expected).max() <= 1  # rounding of exact halves
    assert len(np.unique(pixels.rgb)) > 200


def test_float_tiff_nan_and_nodata(tmp_path):
    values = np.linspace(-2, 3, 600, dtype=np.float32).reshape(1, 20, 30)
    values[0, 0, :7] = np.nan
    values[0, 1, :5] = -9999
    values[0, 2, 0] = np.inf
    write_tiff(tmp_path / "a.tif", values, nodata=-9999)
    pixels = read(tmp_path / "a.tif", "float32", float32=(0.0, 2.0))
    np.testing.assert_array_equal(pixels.valid, np.isfinite(values[0]) & (values[0] != -9999))
    expected = np.rint(np.clip(values[0, 3:] / 2, 0, 1) * 255)
    assert np.abs(pixels.rgb[3:, :, 0] - expected).max() <= 1

    write_tiff(tmp_path / "b.tif", np.full((1, 9, 9), np.nan, np.float32))
    with pytest.raises(BadImage, match="no pixel holds image"):
        probe_image(tmp_path / "b.tif", max_pixels=LIMIT)


@pytest.mark.parametrize("dtype", ["int16", "uint32", "int32", "float64", "int8"])
def test_other_number_types_are_read_as_float(tmp_path, dtype):
    values = np.arange(120).reshape(1, 10, 12).astype(dtype)
    write_tiff(tmp_path / "a.tif", values)
    pixels = read(tmp_path / "a.tif", "float32", float32=(0.0, 119.0))
    assert np.abs(pixels.rgb[..., 1] - values[0] / 119.0 * 255).max() <= 1


def test_complex_numbers_and_foreign_color_spaces_are_put_aside(tmp_path):
    write_tiff(tmp_path / "a.tif", np.ones((1, 9, 9), np.complex64))
    with pytest.raises(BadImage, match="complex64"):
        probe_image(tmp_path / "a.tif", max_pixels=LIMIT)
    Image.new("LAB", (9, 9)).save(tmp_path / "b.tif")
    with pytest.raises(BadImage, match="color space 8"):
        probe_image(tmp_path / "b.tif", max_pixels=LIMIT)
    write_tiff(tmp_path / "c.tif", np.ones((4, 9, 9), np.uint16), photometric="CMYK")
    with pytest.raises(BadImage, match="CMYK"):
        probe_image(tmp_path / "c.tif", max_pixels=LIMIT)


@pytest.mark.parametrize(("count", "used"), [(2, [0, 0, 0]), (3, [0, 1, 2]), (5, [0, 1, 2]), (8, [0, 1, 2])])
@pytest.mark.parametrize("tiled", [False, True])
def test_many_bands(tmp_path, count, used, tiled):
    rng = np.random.default_rng(count)
    bands = rng.integers(0, 256, (count, 40, 50), dtype=np.uint8)
    layout = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"} if tiled else {}
    write_tiff(tmp_path / "a.tif", bands, photometric="MINISBLACK", **layout)
    pixels = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(pixels.rgb, np.moveaxis(bands[used], 0, -1))
    assert pixels.valid is None


def test_8_bit_nodata_and_internal_mask(tmp_path):
    bands = np.moveaxis(photo(20, 30), -1, 0).clip(1)
    bands[:, :5] = 0
    bands[0, 7] = 0  # one band alone is a color
    write_tiff(tmp_path / "a.tif", bands, nodata=0)
    np.testing.assert_array_equal(read(tmp_path / "a.tif").valid, np.arange(20)[:, None].repeat(30, 1) >= 5)

    mask = np.full((20, 30), 255, np.uint8)
    mask[:, :11] = 0
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        warnings.simplefilter("ignore")
        with rasterio.open(tmp_path / "b.tif", "w", driver="GTiff", count=3, height=20, width=30, dtype="uint8") as out:
            out.write(bands)
            out.write_mask(mask)
    np.testing.assert_array_equal(read(tmp_path / "b.tif").valid, mask > 0)


def test_large_rasters_are_read_in_slabs_without_a_seam(tmp_path, monkeypatch):
    monkeypatch.setattr("segpipe.images.rasters._SLAB_PIXELS", 1000)
    values = np.random.default_rng(0).integers(0, 65536, (3, 300, 70), dtype=np.uint16)
    write_tiff(tmp_path / "a.tif", values, tiled=True, blockxsize=32, blockysize=32)
    pixels = read(tmp_path / "a.tif", "uint16", uint16=(0.0, 65535.0))
    assert np.abs(pixels.rgb - np.moveaxis(values, 0, -1) / 257).max() <= 0.51
    sample = sample_values(tmp_path / "a.tif", count=3000, rng=np.random.default_rng(1))
    assert 9000 <= len(sample) <= 9900
    assert abs(sample.mean() - 32768) < 1000


def test_samples_are_of_valid_pixels_only(tmp_path):
    values = np.full((1, 50, 50), -1, np.float32)
    values[0, 20, 30] = 7
    write_tiff(tmp_path / "a.tif", values, nodata=-1)
    assert set(sample_values(tmp_path / "a.tif", count=100, rng=np.random.default_rng(0))) == {7.0}


def test_bigtiff_and_big_endian(tmp_path):
    bands = np.random.default_rng(0).integers(0, 65536, (3, 20, 30), dtype=np.uint16)
    write_tiff(tmp_path / "a.tif", bands, BIGTIFF="YES")
    write_tiff(tmp_path / "b.tif", bands, ENDIANNESS="BIG")
    for name in ("a.tif", "b.tif"):
        found = read(tmp_path / name, "uint16", uint16=(0.0, 65535.0)).rgb
        assert np.abs(found - np.moveaxis(bands, 0, -1) / 257).max() <= 0.51


def test_a_file_that_changed_its_depth_is_refused(tmp_path):
    Image.fromarray(photo(9, 9)).save(tmp_path / "a.png")
    with pytest.raises(BadImage, match="recorded uint16; run `segpipe index`"):
        read_image(tmp_path / "a.png", depth="uint16", scaling={"uint16": (0, 1)})
    write_png16(tmp_path / "a.png", np.ones((9, 9, 1), np.uint16))
    with pytest.raises(BadImage, match="has uint16"):
        read_image(tmp_path / "a.png", depth="uint8", scaling={})


def test_names_that_gdal_or_a_shell_could_misread(tmp_path):
    for name in (b"zip+s3:--a!b?c=1.tif", b"new\nline \xc3\xa9.tif", b"not utf8 \xff\xe9.tif"):
        path = tmp_path / name.decode("utf-8", "surrogateescape")
        made = write_tiff(tmp_path / "made.tif", np.full((1, 6, 7), 300, np.uint16))
        made.rename(path)
        assert read(path, "uint16", uint16=(0.0, 300.0)).rgb.min() == 255


# --- files skipped ------------------------------------------------------------------------------------------------


def test_missing_file_folder_and_unreadable_path(tmp_path):
    for path, reason in ((tmp_path / "no.jpg", "no such file"), (tmp_path, "not a file")):
        with pytest.raises(BadImage, match=reason):
            read_image(path, depth="uint8", scaling={})


def save(kind: str) -> bytes:
    """A small file of each kind."""
    out, image = BytesIO(), Image.fromarray(photo(40, 60))
    if kind.startswith("gdal"):
        with warnings.catch_warnings(), rasterio.MemoryFile() as memory:
            warnings.simplefilter("ignore")
            packing = (
                {"compress": "deflate", "tiled": True, "blockxsize": 16, "blockysize": 16} if "deflate" in kind else {}
            )
            with memory.open(driver="GTiff", count=3, height=40, width=60, dtype="uint16", **packing) as made:
                made.write(np.random.default_rng(0).integers(0, 999, (3, 40, 60), dtype=np.uint16))
            return memory.read()
    if kind == "png16":
        Image.fromarray(photo(40, 60)[..., 0].astype(np.uint16) * 99).save(out, "PNG")
        return out.getvalue()
    options = {
        "jpeg": {"format": "JPEG"},
        "progressive": {"format": "JPEG", "progressive": True},
        "png": {"format": "PNG"},
        "tiff": {"format": "TIFF"},
        "tiff-lzw": {"format": "TIFF", "compression": "tiff_lzw"},
        "tiff-jpeg": {"format": "TIFF", "compression": "jpeg"},
        "palette": {"format": "TIFF", "compression": "tiff_deflate"},
        "webp": {"format": "WEBP"},
        "bmp": {"format": "BMP"},
    }[kind]
    (image.convert("P") if kind == "palette" else image).save(out, **options)
    return out.getvalue()


KINDS = [
    "jpeg",
    "progressive",
    "png",
    "tiff",
    "tiff-lzw",
    "tiff-jpeg",
    "palette",
    "webp",
    "bmp",
    "gdal",
    "gdal-deflate",
    "png16",
]


@pytest.mark.parametrize("kind", KINDS)
def test_no_truncated_file_is_accepted(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as another library in the process may do
    whole, path = save(kind), tmp_path / "a.img"
    path.write_bytes(whole)
    probe_image(path, max_pixels=LIMIT)
    length = len(whole)
    cuts = {1, 3, 7, 8, 20, length // 2, *range(length - 24, length), *range(30, length, max(1, length // 60))}
    for cut in sorted(cuts):
        path.write_bytes(whole[:cut])
        with pytest.raises(BadImage):
            probe_image(path, max_pixels=LIMIT)
        with pytest.raises(BadImage):
            read_image(path, depth="uint16" if "16" in kind or "gdal" in kind else "uint8", scaling={"uint16": (0, 1)})


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_bytes_never_escape_as_another_exception(tmp_path_factory, kind):
    whole = save(kind)
    path = tmp_path_factory.mktemp(kind) / "a.img"

    @settings(max_examples=25, deadline=None, derandomize=True)
    @given(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=8))
    def check(changes):
        damaged = bytearray(whole)
        for at, value in changes:
            damaged[min(at, at % 400 if at % 2 else at)] = value  # headers more often than data
        path.write_bytes(damaged)
        try:
            probe = probe_image(path, max_pixels=LIMIT)
            pixels = read_image(path, depth=probe.depth, scaling={"uint16": (0, 999), "float32": (0, 1)})
        except BadImage:
            return
        assert Size(*pixels.rgb.shape[:2]) == probe.size

    check()


def test_bomb_is_refused_before_it_is_decoded(tmp_path):
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    for bits in (8, 16):
        header = struct.pack(">IIBBBBB", 60_000, 50_000, bits, 2, 0, 0, 0)  # the data is not even there
        (tmp_path / "bomb.png").write_bytes(
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
        )
        with pytest.raises(BadImage, match=r"60000 x 50000 pixels are more than index\.max_pixels=200000000"):
            probe_image(tmp_path / "bomb.png", max_pixels=200_000_000)
    Image.fromarray(photo(20, 30)).save(tmp_path / "a.jpg")
    assert probe_image(tmp_path / "a.jpg", max_pixels=600).size == Size(20, 30)
    with pytest.raises(BadImage, match=r"index\.max_pixels=599"):
        probe_image(tmp_path / "a.jpg", max_pixels=599)


def test_images_larger_than_pillows_own_limit_can_be_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for name in ("a.jpg", "a.png", "a.bmp", "a.tif"):
        Image.fromarray(photo(30, 40)).save(tmp_path / name)
        assert read(tmp_path / name).rgb.shape == (30, 40, 3)


# --- two readers, one meaning ----------------------------------------------------------------------------------------


def palette_of(image: Image.Image) -> dict[int, tuple[int, int, int, int]]:
    colors = np.reshape(image.getpalette(), (-1, 3))
    return {i: (*map(int, color), 255) for i, color in enumerate(colors)}


def write_palette(path: Path, stored: np.ndarray, colors: dict[int, tuple[int, int, int, int]], **profile) -> None:
    size = {"height": stored.shape[0], "width": stored.shape[1], "count": 1, "dtype": stored.dtype}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path, "w", driver="GTiff", **size, **profile) as out:
            out.write(stored, 1)
            out.write_colormap(1, colors)


def write_kind(path: Path, kind: str) -> np.ndarray:
    """A TIFF of a kind, and what it shows: (H, W, 3)."""
    image = Image.fromarray(photo(40, 56))
    gray = np.asarray(image.convert("L"))
    if kind in ("white is zero", "signed"):
        signed = (gray.astype(int) - 128).astype(np.int8)
        write_tiff(
            path,
            255 - gray[None] if kind == "white is zero" else signed[None],
            photometric="MINIS" + ("WHITE" if kind == "white is zero" else "BLACK"),
        )
        return np.repeat(gray[..., None], 3, axis=2)
    if kind == "palette beside gray":  # as GDAL writes a color table into a file that was begun as gray
        indexed = image.convert("P")
        write_palette(path, np.asarray(indexed), palette_of(indexed))
        return np.asarray(indexed.convert("RGB"))
    mode, options = {"JPEG YCbCr": ("RGB", {"compression": "jpeg", "quality": 95})}.get(kind, (kind, {}))
    image.convert(mode).save(path, **options)
    with Image.open(path) as stored:
        return np.asarray(stored.convert("RGB"))


KINDS = ["1", "L", "P", "PA", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "JPEG YCbCr", "white is zero", "signed"]


@pytest.mark.parametrize("raster", [False, True])
@pytest.mark.parametrize("kind", [*KINDS, "palette beside gray"])
def test_both_readers_agree_on_what_samples_mean(tmp_path, monkeypatch, kind, raster):
    expected = write_kind(tmp_path / "a.tif", kind)
    container = readers.inspect(tmp_path / "a.tif")
    if kind == "signed" or (kind.startswith("palette") and not raster):
        raster = container.raster  # Pillow reads no signed bytes, and no palette that is not announced
        assert raster
    monkeypatch.setattr(readers, "inspect", lambda path: replace(container, raster=raster))
    depth = "float32" if kind == "signed" else "uint8"
    pixels = read(tmp_path / "a.tif", depth, float32=(-128.0, 127.0))
    assert np.abs(pixels.rgb.astype(int) - expected).max() <= (2 if "YCbCr" in kind else 1)
    assert pixels.valid is None


@pytest.mark.parametrize("light", ["PALETTE", "MINISBLACK"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("place", [{}, {"crs": "EPSG:32755", "transform": rasterio.Affine(1, 0, 5, 0, -1, 9)}])
def test_a_palette_is_its_colors_wherever_it_lies(tmp_path, light, dtype, place):
    indexed = Image.fromarray(photo(40, 56)).convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    stored = np.asarray(indexed)
    write_palette(tmp_path / "a.tif", stored.astype(dtype), palette_of(indexed), nodata=5, photometric=light, **place)
    pixels = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(~pixels.valid, stored == 5)
    np.testing.assert_array_equal(pixels.rgb[pixels.valid], np.asarray(indexed.convert("RGB"))[pixels.valid])


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint16"])
def test_white_is_zero_of_deep_samples(tmp_path, dtype):
    values = np.arange(120).reshape(1, 10, 12).astype(dtype)
    limits = np.iinfo(dtype)
    write_tiff(tmp_path / "a.tif", (limits.max + limits.min) - values, photometric="MINISWHITE", nodata=limits.max)
    pixels = read(tmp_path / "a.tif", "uint16" if dtype == "uint16" else "float32", float32=(0, 119), uint16=(0, 119))
    assert np.abs(pixels.rgb[..., 1].ravel()[1:] - values.ravel()[1:] / 119.0 * 255).max() <= 1
    assert pixels.valid is None or pixels.valid.ravel()[1:].all()
