"""Label masks that lie among photographs: pictures of class numbers that bear the names of photographs."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from segpipe.base.guarded import Gone, Guards
from segpipe.images.decoding import allow_pixels, decoding, memory_for
from segpipe.images.headers import BadImage, inspect
from segpipe.images.listing import Listing
from segpipe.images.photographs import open_photograph
from segpipe.images.remote_files import local
from segpipe.images.video import is_video

_log = logging.getLogger(__name__)

_SUFFIX = re.compile(r"[ _.-]+(masks?|labels?|labelids|seg|segmentation|gt|groundtruth|annotations?|classes)$", re.I)
_KINDS = ("PNG", "BMP", "TIFF")
_MODES = ("1", "L", "P")
_MOST = 64
"""Classes that a label mask may have, and the number below which theirs lie; 255 marks pixels without a label."""
_LARGEST = 1 << 26  # pixels; larger ones are no label masks of photographs


def leave_out_labels(listing: Listing, guards: Guards) -> tuple[Listing, tuple[str, ...]]:
    """A listing without the label masks in it, and the names of these.

    A file is one where another in the listing has its name, apart from folder, ending and words such as `_mask`; where
    it has one channel with a palette or small numbers alone; and where that other one is no such file.

    Args:
        listing: the files.
        guards: processes to decode in.
    """
    left: list[str] = []
    for group in groups_of_a_name(listing.paths):
        labels = [name for name in group if _asked(listing.root / name, guards)]
        if len(labels) < len(group):
            left += labels
    if not left:
        return listing, ()
    gone = set(left)
    return replace(listing, paths=tuple(name for name in listing.paths if name not in gone)), tuple(sorted(left))


def photographs(listing: Listing) -> Listing:
    """A listing without label masks, for commands that make no corpus; what is left out is logged in a line."""
    with Guards(memory_for(_LARGEST)) as guards:
        kept, labels = leave_out_labels(listing, guards)
    if labels:
        count = "1 file" if len(labels) == 1 else f"{len(labels)} files"
        _log.info(
            "%s such as %s: label masks by the name of a photograph, left out; name their folder alone to look at them",
            *(count, labels[0]),
        )
    return kept


def groups_of_a_name(paths: Sequence[str]) -> list[list[str]]:
    """Images that are called alike, apart from folder, ending and words for labels: groups of two or more.

    >>> groups_of_a_name(["images/a.jpg", "images/b.jpg", "labels/a.png", "labels/b_mask.png", "c.jpg"])
    [['images/a.jpg', 'labels/a.png'], ['images/b.jpg', 'labels/b_mask.png']]
    """
    groups: dict[str, list[str]] = {}
    for path in paths:
        if not is_video(Path(path)):
            stem = os.path.splitext(os.path.basename(path))[0].casefold()  # noqa: PTH119, PTH122  names of any bytes
            groups.setdefault(_SUFFIX.sub("", stem), []).append(path)
    return [group for group in groups.values() if len(group) > 1]


def _asked(path: Path, guards: Guards) -> bool:
    try:
        with local(path) as file:
            return bool(guards.call(partial(is_label_mask, file)))
    except (BadImage, Gone):  # `check` says why
        return False


def is_label_mask(path: Path) -> bool:
    """Whether an image has one channel that holds a palette of few colors, or few small numbers.

    Raises:
        BadImage: it cannot be decoded.
    """
    container = inspect(path)
    size = container.size
    if container.kind not in _KINDS or size.height * size.width > _LARGEST:
        return False
    allow_pixels(size)
    with decoding(path), open_photograph(path, container) as image:
        if image.mode not in _MODES or image.size != (size.width, size.height):
            return False
        values = np.unique(np.asarray(image if image.mode != "1" else image.convert("L")))
    numbers = values[values < values.dtype.type(255)]
    return len(values) <= _MOST and (image.mode == "P" or not len(numbers) or int(numbers.max()) < _MOST)
