"""Colors that stand for classes in label maps, as a label map file of CVAT lists them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError
from segpipe.base.shown import quoted
from segpipe.labels.placement import UNLABELLED

_LINE = re.compile(r"(?P<name>.+?):(?P<rgb>\d{1,3} *, *\d{1,3} *, *\d{1,3})(:[^:]*){0,2}")
_BLACK = 0

Colors = Mapping[int, int]
"""Red * 65536 + green * 256 + blue, and the class."""


def parse_labelmap(lines: Sequence[str], path: Path) -> tuple[list[str], Colors] | None:
    """Names and colors of the classes, where every line is `name:red,green,blue`, as in CVAT's `labelmap.txt`.

    Lines that begin with # are comments there; parts and actions after the color are not looked at.

    Args:
        lines: of the file.
        path: of the file, for errors.

    Returns:
        None where the lines are something else, such as plain names.

    Raises:
        UsageError: a color goes beyond 255, or stands for two classes.
    """
    rows = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    rows = [(number, line) for number, line in rows if line and not line.startswith("#")]
    found = [_LINE.fullmatch(line) for _, line in rows]
    if not rows or not all(found):
        return None
    names, colors = list[str](), dict[int, int]()
    for (number, _), match in zip(rows, found, strict=True):
        assert match is not None
        red, green, blue = (int(part) for part in match["rgb"].split(","))
        if max(red, green, blue) > 255:
            raise UsageError(f"{path}:{number}: {quoted(match['rgb'])} is no color; red, green and blue go to 255")
        key = red << 16 | green << 8 | blue
        if key in colors:
            raise UsageError(
                f"{path}:{number}: the color {match['rgb']} is that of {quoted(names[colors[key]])} already; colors "
                "must differ"
            )
        colors[key] = len(names)
        names.append(match["name"].strip())
    return names, colors


def classes_of_colors(rgb: npt.NDArray[np.uint8], colors: Colors, path: Path) -> npt.NDArray[np.int32]:
    """The classes of a label map of colors; black is not labelled where no class has it.

    Args:
        rgb: (H, W, 3).
        colors: of the classes.
        path: of the label map, for errors.

    Returns:
        (H, W) classes, `UNLABELLED` where there is none.

    Raises:
        UsageError: it holds a color of no class.
    """
    parts = rgb.astype(np.int32)
    keys = parts[..., 0] << 16 | parts[..., 1] << 8 | parts[..., 2]
    values, places, counts = np.unique(keys, return_inverse=True, return_counts=True)
    known = {_BLACK: UNLABELLED, **colors}
    strange = [(int(count), int(key)) for key, count in zip(values, counts, strict=True) if int(key) not in known]
    if strange:
        count, key = max(strange)
        raise UsageError(
            f"{path}: {count} pixels have the color {key >> 16},{key >> 8 & 255},{key & 255}, and so have no class "
            f"({len(strange)} such colors); list it with the classes, and save labels without loss, as PNG"
        )
    table = np.array([known[int(key)] for key in values], np.int32)
    return table[places].reshape(keys.shape)
