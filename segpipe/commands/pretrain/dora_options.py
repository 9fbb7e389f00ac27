"""Options of `segpipe pretrain` that only DoRA has: clips, objects, formulas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from segpipe.base.options import FrameRange, Options, OptionsT, option


class DoraOptions(Options):
    """What `--method dora` is told besides what every method is."""

    frames: FrameRange = option(None, "of a film: frames FROM up to and without TO", metavar="FROM TO")
    clip_frames: int = option(8, "with dora: frames of a clip", limits={"ge": 1, "le": 64})
    clip_spacing: int = option(
        60,
        "with dora: frames of the film from one frame of a clip to the next; fewer where the film is short",
        limits={"ge": 1},
    )
    objects: int = option(
        3, "with dora: objects that are followed, each an attention head that is drawn", limits={"ge": 1, "le": 100}
    )
    formulas: Literal["coded", "paper"] = option("coded", "with dora: masks and loss as in its code or in its paper")
    sinkhorn_epsilon: float = option(
        0.05, "with dora: how evenly patches are shared out among objects", limits={"gt": 0, "le": 10}
    )
    sinkhorn_rounds: int = option(30, "with dora: rounds of sharing out", limits={"ge": 1, "le": 1000})
    film_side: int = option(
        300, "with dora: pixels of the short side at which decoded frames are kept on the disk", limits={"ge": 32}
    )


PUBLISHED: Mapping[str, Any] = {
    "local_size": 112,
    "local_crops": 6,
    "blur_first": 0.1,
    "min_lr": 1e-5,
    "free_last_layer": True,
}
"""Defaults of other options that are not those of DINO: as in the authors' published call."""


def as_published(options: OptionsT) -> OptionsT:
    """The options of a call with `--method dora`: what was not given is as published for DoRA."""
    return options.model_copy(
        update={name: value for name, value in PUBLISHED.items() if name not in options.model_fields_set}
    )
