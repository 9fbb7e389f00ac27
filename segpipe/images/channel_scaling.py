"""How the samples of images of many channels become 8 bits: each channel by its own values, all images alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio

from segpipe.base.geometry import Box
from segpipe.base.guarded import Guards
from segpipe.images import rasters
from segpipe.images.crop_plan import CropPlan
from segpipe.images.decoding import decoding
from segpipe.images.headers import inspect
from segpipe.images.mosaics import read_valid, showing
from segpipe.images.remote_files import local
from segpipe.images.stacks import open_view
from segpipe.records.corpus import Image, valid_path
from segpipe.records.view import scales_of

_IMAGES = 64
_PIXELS = 20_000
_WINDOWS = 64
_TAILS = (0.5, 99.5)
_BYTE = (0.0, 255.0)

Sample = tuple[npt.NDArray[np.float32], tuple[bool, ...]]
"""Values (n, channels) of valid pixels, NaN where a channel has none; and which channels are stored in 8 bits."""


def scale_channels(
    images: Sequence[Image], root: Path, corpus_dir: Path, *, plan: CropPlan, guards: Guards
) -> dict[str, tuple[float, float]]:
    """For each channel of each depth but uint8 the values that become 0 and 255, by the names of `scales_of`.

    Percentiles 0.5 and 99.5 of a seeded sample of pixels from at most 64 images of that depth. A channel that all of
    them store in 8 bits stays as it is.

    Args:
        images: that were checked; those without channels are passed over.
        root: folder of the files.
        corpus_dir: the directory `corpus/`, with the valid pixels of mosaics.
        plan: windows of mosaics.
        guards: processes to decode in.

    Raises:
        BadImage: a file changes meanwhile.
    """
    scaling: dict[str, tuple[float, float]] = {}
    for depth in sorted({image.depth for image in images if image.view.channels} - {"uint8"}):
        rng = np.random.default_rng(0)
        deep = [image for image in images if image.depth == depth]
        samples: list[Sample] = []
        for i in sorted(rng.permutation(len(deep))[:_IMAGES]):
            with local(root / deep[i].path) as file:
                sample, rng = guards.call(_sample, deep[i], file, corpus_dir, plan, rng)
            samples.append(sample)
        values = np.concatenate([sample for sample, _ in samples])
        eight = [all(flags) for flags in zip(*(flags for _, flags in samples), strict=True)]
        for n, name in enumerate(scales_of(depth, deep[0].view)):
            scaling[name] = _BYTE if eight[n] else _limits(values[:, n])
    return scaling


def _limits(values: npt.NDArray[np.float32]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    low, high = (float(value) for value in np.percentile(finite, _TAILS)) if len(finite) else (0.0, 1.0)
    return low, high if high > low else low + 1.0  # a constant channel becomes black


def _sample(
    image: Image, path: Path, corpus_dir: Path, plan: CropPlan, rng: np.random.Generator
) -> tuple[Sample, np.random.Generator]:
    parts = []
    container = inspect(path)
    boxes = _boxes(image, corpus_dir, plan, rng)
    with decoding(path), open_view(path, container, image.view) as (stack, bands):
        for values, valid in _pieces(stack, container, bands, boxes, valid_path(corpus_dir, image.id)):
            pixels = values.reshape(-1, values.shape[-1]) if valid is None else values[valid]
            if len(pixels):
                share = -(-_PIXELS // len(boxes)) if boxes else -(-_PIXELS * values.shape[0] // stack.height)
                parts.append(pixels[rng.integers(len(pixels), size=share)].astype(np.float32))
        eight, missing = stack.eight, stack.missing
    whole = np.concatenate(parts) if parts else np.empty((0, len(eight)), np.float32)
    for n, value in enumerate(missing):
        if value is not None:  # of a pixel that other bands show
            whole[whole[:, n] == np.float32(value), n] = np.nan
    return (whole, eight), rng


def _boxes(image: Image, corpus_dir: Path, plan: CropPlan, rng: np.random.Generator) -> list[Box]:
    """At most 64 windows of a mosaic that hold image; none for what is read as a whole."""
    if not image.mosaic:
        return []
    boxes = showing(valid_path(corpus_dir, image.id), plan.windows(image.size))
    return [boxes[i] for i in sorted(rng.permutation(len(boxes))[:_WINDOWS])]


def _pieces(
    stack: Any, container: Any, bands: rasters.Bands, boxes: Sequence[Box], valid: Path
) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]]:
    if not boxes:
        yield from ((values, good) for _, values, good in rasters.slabs(stack, container, bands))
        return
    with rasterio.open(valid, driver="GTiff") as picture:
        for box in boxes:
            yield rasters.read_values(stack, container, bands, box)[0], read_valid(picture, box)
