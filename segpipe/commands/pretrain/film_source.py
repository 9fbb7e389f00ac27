"""A film, or a folder of frames, as what DoRA learns from."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base.files import digest
from segpipe.base.runtime import Runtime
from segpipe.commands.pretrain.dora import Dora
from segpipe.commands.pretrain.film_clips import ClipPlan, plan_clips
from segpipe.commands.pretrain.film_frames import SmallFrames
from segpipe.commands.pretrain.frame_cache import cache_frames
from segpipe.commands.pretrain.method import Method
from segpipe.commands.pretrain.options import PretrainOptions
from segpipe.commands.pretrain.prepared import RGB, Prepared


class FilmClips:
    """The clips of a film."""

    def __init__(self, options: PretrainOptions, norm: tuple[RGB, RGB], *, frames: tuple[int, int] | None) -> None:
        """Open the film; nothing but its first frame is decoded.

        Args:
            options: which film, how clips lie in it, how views are made.
            norm: mean and standard deviation of the network's input.
            frames: FROM up to and without TO; None: all.

        Raises:
            UsageError: no such file or folder, or one without the frames asked for.
            BadVideo: a film that cannot be opened.
        """
        self._options, self._norm = options, norm
        self._film = SmallFrames(options.images, side=options.film_side, frames=frames, workers=options.workers or 1)
        self.key = digest([self._film.key, options.clip_frames, options.clip_spacing])

    def bytes_needed(self) -> int:
        """Of the cache; 0 where the film does not say how long it is."""
        return self._film.bytes_expected()

    def prepare(self, folder: Path, runtime: Runtime) -> Prepared:
        """Decode each frame once, made smaller."""
        options = self._options
        cached = cache_frames(self._film, folder, runtime)
        plan = plan_clips(len(cached.pixels), length=options.clip_frames, spacing=options.clip_spacing)
        return Prepared(plan.count, cached.rejected, partial(_dora, cached.pixels, plan, options, self._norm))

    def few(self, count: int) -> FilmClips:
        """The beginning of the film, as much as leaves clips as far apart as they are."""
        first, last = self._options.frames or (0, None)
        length = max(2 * self._options.clip_frames * self._options.clip_spacing, self._options.clip_frames + count)
        stop = first + length if last is None else min(last, first + length)
        return FilmClips(self._options, self._norm, frames=(first, stop))


def _dora(
    pixels: npt.NDArray[np.uint8],
    plan: ClipPlan,
    options: PretrainOptions,
    norm: tuple[RGB, RGB],
    outputs: int,
    steps: int,
    device: str,
) -> Method:
    return Dora(pixels, plan, options, norm, outputs=outputs, steps=steps, device=device)
