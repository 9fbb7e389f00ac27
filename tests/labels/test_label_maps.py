"""Label maps: the stored index and never a color, whatever the file; wrong files are refused in one clear line."""

import struct
import warnings
import zlib
from dataclasses import replace

import cv2
import numpy as np
import PIL.Image
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.labels.ground_truth import label_files, read_truth
from segpipe.labels.label_maps import find_label_maps, list_label_files, open_label_map, read_classes, read_label_map
from segpipe.records.corpus import Corpus, Crop, Image


def image(path: str = "a.jpg", size: Size | None = None) -> Image:
    return Image(path.rsplit(".", 1)[0], path, size or Size(4, 6), "uint8", "", 1)


def values(bits: int = 8) -> np.ndarray:
    array = np.arange(24).reshape(4, 6) % min(2**bits, 20)
    return array.astype(np.uint16 if bits == 16 else np.uint8)


def raw_png(array: np.ndarray, bits: int, *, palette: bool) -> bytes:
    """A PNG of 1, 2 or 4 bits, written from the format's description."""
    rows = b""
    for row in array:
        text = "".join(f"{v:0{bits}b}" for v in row)
        text += "0" * (-len(text) % 8)
        rows += b"\0" + bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], bits, 3 if palette else 0, 0, 0, 0)
    colors = chunk(b"PLTE", bytes(range(7, 7 + 3 * 2**bits))) if palette else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + colors
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_8_bit_gray_and_palette(tmp_path):
    array = values()
    array[0, :2] = 255
    wanted = np.where(array == 255, -1, array.astype(int))
    cv2.imwrite(str(tmp_path / "gray.png"), array)
    with_palette = PIL.Image.fromarray(array)
    with_palette.putpalette(np.random.default_rng(0).integers(256, size=768).astype(np.uint8).tobytes())
    for name in ("p.png", "p.tif", "p.bmp"):
        with_palette.save(tmp_path / name)
    with_palette.save(tmp_path / "clear.png", transparency=255)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        options = {"driver": "GTiff", "width": 6, "height": 4, "count": 1, "dtype": "uint8", "compress": "deflate"}
        with rasterio.open(tmp_path / "geo.tif", "w", **options) as dataset:
            dataset.write(array, 1)
    for name in ("gray.png", "p.png", "p.tif", "p.bmp", "clear.png", "geo.tif"):
        found = read_label_map(tmp_path / name, image())
        assert found.dtype == np.int32
        assert np.array_equal(found, wanted), name


def test_16_bit_keeps_255_and_ignores_65535(tmp_path):
    array = values(16)
    array[0] = (255, 256, 65534, 65535, 1000, 0)
    cv2.imwrite(str(tmp_path / "a.png"), array)
    cv2.imwrite(str(tmp_path / "a.tif"), array)
    for name in ("a.png", "a.tif"):
        assert read_label_map(tmp_path / name, image())[0].tolist() == [255, 256, 65534, -1, 1000, 0]


@pytest.mark.parametrize("palette", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_files_of_few_bits(bits, palette, tmp_path):
    (tmp_path / "a.png").write_bytes(raw_png(values(bits), bits, palette=palette))
    assert np.array_equal(read_label_map(tmp_path / "a.png", image()), values(bits))


def test_a_color_picture_is_refused(tmp_path):
    for mode in ("RGB", "RGBA", "LA"):
        PIL.Image.new(mode, (6, 4)).save(tmp_path / "a.png")
        with pytest.raises(UsageError, match=rf"a\.png: a picture of mode {mode}.*index PNGs are needed"):
            read_label_map(tmp_path / "a.png", image())


def test_white_as_zero_is_refused(tmp_path):
    PIL.Image.fromarray(values()).save(tmp_path / "a.tif", tiffinfo={262: 0})
    with pytest.raises(UsageError, match="white as 0"):
        read_label_map(tmp_path / "a.tif", image())


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")  # Pillow says it before it gives up
@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", b"no picture at all", b"II*\0\xff\xff\xff\xff"])
def test_broken_files_are_named(content, tmp_path):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UsageError, match=r"a\.png: "):
        read_label_map(tmp_path / "a.png", image())


