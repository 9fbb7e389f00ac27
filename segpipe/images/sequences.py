"""Sequences: images of a corpus that are frames of one film, of a video or of a folder of numbered pictures.

A folder of photographs may be numbered too (`DSC_0001.jpg`), so its pictures are looked at: of a film, those that
follow each other are more alike than those that do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from segpipe.images.corpus_reader import read_reduced
from segpipe.images.frames import difference, look_of
from segpipe.records.corpus import Corpus, Image

LEAST = 8
"""Numbered pictures that may be a film."""
ALIKE = 0.7
"""How different pictures of a film that follow each other are at most, as a share of those half a film apart."""
TOP = "(top folder)"
"""Name of pictures of the folder of the run itself whose names are numbers."""
_PAIRS = 8  # looked at, spread over the folder
_SIDE = 256  # pixels along the longer side of what is looked at
_NUMBERED = re.compile(r"(.*?)(\d+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FrameSequence:
    """Images of a corpus that follow each other in time."""

    name: str
    """Path of the video, or of the folder with what the names of its pictures begin with."""
    images: tuple[int, ...]
    """Indices into the corpus, in the order of time."""
    video: bool
    """Whether they are frames of a video, whose times are known."""


def films_of(corpus: Corpus) -> list[FrameSequence]:
    """The videos of a corpus, in its order."""
    found: dict[str, list[int]] = {}
    for i, image in enumerate(corpus.images):
        if image.moment is not None:
            found.setdefault(image.moment.video, []).append(i)
    return [FrameSequence(name, tuple(images), video=True) for name, images in found.items()]


def sequences_of(corpus: Corpus) -> list[FrameSequence]:
    """The videos of a corpus and its folders of numbered pictures that are films.

    Raises:
        CorpusError: a picture that is looked at is gone, or is not the one that was indexed.
    """
    folders = [found for found in numbered_of(corpus.images) if is_film(corpus, found.images)]
    return [*films_of(corpus), *folders]


def numbered_of(images: Sequence[Image]) -> list[FrameSequence]:
    """Pictures of one folder and size whose names differ in the number at their end, `LEAST` and more.

    They are ordered by their numbers, so that `frame9` comes before `frame10`.
    """
    found: dict[tuple[str, str, int, int], list[tuple[int, int]]] = {}
    for i, image in enumerate(images):
        path = PurePosixPath(image.id)
        match = _NUMBERED.fullmatch(path.name)
        if match is not None and image.moment is None and not image.mosaic:
            folder = "" if path.parent == PurePosixPath() else f"{path.parent}/"
            key = folder, match[1], image.size.height, image.size.width
            found.setdefault(key, []).append((int(match[2]), i))
    numbered = [
        (f"{folder}{first}*" if first else folder.rstrip("/") or TOP, sorted(rows))
        for (folder, first, *_), rows in found.items()
        if len(rows) >= LEAST and len({number for number, _ in rows}) == len(rows)
    ]
    return [FrameSequence(name, tuple(i for _, i in rows), video=False) for name, rows in numbered]


def is_film(corpus: Corpus, images: Sequence[int]) -> bool:
    """Whether pictures that follow each other are more alike than pictures half the sequence apart.

    The median of at most eight pairs of either kind is compared. Between frames of DAVIS and of CamVid (one a second)
    it is 0.4 to 0.6 of that between distant ones, between photographs of one place 0.8 to 1.

    Raises:
        CorpusError: as `sequences_of`.
    """
    looks: dict[int, np.ndarray] = {}

    def look(place: int) -> np.ndarray:
        if place not in looks:
            image = corpus.images[images[place]]
            looks[place] = look_of(read_reduced(corpus, image, image.size.fit(_SIDE)))
        return looks[place]

    places = np.unique(np.linspace(0, len(images) - 2, _PAIRS).round().astype(int)).tolist()
    near = _apart(look, [(i, i + 1) for i in places])
    far = _apart(look, [(i, (i + len(images) // 2) % len(images)) for i in places])
    return near < ALIKE * far


def _apart(look: Callable[[int], np.ndarray], pairs: Sequence[tuple[int, int]]) -> float:
    return float(np.median([difference(look(one), look(other)) for one, other in pairs]))
