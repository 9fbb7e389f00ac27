"""Class maps: codes of crops to a class for every pixel, at the image's own size.

Codes are blended on a canvas of bounded size, compared with the cluster centers, sharpened by a dense CRF, and only
then are probabilities brought to the size of the image: in strips of rows, so that memory stays small however large
the image is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Grid, Size
from segpipe.ops.crf.dense_crf import refine_probabilities
from segpipe.ops.maps import blend
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.records.clusters import Split

Float32 = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Positions = npt.NDArray[np.float64] | None
Field = tuple[Float32, Positions, Positions]
"""Probabilities (h, w, K) on a canvas, and where rows and columns of an image lie on it; None: where its own do."""

_STRIP = 1 << 23  # numbers in one strip: 32 MB of float32
_CACHED = 1 << 19  # the same where several passes are made over a strip: 2 MB


@dataclass(frozen=True, slots=True)
class CropCodes:
    """The codes of the crops of an image."""

    codes: Sequence[npt.NDArray[np.floating]]
    """For each crop (rows, cols, d)."""
    grids: Sequence[Grid]
    """For each crop its patch grid."""
    boxes: Sequence[Box]
    """For each crop its box in image pixels."""
    mirrored: Sequence[npt.NDArray[np.floating]] | None = None
    """For each crop the codes of its mirrored pixels, averaged in (STEGO's flip averaging)."""


def segment(crops: CropCodes, rgb: npt.NDArray[np.uint8], config: SegmentConfig) -> Labels:
    """Give every pixel of an image the class with the center that is most like the codes around it.

    Args:
        crops: their boxes cover the image.
        rgb: (H, W, 3) uint8, the image.
        config: centers and constants; `splits` are left out.

    Returns:
        (H, W) classes 0 to K - 1: uint8 up to 255 classes, uint16 beyond.

    Raises:
        ValueError: the boxes do not cover the image, or codes do not fit their grids.
    """
    return label_pixels(probabilities(crops, rgb, config), Size(*rgb.shape[:2]))


def probabilities(crops: CropCodes, rgb: npt.NDArray[np.uint8], config: SegmentConfig) -> Float32:
    """The probabilities (h, w, K) on the canvas that `segment` makes classes of; arguments and errors as there."""
    image = Size(*rgb.shape[:2])
    out = image.fit(config.side)
    found = classify(crops, config, image=image, out=out)
    if config.crf is not None:
        small = rgb if out == image else cv2.resize(rgb, (out.width, out.height), interpolation=cv2.INTER_AREA)
        found = refine_probabilities(found, small, config.crf, threads=config.threads)
    return found.transpose(1, 2, 0)


def classify(crops: CropCodes, config: SegmentConfig, *, image: Size, out: Size, strip: int = _CACHED) -> Float32:
    """Class probabilities before the CRF: softmax of `sharpness` x cosine of the blended code to a class.

    The cosine to a class is the largest one to its centers.

    Args:
        crops: their boxes cover the image.
        config: centers, members and sharpness.
        image: size of the image.
        out: size of the canvas, the image's shape at any scale.
        strip: numbers of the code field held at once.

    Returns:
        (K, out.height, out.width) float32, the first axis sums to 1.

    Raises:
        ValueError: the boxes do not cover the image, or codes do not fit their grids.
    """
    y = (np.arange(out.height) + 0.5) * image.height / out.height
    x = (np.arange(out.width) + 0.5) * image.width / out.width
    found, covered = classify_at(crops, config, y, x, strip=strip)
    if not covered:
        raise ValueError("the boxes do not cover the image")
    return found


def classify_at(
    crops: CropCodes,
    config: SegmentConfig,
    y: npt.NDArray[np.float64],
    x: npt.NDArray[np.float64],
    *,
    strip: int = _CACHED,
) -> tuple[Float32, bool]:
    """Class probabilities at every combination of rows `y` and columns `x`, as of `classify` and `blend.blend`.

    Returns:
        (K, h, w) float32, all classes alike where no crop lies, and whether crops lie everywhere.
    """
    members = np.arange(len(config.centers)) if config.members is None else config.members
    order = np.argsort(members, kind="stable")
    starts = np.flatnonzero(np.diff(members[order], prepend=-1))
    directions = np.ascontiguousarray(np.asarray(config.centers, np.float32)[order])
    found = np.empty((len(starts), len(y), len(x)), np.float32)
    everywhere = True
    for rows in _strips(len(y), len(x) * max(directions.shape), strip):
        here = y[rows.start : rows.stop]
        field, covered = blend.blend(crops.codes, crops.grids, crops.boxes, here, x, mirrored=crops.mirrored)
        everywhere &= covered
        points = field.reshape(-1, field.shape[-1])
        lengths = np.sqrt(np.einsum("nd,nd->n", points, points))
        cosines, nearest = directions @ points.T, np.empty((len(starts), len(points)), np.float32)
        for own, out in zip(np.split(cosines, starts[1:]), nearest, strict=True):
            own.max(axis=0, out=out)
        nearest /= np.maximum(lengths, np.finfo(np.float32).tiny)  # after the maximum, which does not mind
        nearest *= np.float32(config.sharpness)
        found[:, rows.start : rows.stop] = _softmax(nearest).reshape(len(starts), len(rows), len(x))
    return found, everywhere


def _softmax(logits: Float32) -> Float32:
    """Over the first axis, in place: rows of numbers are added up faster than numbers of rows."""
    logits -= logits.max(axis=0)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=0)
    return logits


