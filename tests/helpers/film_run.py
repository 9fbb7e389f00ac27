"""Films as runs have them: a corpus of their frames, and masks, made without running any stage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Size
from segpipe.records.corpus import Corpus, Crop, FrameInfo, Image
from segpipe.store import masks
from segpipe.store.corpus import load_corpus, save_corpus
from segpipe.store.run_dir import RunDir
from tests.helpers.digests import sha256_of

Rgb = npt.NDArray[np.uint8]


def moment_of(video: str, place: int, *, seconds: float = 1.0) -> FrameInfo:
    """Of the frame at a place, one every so many seconds of ten frames each."""
    return FrameInfo(video, round(10 * seconds * place), seconds * place, seconds)


def film_corpus(root: Path, pictures: Sequence[Rgb], *, video: str = "dive.mp4", seconds: float = 1.0) -> Corpus:
    """Frames of a video in `root/corpus/frames`, or, where `video` is empty, numbered pictures in `root/images`."""
    images = []
    for i, rgb in enumerate(pictures):
        name = f"{video}/{10 * i:06}" if video else f"trip/f{i}"
        path = root / (f"corpus/frames/{name}.png" if video else f"images/{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", rgb[..., ::-1])[1].tobytes())
        moment = moment_of(video, i, seconds=seconds) if video else None
        known = sha256_of(path), path.stat().st_size
        images.append(Image(name, f"{name}.png", Size(*rgb.shape[:2]), "uint8", *known, moment=moment))
    crops = tuple(Crop(i, Box(0, 0, *rgb.shape[:2])) for i, rgb in enumerate(pictures))
    return Corpus(root / "images", tuple(images), crops, corpus_dir=root / "corpus")


def write_maps(directory: Path, corpus: Corpus, maps: Sequence[npt.NDArray[Any]], *, classes: int) -> list[Any]:
    """Masks of all images; returns the lines of their index."""
    index = []
    for image, mask in zip(corpus.images, maps, strict=True):
        masks.write_mask(masks.mask_path(directory, image.id), mask.astype(np.uint8), classes=classes)
        index.append(masks.describe_mask(image.id, mask.astype(np.uint8), classes=classes))
    masks.save_index(directory, index)
    return index


def write_labels(folder: Path, corpus: Corpus, maps: Sequence[npt.NDArray[Any]]) -> None:
    """Index PNGs named like the images; -1 becomes 255: not labelled."""
    for image, labels in zip(corpus.images, maps, strict=True):
        path = folder / f"{image.id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", (labels % 256).astype(np.uint8))[1].tobytes())


def as_film(run_dir: RunDir, *, video: str) -> None:
    """Make the images of a run whose ids begin with the name of a video frames of it, one a second."""
    corpus, images = load_corpus(run_dir.path("corpus")), []
    with run_dir.writing("corpus") as out:
        for image in corpus.images:
            if not image.id.startswith(f"{video}/"):
                images.append(image)
                continue
            path = out / "frames" / f"{image.id}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((corpus.root / image.path).read_bytes())
            moment = moment_of(video, sum(other.moment is not None for other in images))
            images.append(Image(image.id, image.path, image.size, "uint8", image.sha256, image.bytes, moment=moment))
        save_corpus(Corpus(corpus.root, tuple(images), corpus.crops), [], out)
