"""The sheet of samples: a row an item, a column a view, each with the probabilities of what was done to it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.commands.pretrain import draws
from segpipe.commands.pretrain.method import Method
from segpipe.plots.contact_sheet import Panel, sheet

ROWS = 6
_WIDTH = 224  # pixels of a panel
RGB = tuple[float, float, float]


def preview(method: Method, norm: tuple[RGB, RGB], *, seed: int, title: str, rows: int = ROWS) -> bytes:
    """PNG of the views of some items, drawn as the first step would draw them.

    Args:
        method: gives views, and says what was done.
        norm: mean and standard deviation that views were normalized by.
        seed: of the training.
        title: one line.
        rows: items, at most.
    """
    captions, panels = method.captions(), []
    for slot in range(min(rows, len(method))):
        item = draws.item_at(seed, slot, len(method))
        made = method.pictures(method.views(item, draws.view_generator(seed, 0, slot)))
        for caption, picture in zip(captions, made, strict=True):
            panels.append(Panel(caption.partition("\n")[0], _rgb(picture.numpy(), norm)))
    lines = ["above each view its size and the share of the picture it covers; probabilities:", *_done(captions)]
    whole = sheet(title, lines, panels, columns=len(captions), width=_WIDTH)
    return cv2.imencode(".png", whole[..., ::-1])[1].tobytes()


def _done(captions: Sequence[str]) -> list[str]:
    """A line for the views that the same was done to: their names and what, which does not fit above a picture."""
    names: dict[str, list[str]] = {}
    for caption in captions:
        head, _, done = caption.partition("\n")
        names.setdefault(done, []).append(head.partition(":")[0])
    return [f"{each[0]}{f' to {each[-1]}' if len(each) > 1 else ''}: {done}" for done, each in names.items()]


def _rgb(picture: npt.NDArray[np.float32], norm: tuple[RGB, RGB]) -> npt.NDArray[np.uint8]:
    mean, std = (np.array(each, np.float32) for each in norm)
    values = (picture.transpose(1, 2, 0) * std + mean) * 255 + 0.5
    return np.asarray(np.clip(values, 0, 255), np.uint8)