def label_pixels(probabilities: Float32, image: Size, *, strip: int = _STRIP) -> Labels:
    """The most probable class of every pixel, probabilities interpolated bilinearly to the image's size.

    Classes that nowhere reach 1 / K are left out first. That changes nothing: an interpolated probability is never
    larger than the largest it is made from, and the most probable of K classes has at least 1 / K.

    Args:
        probabilities: (h, w, K), the last axis sums to 1.
        image: the size wanted.
        strip: numbers held at once.

    Returns:
        (H, W) classes; of equal ones the smallest. uint8 up to 255 classes, uint16 beyond.
    """
    return label_at(probabilities, *places(probabilities, image), strip=strip)


def divide(labels: Labels, splits: Sequence[Split], decide: Callable[[Split], Labels], *, classes: int) -> Labels:
    """Give the pixels of clusters that were split to their parts; no other pixel changes.

    Args:
        labels: (H, W) clusters, or any other value; may be changed in place.
        splits: in their order.
        decide: gives for every pixel (H, W) the part that it would belong to; asked where a pixel belongs to any.
        classes: how many there are, parts counted.

    Returns:
        (H, W): uint8 up to 255 classes, uint16 beyond.
    """
    found: Labels = labels.astype(np.uint8, copy=False) if classes <= 255 else labels.astype(np.uint16, copy=False)
    for split in splits:
        inside = found == split.cluster
        if inside.any():
            found[inside] = split.numbers.astype(found.dtype)[decide(split)[inside]]
    return found


def places(probabilities: Float32, image: Size) -> tuple[Positions, Positions]:
    """Where the rows and columns of an image lie on a canvas (h, w, K) of it; None, None where it has that size."""
    height, width, _ = probabilities.shape
    if Size(height, width) == image:
        return None, None
    y = (np.arange(image.height) + 0.5) * height / image.height - 0.5
    x = (np.arange(image.width) + 0.5) * width / image.width - 0.5
    return y, x


def label_at(
    probabilities: Float32,
    y: Positions,
    x: Positions,
    *,
    strip: int = _STRIP,
) -> Labels:
    """The most probable class at every combination of rows and columns, as of `label_pixels`.

    Args:
        probabilities: (h, w, K), the last axis sums to 1.
        y: (H,) positions in rows, 0 is the center of the first; None for those of the rows themselves.
        x: (W,) positions in columns; None where `y` is.
        strip: numbers held at once.
    """
    classes = probabilities.shape[-1]
    dtype = np.uint8 if classes <= 255 else np.uint16
    able = np.flatnonzero(probabilities.max(axis=(0, 1)) >= (1 - 1e-3) / classes)  # a margin for rounding
    names = able.astype(dtype)
    values = np.ascontiguousarray(probabilities[..., able])
    if y is None or x is None:
        return np.asarray(names[values.argmax(axis=-1)])
    labels = np.empty((len(y), len(x)), dtype)
    for rows in _strips(len(y), len(x) * len(able), strip):
        labels[rows.start : rows.stop] = names[blend.upsample(values, y[rows.start : rows.stop], x).argmax(axis=-1)]
    return labels


def _strips(height: int, per_row: int, budget: int) -> list[range]:
    """Cut `height` rows of `per_row` numbers into ranges that hold about `budget` numbers each."""
    step = max(1, budget // max(1, per_row))
    return [range(start, min(start + step, height)) for start in range(0, height, step)]
