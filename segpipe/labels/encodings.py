"""What the labels of published sets mean: class names, and from stored values or colors to classes. For evaluation.

Sources: the 182 to 27 classes of CocoStuff and 6 to 3 of Potsdam as in IIC (Ji et al., ICCV 2019) and STEGO (Hamilton
et al., ICLR 2022); Cityscapes' label ids (Cordts et al., CVPR 2016), of which STEGO takes 7 to 33; SUIM's three-bit
colors (Islam et al., IROS 2020); the order of classes of the SegNet tutorial for CamVid; MSRC v2's palette (Shotton et
al., ECCV 2006), without horse and mountain, which hardly occur and are left out in common use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError
from segpipe.base.shortage import raise_shortage
from segpipe.images import matfile
from segpipe.images.decoding import quiet, takes_too_much
from segpipe.images.readers import read_image
from segpipe.images.single import MAX_PIXELS
from segpipe.labels.label_maps import READERS
from segpipe.labels.placement import UNLABELLED

Int32 = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

_WRONG = -2  # values that no label of the set has


@dataclass(frozen=True, slots=True)
class Coding:
    """How a set's labels are read."""

    classes: tuple[str, ...]
    read: Callable[[Path], Bytes]
    """A file's stored array: (H, W), or (H, W, 3) for colors; raises ValueError or OSError."""
    decode: Callable[[Bytes], Int32]
    """Stored array to (H, W) classes, `UNLABELLED` or `_WRONG`."""


def by_value(classes: Mapping[int, int], ignored: Sequence[int]) -> Callable[[Bytes], Int32]:
    """Make a decoder of single values.

    Args:
        classes: class by stored value.
        ignored: values that mean no label.
    """
    table = np.full(256, _WRONG, np.int32)
    table[list(ignored)] = UNLABELLED
    table[list(classes)] = list(classes.values())
    return lambda stored: table[stored]


def by_color(classes: Mapping[tuple[int, int, int], int]) -> Callable[[Bytes], Int32]:
    """Make a decoder of exact colors; other colors are wrong."""
    packed = {red << 16 | green << 8 | blue: label for (red, green, blue), label in classes.items()}
    known = np.array(sorted(packed), np.int32)
    labels = np.array([packed[color] for color in known.tolist()], np.int32)

    def decode(stored: Bytes) -> Int32:
        wide = stored.astype(np.int32)
        colors = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
        places = np.searchsorted(known, colors).clip(max=len(known) - 1)
        return np.where(known[places] == colors, labels[places], np.int32(_WRONG))

    return decode


def by_bits(stored: Bytes) -> Int32:
    """Three-bit colors to 4 red + 2 green + blue, each channel on above 127: compression left values in between."""
    bits = (stored > 127).astype(np.int32)
    return np.asarray(4 * bits[..., 0] + 2 * bits[..., 1] + bits[..., 2], np.int32)


def _picture(path: Path, modes: Sequence[str]) -> Bytes:
    with path.open("rb") as handle:
        start = handle.read(4)
        handle.seek(0)
        reader = next((reader for mark, reader in READERS.items() if start.startswith(mark)), None)
        if reader is None:
            raise ValueError("not a PNG, TIFF or BMP file inside")
        image = reader(handle)
        if image.mode not in modes:
            raise ValueError(f"a picture of mode {image.mode}, expected {' or '.join(modes)}")
        if image.width * image.height > MAX_PIXELS:  # before memory is taken for it
            raise ValueError(f"{image.width} x {image.height} pixels are more than {MAX_PIXELS // 10**6} million")
        return np.asarray(image, np.uint8)


def _values(path: Path) -> Bytes:
    return _picture(path, ("L", "P"))


def _colors(path: Path) -> Bytes:
    return _picture(path, ("RGB",))


def _mat(path: Path) -> Bytes:
    with path.open("rb") as handle:
        stored = matfile.read_variable(handle, matfile.LABELS)
    if stored.ndim != 2:
        raise ValueError(f"{matfile.LABELS!r} is {' x '.join(map(str, stored.shape))}, not H x W")
    return stored


def _runs(*runs: tuple[int, int]) -> list[int]:
    return [label for label, length in runs for _ in range(length)]


