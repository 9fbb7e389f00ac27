"""Names and colors as other programs take them: no two alike, no color that means no class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from segpipe.records.palette import class_colors

Colors = npt.NDArray[np.uint8]


def unique(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Names none of which is another's or one of `taken`, capitals not counting: a number is added where needed.

    >>> unique(["sand", "Sand", "fid"], taken=["fid"])
    ['sand', 'Sand 2', 'fid 2']
    """
    used, made = {name.casefold() for name in taken}, []
    for name in names:
        number, new = 1, name
        while new.casefold() in used:
            number += 1
            new = f"{name} {number}"
        used.add(new.casefold())
        made.append(new)
    return made


def distinct(colors: Colors, reserved: Sequence[tuple[int, int, int]] = ((0, 0, 0),)) -> Colors:
    """Colors by which classes can be told from each other.

    Args:
        colors: (classes, 3) RGB.
        reserved: colors that mean something else.

    Returns:
        (classes, 3): the same, but another color for each that came before or is reserved.
    """
    used, made = {*reserved}, colors.copy()
    spare = iter(map(tuple, class_colors(2 * len(colors) + len(reserved)).tolist()))
    wanted = {tuple(color) for color in colors.tolist()}
    for k, color in enumerate(map(tuple, colors.tolist())):
        if color in used:
            color = next(other for other in spare if other not in used and other not in wanted)
            made[k] = color
        used.add(color)
    return made
