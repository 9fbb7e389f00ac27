"""Views of a clip, as DoRA makes them: one large crop that all frames share, and small crops of every frame.

Of the frames first a square is cut that all share. The large view is cut from it again and mirrored, the same in every
frame, so that objects can be followed; the small crops lie elsewhere in each frame. Colors change frame by frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from segpipe.base.geometry import Box, Size
from segpipe.commands.pretrain import augment
from segpipe.commands.pretrain.image_views import ViewRule, change_values, make_view, rule_caption

if TYPE_CHECKING:
    from segpipe.commands.pretrain.options import AugmentOptions

Float32 = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

SQUARE = 300 / 224
"""Side of the square that all views of a clip are cut from, in sides of the large view."""
SQUARE_SCALE = (0.2, 1.0)
"""Share of a frame that this square covers."""
SHOWN = 3
"""Frames, and small crops of the first one, on the sheet of samples, at most."""


def _large_rule(chosen: AugmentOptions, name: str = "frame") -> ViewRule:
    return ViewRule(name, chosen.global_size, chosen.global_scale, chosen.blur_first, 0.0)


def _small_rule(chosen: AugmentOptions, name: str = "crop") -> ViewRule:
    return ViewRule(name, chosen.local_size, chosen.local_scale, chosen.blur_local, 0.0)


def _of_small(chosen: AugmentOptions) -> AugmentOptions:
    return chosen.model_copy(update={"flip": 0.0})  # the authors do not mirror small crops


def make_clip(
    clip: Bytes, crops: int, chosen: AugmentOptions, generator: np.random.Generator
) -> tuple[Float32, Float32]:
    """The views of a clip (T, H, W, 3), values from 0 to 1.

    Args:
        clip: its frames.
        crops: small crops of each frame.
        chosen: sizes, and the probability of each augmentation.
        generator: all parameters are drawn from it.

    Returns:
        The large view (T, S, S, 3), and small crops (crops, T, s, s, 3).
    """
    side = round(SQUARE * chosen.global_size)
    box = augment.draw_crop(Size(*clip.shape[1:3]), SQUARE_SCALE, generator)
    squares = np.stack([_square(frame, box, side) for frame in clip])
    large = _large(squares, chosen, generator)
    small, rule = _of_small(chosen), _small_rule(chosen)
    local = [[make_view(square, rule, small, generator) for square in squares] for _ in range(crops)]
    return large, np.array(local, np.float32).reshape(crops, len(clip), rule.side, rule.side, 3)


def make_single(frame: Bytes, chosen: AugmentOptions, generator: np.random.Generator) -> Float32:
    """A large view (S, S, 3) of one frame (H, W, 3), cut from the whole of it as DINO would."""
    return make_view(frame, _large_rule(chosen), chosen, generator)


def _large(squares: Bytes, chosen: AugmentOptions, generator: np.random.Generator) -> Float32:
    """The same crop, mirror image, turn and move in every frame; other changes frame by frame."""
    rule = _large_rule(chosen)
    box = augment.draw_crop(Size(*squares.shape[1:3]), rule.scale, generator)
    turn = _shared_turn(chosen, generator)
    cut = (turn(augment.cut(square, box, rule.side)) for square in squares)
    return np.stack([change_values(frame, rule, chosen, generator) for frame in cut])


def _shared_turn(chosen: AugmentOptions, generator: np.random.Generator) -> Callable[[Float32], Float32]:
    """What is done to places, drawn once for all frames of a clip."""

    def at(probability: float) -> bool:
        return probability > 0 and generator.random() < probability

    mirrored, flipped = at(chosen.flip), at(chosen.vertical_flip)
    quarters = int(generator.integers(1, 4)) if at(chosen.rotate) else 0
    move = int(generator.integers(1 << 32)) if at(chosen.translate) else None

    def turn(x: Float32) -> Float32:
        x = x[:, ::-1] if mirrored else x
        x = np.ascontiguousarray(np.rot90(x[::-1] if flipped else x, quarters))
        return x if move is None else augment.move(x, np.random.default_rng(move))

    return turn


def _square(frame: Bytes, box: Box, side: int) -> Bytes:
    part = Image.fromarray(frame[box.slices])
    return np.asarray(part.resize((side, side), Image.Resampling.BILINEAR))


def shown_frames(length: int) -> list[int]:
    """The frames of a clip that the sheet of samples shows: the first, the last, and one between.

    >>> shown_frames(8), shown_frames(1)
    ([0, 4, 7], [0])
    """
    return sorted({round((length - 1) * place / (SHOWN - 1)) for place in range(SHOWN)})


def clip_captions(chosen: AugmentOptions, length: int, crops: int) -> tuple[str, ...]:
    """For the sheet of samples: what is done to the frames and small crops that it shows."""
    frames = (rule_caption(_large_rule(chosen, f"frame {1 + place}"), chosen) for place in shown_frames(length))
    small = (rule_caption(_small_rule(chosen, f"crop {1 + i}"), _of_small(chosen)) for i in range(min(SHOWN, crops)))
    low, high = (f"{100 * share:g}" for share in SQUARE_SCALE)
    return tuple(f"{each}, all in one square of {low}-{high}% of the frame" for each in (*frames, *small))