# things 0 to 90 come in runs of one class
_COCO_THINGS = _runs(
    *((9, 1), (11, 8), (8, 6), (7, 10), (6, 8), (10, 10), (5, 8), (2, 10), (3, 10), (0, 6), (1, 6), (4, 8))
)
# stuff 91 to 181 is sorted by name
# fmt: off
_COCO_STUFF = [
    17, 17, 22, 20, 20, 22, 15, 25, 16, 13, 12, 12, 17, 17, 23, 15, 15, 17, 15, 21, 15, 25, 13, 13, 13, 13, 13, 22, 26,
    14, 14, 15, 22, 21, 21, 24, 20, 22, 15, 17, 16, 15, 22, 24, 21, 17, 25, 16, 21, 17, 22, 16, 21, 21, 25, 21, 26, 21,
    24, 20, 17, 14, 21, 26, 15, 23, 20, 21, 24, 15, 24, 22, 25, 15, 20, 17, 17, 22, 14, 18, 18, 18, 18, 18, 18, 18, 26,
    26, 19, 19, 24,
]
_COCO_CLASSES = (
    "electronic", "appliance", "food", "furniture", "indoor", "kitchen", "accessory", "animal", "outdoor", "person",
    "sports", "vehicle", "ceiling", "floor", "food-stuff", "furniture-stuff", "raw-material", "textile", "wall",
    "window", "building", "ground", "plant", "sky", "solid", "structural", "water",
)
_CITYSCAPES = (
    "road", "sidewalk", "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel", "pole",
    "polegroup", "traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car", "truck",
    "bus", "caravan", "trailer", "train", "motorcycle", "bicycle",
)
_SUIM = (
    "waterbody", "human divers", "plants and sea-grass", "wrecks and ruins", "robots and instruments",
    "reefs and invertebrates", "fish and vertebrates", "sea-floor and rocks",
)
_CAMVID = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian", "bicyclist",
)
_MSRC = {
    "building": (128, 0, 0), "grass": (0, 128, 0), "tree": (128, 128, 0), "cow": (0, 0, 128), "sheep": (0, 128, 128),
    "sky": (128, 128, 128), "aeroplane": (192, 0, 0), "water": (64, 128, 0), "face": (192, 128, 0),
    "car": (64, 0, 128), "bicycle": (192, 0, 128), "flower": (64, 128, 128), "sign": (192, 128, 128),
    "bird": (0, 64, 0), "book": (128, 64, 0), "chair": (0, 192, 0), "road": (128, 64, 128), "cat": (0, 192, 128),
    "dog": (128, 192, 128), "body": (64, 64, 0), "boat": (192, 64, 0),
}
_MSRC_VOID = {"void": (0, 0, 0), "horse": (128, 0, 128), "mountain": (64, 0, 0)}
# fmt: on

CODINGS: Mapping[str, Coding] = {
    "cocostuff27": Coding(
        _COCO_CLASSES, _values, by_value(dict(enumerate([*_COCO_THINGS, *_COCO_STUFF])), ignored=[255])
    ),
    "cityscapes27": Coding(
        _CITYSCAPES, _values, by_value({7 + i: i for i in range(27)}, ignored=[*range(7), *range(34, 256)])
    ),
    "potsdam3": Coding(
        ("roads and cars", "buildings and clutter", "vegetation and trees"),
        _mat,
        by_value({0: 0, 4: 0, 1: 1, 5: 1, 2: 2, 3: 2}, ignored=[255]),
    ),
    "suim": Coding(_SUIM, _colors, by_bits),
    "camvid": Coding(_CAMVID, _values, by_value({i: i for i in range(11)}, ignored=[11, 255])),
    "msrc21": Coding(
        tuple(_MSRC),
        _colors,
        by_color({color: i for i, color in enumerate(_MSRC.values())} | dict.fromkeys(_MSRC_VOID.values(), UNLABELLED)),
    ),
}
"""By name of the layout."""


def read_coded(path: Path, layout: str) -> Int32:
    """Read a label of a published set.

    Returns:
        (H, W) int32 classes of `CODINGS[layout].classes`, `UNLABELLED` where there is no label.

    Raises:
        UsageError: the file cannot be read, or holds a value or color that the set does not have.
    """
    coding = CODINGS[layout]
    try:
        with quiet():
            stored = coding.read(path)
    except Exception as error:  # decoders meet damaged files with any exception there is
        greedy = takes_too_much(error)
        if greedy:
            raise UsageError(f"{path}: {greedy}; save this label again or take it away") from error
        raise_shortage(path, error)
        raise UsageError(f"{path}: cannot read this label of {layout} ({error}); restore the set's own file") from error
    labels = coding.decode(stored)
    wrong = labels == _WRONG
    if wrong.any():
        first = np.argwhere(wrong)[0]
        value = stored[tuple(first)].tolist()
        raise UsageError(
            f"{path}: holds {value} at row {first[0]}, column {first[1]}, which labels of {layout} never do "
            f"({np.count_nonzero(wrong)} pixels); restore the set's own file"
        )
    return labels


def read_sample(image: Path, label: Path, layout: str) -> tuple[Bytes, Int32]:
    """An image of a published set (H, W, 3), as displayed, and its label as of `read_coded`.

    Raises:
        BadImage: the image cannot be decoded.
        UsageError: as `read_coded`.
    """
    return read_image(image, depth="uint8", scaling={}).rgb, read_coded(label, layout)
