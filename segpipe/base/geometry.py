"""Sizes, boxes and patch grids: the only place of strides and of the maps between pixels and patches.

Pixels are counted from the top left; the center of pixel `j` lies at `j + 0.5`. Boxes are half open.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Size:
    """Height and width in pixels."""

    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(f"a size must be at least 1 x 1, got {self.height} x {self.width}")

    def fit(self, side: int) -> Size:
        """The largest size of the same shape whose longer side is at most `side`; never larger than self.

        >>> Size(300, 400).fit(200)
        Size(height=150, width=200)
        """
        scale = min(1.0, side / max(self.height, self.width))
        return Size(max(1, round(self.height * scale)), max(1, round(self.width * scale)))


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of pixels inside an image: rows `top` to `top + height`, columns `left` to `left + width`."""

    top: int
    left: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.top < 0 or self.left < 0 or self.height < 1 or self.width < 1:
            raise ValueError(f"not a box inside an image: {self}")

    @property
    def size(self) -> Size:
        """Height and width."""
        return Size(self.height, self.width)

    @property
    def bottom(self) -> int:
        """The row after the last."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The column after the last."""
        return self.left + self.width

    def meets(self, other: Box) -> bool:
        """Whether the two share a pixel."""
        return (
            self.top < other.bottom and other.top < self.bottom and self.left < other.right and other.left < self.right
        )

    def common(self, other: Box) -> Box:
        """The pixels that both hold; they must share some."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        return Box(top, left, min(self.bottom, other.bottom) - top, min(self.right, other.right) - left)

    def within(self, outer: Box) -> Box:
        """The same pixels, counted from the top left of `outer`, which holds them all."""
        return Box(self.top - outer.top, self.left - outer.left, self.height, self.width)

    def grown(self, reach: int, size: Size) -> Box:
        """The pixels at most `reach` rows and columns away, as far as they lie in an image of this size.

        >>> Box(5, 0, 10, 10).grown(8, Size(100, 12))
        Box(top=0, left=0, height=23, width=12)
        """
        top, left = max(0, self.top - reach), max(0, self.left - reach)
        return Box(top, left, min(size.height, self.bottom + reach) - top, min(size.width, self.right + reach) - left)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index an (H, W, ...) array with this to cut the box out."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


@dataclass(frozen=True, slots=True)
class Grid:
    """How one crop becomes patches: scaled to `content` pixels, padded right and below to whole patches.

    `source` is the crop's size in image pixels; `rows` x `cols` patches of `patch` pixels are the network's input.
    """

    rows: int
    cols: int
    patch: int
    content: Size
    source: Size

    @property
    def input(self) -> Size:
        """The network's input size, padding included."""
        return Size(self.rows * self.patch, self.cols * self.patch)

    def patch_positions(self, out: Size) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Where the pixels of the crop, drawn at size `out`, lie on the patch grid.

        Returns:
            Row positions (out.height,) and column positions (out.width,) in patches, 0 = center of the first
            patch. They reach half a patch outside the first and last center.
        """
        y = (np.arange(out.height) + 0.5) * self.source.height / out.height
        x = (np.arange(out.width) + 0.5) * self.source.width / out.width
        return self.locate(y, x)

    def locate(
        self, y: npt.NDArray[np.float64], x: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Where points of the crop, in image pixels from the crop's top left corner, lie on the patch grid.

        Returns:
            Row positions like `y` and column positions like `x` in patches, 0 = center of the first patch.
        """
        return (
            y * self.content.height / self.source.height / self.patch - 0.5,
            x * self.content.width / self.source.width / self.patch - 0.5,
        )

    def patch_box(self, row: int, col: int) -> Box:
        """The pixels of the crop, counted from its top left corner, that one patch shows (padding left out).

        >>> plan_grid(Size(360, 480), side=224, patch=16).patch_box(0, 15)
        Box(top=0, left=450, height=30, width=30)
        """
        top, bottom = _span(row, self.patch, self.content.height, self.source.height)
        left, right = _span(col, self.patch, self.content.width, self.source.width)
        return Box(top, left, bottom - top, right - left)