def test_a_truncated_file_is_refused(tmp_path):
    big = np.random.default_rng(0).integers(20, size=(400, 600)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), big)
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match="cannot read this label image"):
        read_label_map(tmp_path / "a.png", image(size=Size(400, 600)))


def test_another_size_names_both_and_hints_at_rotation(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), values())
    with pytest.raises(UsageError, match=r"labels of 6 x 4 pixels for a\.jpg of 8 x 5 .*never resized"):
        read_label_map(tmp_path / "a.png", image(size=Size(5, 8)))
    with pytest.raises(UsageError, match=r"labels of 6 x 4 pixels for a\.jpg of 4 x 6 .*EXIF"):
        read_label_map(tmp_path / "a.png", image(size=Size(6, 4)))


def test_a_huge_file_of_the_wrong_size_is_refused_before_it_is_decoded(tmp_path):
    (tmp_path / "a.png").write_bytes(raw_png(values(1), 1, palette=False))
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[16:24] = struct.pack(">II", 2**30, 2**30)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UsageError, match="labels of 1073741824 x 1073741824"):
        read_label_map(tmp_path / "a.png", image())


def test_files_are_found_by_name(tmp_path):
    images = [image("a.jpg"), image("sub dir/ü.png"), image("b.jpg"), image("c.jpg")]
    for name in ("a.jpg.png", "sub dir/ü.tif", "b.BMP", "zebra.png", ".hidden.png", "notes.txt", "c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = find_label_maps(tmp_path, images)
    assert {i: path.relative_to(tmp_path).as_posix() for i, path in found.files.items()} == {
        0: "a.jpg.png",
        1: "sub dir/ü.tif",
        2: "b.BMP",
    }
    assert found.unmatched == ("zebra",)
    assert len(list_label_files(tmp_path)) == 4


def test_names_that_cannot_be_paired(tmp_path):
    with pytest.raises(CorpusError, match="holds no label images"):
        find_label_maps(tmp_path, [image()])
    (tmp_path / "frame_1.png").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"'frame_1' is not an id of the corpus, ids look like 'a'"):
        find_label_maps(tmp_path, [image()])
    with pytest.raises(UsageError, match=r"fits 2 images, such as x/frame_1.jpg and y/frame_1.jpg"):
        find_label_maps(tmp_path, [image("x/frame_1.jpg"), image("y/frame_1.jpg")])
    (tmp_path / "frame_1.tif").write_bytes(b"")
    with pytest.raises(UsageError, match=r"both label frame_1\.jpg"):
        find_label_maps(tmp_path, [image("frame_1.jpg")])


def test_class_names(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_bytes("\ufeffsand\r\nsoft coral \r\nÅl\r\n\r\n".encode())
    assert read_classes(path) == ("sand", "soft coral", "Ål")
    for content, message in (
        (b"a\n\nb\n", r"classes.txt:2: an empty line"),
        (b"a\nb\na\n", r"classes.txt:3: 'a' was named on line 1"),
        (b"a\nSoft  coral\nsoft coral\n", r"classes.txt:3: 'soft coral' was named, as 'Soft  coral', on line 2"),
        (b"a\n\xe9", "classes.txt:2: not UTF-8"),
    ):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=message):
            read_classes(path)
    with pytest.raises(UsageError, match=r"none\.txt: cannot read"):
        read_classes(tmp_path / "none.txt")


def corpus(tmp_path, *names):
    images = tuple(image(name) for name in names)
    return Corpus(tmp_path, images, tuple(Crop(i, Box(0, 0, 4, 6)) for i in range(len(images))))


