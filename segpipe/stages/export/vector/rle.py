"""Run lengths: regions as COCO writes them, classes as the brush of Label Studio does."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.components import Int32
from segpipe.base.jit import compiled
from segpipe.records.legend import Mask
from segpipe.stages.export.vector.regions import Int64

_BRUSH_BITS = (3, 4, 8, 16)
"""The four widths in which a brush's run can give its length."""


def coco_counts(labels: Int32, regions: int) -> list[str]:
    """Every region as the compressed run lengths of a COCO segmentation.

    Pixels are read column by column; the counts of pixels outside and inside come in turns, beginning outside. From
    the fourth on a count is written as its difference to the one before the last; numbers are in groups of five bits,
    the lowest first, 32 in all groups but the last, and 48 is added to make characters (COCO API, maskApi).

    Memory: 5 bytes a pixel, and 24 bytes a run.

    Args:
        labels: (H, W) numbers of regions, negative: none.
        regions: how many there are.
    """
    starts, lengths, values = _runs(labels.T)
    kept = np.flatnonzero(values >= 0)
    kept = kept[np.argsort(values[kept], kind="stable")]
    first = np.searchsorted(values[kept], np.arange(regions + 1))
    letters, ends = _compress(starts[kept], lengths[kept], first.astype(np.int64), labels.size)
    text = letters.tobytes().decode("ascii")
    return [text[a:b] for a, b in itertools.pairwise([0, *ends.tolist()])]


def brush(mask: Mask, value: int) -> list[int]:
    """The pixels of one value as the RLE of a Label Studio brush.

    The format is thi.ng's rle-pack: 32 bits count the values, 5 bits hold their width less one, four times 4 bits the
    widths (less one) that lengths can have; then for every run a bit that says that a value is repeated, two bits that
    choose the width of its length, the length less one, the value. The values are those of an RGBA picture, row by
    row: four times 255 for a pixel of the brush, four times 0 for others.

    Returns:
        The bytes.
    """
    _, lengths, inside = _runs(np.asarray(mask == value))
    long, rest = np.divmod(lengths * 4, 2**16)
    parts = np.stack([long, rest > 0], axis=1).ravel()
    sizes = np.repeat(np.stack([np.full(len(rest), 2**16), rest], axis=1).ravel(), parts)
    values = np.repeat(np.repeat(inside.astype(np.int64) * 255, 2), parts)
    width = np.searchsorted(2 ** np.array(_BRUSH_BITS), sizes)
    bits = np.array(_BRUSH_BITS)[width]
    words = (((4 + width) << bits | (sizes - 1)) << 8 | values).astype(">u4")  # 1, width, length, value
    header = [(mask.size * 4, 32), (8 - 1, 5), *((n - 1, 4) for n in _BRUSH_BITS)]
    head = np.concatenate([_bits(np.array([number], ">u4"), np.array([size])) for number, size in header])
    return np.packbits(np.concatenate([head, _bits(words, bits + 11)])).tolist()


def _bits(words: npt.NDArray[np.uint32], widths: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """The lowest bits of 32-bit numbers (big-endian), one after the other."""
    every = np.unpackbits(words.view(np.uint8)).reshape(-1, 32)
    return every[np.arange(32) >= 32 - widths[:, None]]


def _runs(pixels: npt.NDArray[Any]) -> tuple[Int64, Int64, npt.NDArray[Any]]:
    """Where runs of equal values begin, how long they are, and their values; pixels row by row."""
    flat = np.ascontiguousarray(pixels).ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    return starts, np.diff(starts, append=len(flat)), flat[starts]


@compiled
def _compress(starts: Int64, lengths: Int64, first: Int64, total: int) -> tuple[npt.NDArray[np.uint8], Int64]:
    """Letters of all regions, and where those of each end."""
    letters, used = np.empty(1024, np.uint8), 0
    ends = np.empty(len(first) - 1, np.int64)
    for region in range(len(first) - 1):
        runs = first[region + 1] - first[region]
        before, last = np.int64(0), np.int64(0)  # the counts before this one
        for i in range(2 * runs + 1):
            run = first[region] + i // 2
            end = starts[run - 1] + lengths[run - 1] if i > 1 else np.int64(0)
            if i == 2 * runs:
                count = total - end
                if count == 0:
                    break
            elif i % 2:
                count = lengths[run]
            else:
                count = starts[run] - end
            number = count - before if i > 2 else count
            before, last = last, count
            if used + 16 > len(letters):
                more = np.empty(2 * len(letters), np.uint8)
                more[:used] = letters[:used]
                letters = more
            while True:
                group = number & 31
                number >>= 5
                done = number == -1 if group & 16 else number == 0
                letters[used] = 48 + group + (0 if done else 32)
                used += 1
                if done:
                    break
        ends[region] = used
    return letters[:used], ends