def plan_grid(source: Size, *, side: int, patch: int) -> Grid:
    """Lay whole patches over a crop of any shape at about the area of `side` x `side` pixels, undistorted.

    One side becomes a whole number of patches; the other is padded by less than one patch. Of the two choices the
    one with less padding is taken, so a square crop and a `side` that `patch` divides give no padding at all.

    >>> plan_grid(Size(360, 480), side=224, patch=16)
    Grid(rows=12, cols=16, patch=16, content=Size(height=192, width=256), source=Size(height=360, width=480))
    """
    wanted = side / math.sqrt(source.height * source.width) / patch  # patches per image pixel
    rows, cols = max(1, round(source.height * wanted)), max(1, round(source.width * wanted))
    by_rows = _grid(source, rows * patch / source.height, patch)
    by_cols = _grid(source, cols * patch / source.width, patch)
    return min(by_rows, by_cols, key=_padding)


def _span(index: int, patch: int, content: int, source: int) -> tuple[int, int]:
    """First pixel and the one after the last that patch `index` touches, in exact integers."""
    return index * patch * source // content, min(source, -(-(index + 1) * patch * source // content))


def _grid(source: Size, scale: float, patch: int) -> Grid:
    content = Size(max(1, round(source.height * scale)), max(1, round(source.width * scale)))
    return Grid(-(-content.height // patch), -(-content.width // patch), patch, content, source)


def _padding(grid: Grid) -> float:
    return 1 - grid.content.height * grid.content.width / (grid.input.height * grid.input.width)


def mask_tiles(size: Size, side: int | None) -> list[Box]:
    """The tiles of an image's mask, which together cover it; None for `side` makes the whole image one tile."""
    return [Box(0, 0, size.height, size.width)] if side is None else tiles(size, side)


def tiles(size: Size, side: int, box: Box | None = None) -> list[Box]:
    """Cut an image into squares of `side` pixels, row by row from the top left; the last ones may be smaller.

    Args:
        size: of the image.
        side: of a square.
        box: those that share no pixel with it are left out.

    >>> [(tile.left, tile.width) for tile in tiles(Size(10, 25), 10)]
    [(0, 10), (10, 10), (20, 5)]
    """
    box = box or Box(0, 0, size.height, size.width)
    return [
        Box(top, left, min(side, size.height - top), min(side, size.width - left))
        for top in range(box.top // side * side, box.bottom, side)
        for left in range(box.left // side * side, box.right, side)
    ]


def windows(size: Size, *, side: int, overlap: float) -> list[Box]:
    """Cover an image with square windows of `side` pixels that overlap by at least the share `overlap`.

    Windows are spread evenly, so the last one ends at the image's border. An image smaller than a window in one
    direction gets windows of its own extent there.

    >>> [box.left for box in windows(Size(100, 250), side=100, overlap=0.25)]
    [0, 75, 150]
    """
    return [
        Box(top, left, min(side, size.height), min(side, size.width))
        for top in _starts(size.height, side, overlap)
        for left in _starts(size.width, side, overlap)
    ]


def _starts(length: int, side: int, overlap: float) -> list[int]:
    if length <= side:
        return [0]
    count = 1 + math.ceil((length - side) / max(1.0, side * (1 - overlap)))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def five_crops(size: Size) -> list[Box]:
    """Four corners and the center, each half the image's height and width (STEGO's `five` crops).

    Halves are rounded up, so that the corners cover every pixel of an image with odd sides.
    """
    h, w = -(-size.height // 2), -(-size.width // 2)
    bottom, right = size.height - h, size.width - w
    return [
        Box(top, left, h, w)
        for top, left in ((0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2))
    ]