def test_truth_of_label_maps(tmp_path):
    """Without names the classes are the values that occur; values of absent classes do not shift the others."""
    first, second, third = values() % 2 * 3 + 1, np.full((4, 6), 255, np.uint8), np.full((4, 6), 9, np.uint8)
    for name, array in (("a", first), ("b", second), ("c", third), ("other", third)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), array)
    truth = read_truth(tmp_path, None, corpus(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg"), Runtime())
    assert truth.classes == ("label 1", "label 4", "label 9")
    assert truth.values[[1, 4, 9]].tolist() == [0, 1, 2]
    assert sorted(truth.sources) == [0, 2]
    assert (truth.empty, list(truth.unmatched)) == (1, ["other"])
    names = tmp_path / "classes.txt"
    names.write_text("\n".join("abcdefghij"))
    truth = read_truth(tmp_path, names, corpus(tmp_path, "a.jpg"), Runtime(workers=2))
    assert truth.classes == tuple("abcdefghij")
    assert truth.values.tolist() == list(range(10))
    names.write_text("a\nb")
    with pytest.raises(UsageError, match=r"a\.png: holds the value 4, but the classes file names 2, 0 to 1"):
        read_truth(tmp_path, names, corpus(tmp_path, "a.jpg"), Runtime())


def test_labels_without_one_labelled_pixel(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 6), 255, np.uint8))
    with pytest.raises(CorpusError, match="nothing to score"):
        read_truth(tmp_path, None, corpus(tmp_path, "a.jpg"), Runtime())


def test_the_files_that_are_read_can_be_listed(tmp_path):
    (tmp_path / "labels").mkdir()
    for name in ("labels/a.png", "classes.txt", "points.csv"):
        (tmp_path / name).write_bytes(b"")
    assert label_files(tmp_path / "labels", tmp_path / "classes.txt") == [
        tmp_path / "labels/a.png",
        tmp_path / "classes.txt",
    ]
    assert label_files(tmp_path / "points.csv", None) == [tmp_path / "points.csv"]
    with pytest.raises(UsageError, match=r"labels=.*nowhere: no such file"):
        label_files(tmp_path / "nowhere", None)
    with pytest.raises(UsageError, match=r"classes=.*nowhere: no such file"):
        label_files(tmp_path / "labels", tmp_path / "nowhere")


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_labels_of_a_mosaic_are_read_by_boxes(tmp_path, ending, dtype):
    values = np.random.default_rng(0).integers(0, 9, (50, 70)).astype(dtype)
    values[:7] = np.iinfo(dtype).max
    path = tmp_path / f"a.{ending}"
    PIL.Image.fromarray(values).save(path)
    image = Image("a", "a.tif", Size(50, 70), "uint8", "", 1)
    whole = read_label_map(path, image)
    for one in (image, replace(image, mosaic=True)):
        with open_label_map(path, one) as read:
            for box in (Box(0, 0, 50, 70), Box(3, 60, 20, 10), Box(49, 0, 1, 1)):
                np.testing.assert_array_equal(read(box), whole[box.slices])


def test_what_is_no_index_image_of_the_mosaic_s_size_is_told(tmp_path):
    image = Image("a", "a.tif", Size(50, 70), "uint8", "", 1, mosaic=True)
    pictures = {
        "bands": (np.zeros((50, 70, 3), np.uint8), "3 bands of type uint8, not an index image"),
        "size": (np.zeros((50, 71), np.uint8), "labels of 71 x 50 pixels"),
    }
    for name, (values, message) in pictures.items():
        PIL.Image.fromarray(values).save(tmp_path / f"{name}.png")
        with pytest.raises(UsageError, match=message), open_label_map(tmp_path / f"{name}.png", image):
            pass
    (tmp_path / "junk.png").write_bytes(b"\x89PNG junk")
    with pytest.raises(UsageError, match="cannot read this label image"), open_label_map(tmp_path / "junk.png", image):
        pass
