"""How the samples of images deeper than 8 bits become 8 bits: the same for a whole corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base.guarded import Guards
from segpipe.images.bands import numbers
from segpipe.images.channel_scaling import scale_channels
from segpipe.images.crop_plan import CropPlan
from segpipe.images.mosaics import sample_mosaic, showing
from segpipe.images.readers import sample_values
from segpipe.images.remote_files import local
from segpipe.images.scale_groups import NONE_SETTLED, Limits
from segpipe.records.corpus import Image, valid_path
from segpipe.records.view import scales_of

_IMAGES = 64
_PIXELS = 20_000
_WINDOWS = 64
_TAILS = (0.5, 99.5)


def find_scaling(
    images: Sequence[Image],
    root: Path,
    corpus_dir: Path,
    *,
    plan: CropPlan,
    guards: Guards,
    settled: Mapping[str, Limits] = NONE_SETTLED,
) -> dict[str, Limits]:
    """For each depth but uint8, or scale that a view names, the values that become 0 and 255.

    Percentiles 0.5 and 99.5 of a seeded sample of pixels from at most 64 images of that depth or scale: the same for
    all of them and their colors, so that brighter images stay brighter, and without the few hot pixels of a sensor.

    Images of many channels have limits for each channel instead: `scale_channels`.

    Args:
        images: that were checked.
        root: folder of the files.
        corpus_dir: the directory `corpus/`, with the valid pixels of mosaics.
        plan: bands, and windows of mosaics.
        guards: processes to decode in.
        settled: limits by name that are not looked for, as kept classes were found with them.

    Raises:
        BadImage: a file changes meanwhile.
    """
    kept = {name: settled[name] for each in images for name in scales_of(each.depth, each.view) if name in settled}
    images = [each for each in images if not all(name in kept for name in scales_of(each.depth, each.view))]
    scaling = scale_channels(images, root, corpus_dir, plan=plan, guards=guards)
    images = [image for image in images if not image.view.channels]
    for name in sorted({image.view.scale or image.depth for image in images} - {"uint8"}):
        rng = np.random.default_rng(0)
        deep = [image for image in images if (image.view.scale or image.depth) == name]
        sample = []
        for i in sorted(rng.permutation(len(deep))[:_IMAGES]):
            with local(root / deep[i].path) as file:
                values, rng = guards.call(_sample, deep[i], file, corpus_dir, plan, rng)
            sample.append(values)
        values = np.concatenate(sample)
        low, high = (float(value) for value in np.percentile(values, _TAILS)) if len(values) else (0.0, 1.0)
        scaling[name] = (low, high if high > low else low + 1.0)  # constant images become black
    return scaling | kept


def _sample(
    image: Image, path: Path, corpus_dir: Path, plan: CropPlan, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], np.random.Generator]:
    """Values (n,) of an image, of a mosaic from at most 64 of its windows; and `rng` as it is after that."""
    view = replace(image.view, bands=image.view.bands or numbers(plan.bands))
    if not image.mosaic:
        return sample_values(path, count=_PIXELS, rng=rng, view=view), rng
    valid = valid_path(corpus_dir, image.id)
    boxes = showing(valid, plan.windows(image.size))
    some = [boxes[i] for i in sorted(rng.permutation(len(boxes))[:_WINDOWS])]
    return sample_mosaic(path, valid, some, count=_PIXELS, rng=rng, view=view), rng
