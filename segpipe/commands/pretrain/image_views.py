"""Multi-crop views of an image: two large crops and several small ones, each augmented (Caron et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Size
from segpipe.commands.pretrain import augment
from segpipe.commands.pretrain.method import Views

if TYPE_CHECKING:
    from torch import Tensor

    from segpipe.commands.pretrain.options import AugmentOptions

Float32 = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
RGB = tuple[float, float, float]
_MIX = 0.2  # of the beta distribution from which the share of mixed images is drawn (Zhang et al. 2018)


@dataclass(frozen=True, slots=True)
class ViewRule:
    """How one view is made."""

    name: str
    side: int
    """Pixels."""
    scale: tuple[float, float]
    """Share of the picture that a crop covers."""
    blur: float
    """Probability."""
    solarize: float
    """Probability."""


def view_rules(chosen: AugmentOptions) -> tuple[ViewRule, ...]:
    """The views of one image, the two large ones first."""
    large, small = chosen.global_size, chosen.local_size
    return (
        ViewRule("global 1", large, chosen.global_scale, chosen.blur_first, 0.0),
        ViewRule("global 2", large, chosen.global_scale, chosen.blur_second, chosen.solarize),
        *(
            ViewRule(f"local {1 + i}", small, chosen.local_scale, chosen.blur_local, 0.0)
            for i in range(chosen.local_crops)
        ),
    )


def make_view(rgb: Bytes, rule: ViewRule, chosen: AugmentOptions, generator: np.random.Generator) -> Float32:
    """One view (side, side, 3) of a picture (H, W, 3), from 0 to 1."""
    x = augment.cut(rgb, augment.draw_crop(Size(*rgb.shape[:2]), rule.scale, generator), rule.side)

    def at(probability: float) -> bool:
        return probability > 0 and generator.random() < probability

    if at(chosen.flip):
        x = x[:, ::-1]
    if at(chosen.vertical_flip):
        x = x[::-1]
    if at(chosen.rotate):
        x = np.rot90(x, int(generator.integers(1, 4)))
    x = np.ascontiguousarray(x)
    if at(chosen.translate):
        x = augment.move(x, generator)
    return change_values(x, rule, chosen, generator)


def change_values(x: Float32, rule: ViewRule, chosen: AugmentOptions, generator: np.random.Generator) -> Float32:
    """What is done to the values of a view (side, side, 3); nothing moves."""
    for probability, change in (
        (chosen.jitter, augment.jitter),
        (chosen.grayscale, lambda y, _: augment.colorless(y)),
        (rule.blur, augment.blur),
        (rule.solarize, lambda y, _: augment.solarize(y)),
        (chosen.noise, augment.add_noise),
        (chosen.erase, augment.erase),
    ):
        if probability > 0 and generator.random() < probability:
            x = change(x, generator)
    return x


@dataclass(frozen=True)
class ImageViews:
    """Makes the views of the images of a corpus."""

    read: Callable[[int], Bytes]
    """An item's picture (H, W, 3)."""
    count: int
    """How many items there are."""
    chosen: AugmentOptions
    norm: tuple[RGB, RGB]
    """Mean and standard deviation of the network's input."""

    def __call__(self, item: int, generator: np.random.Generator) -> Views:
        """All views of an item, in the order of `view_rules`."""
        return self._make(item, view_rules(self.chosen), generator)

    def pair(self, item: int, generator: np.random.Generator) -> Views:
        """The two large views alone."""
        return self._make(item, view_rules(self.chosen)[:2], generator)

    def _make(self, item: int, rules: tuple[ViewRule, ...], generator: np.random.Generator) -> Views:
        rgb, other, share = self.read(item), None, 0.0
        if self.count > 1 and self.chosen.mix > 0 and generator.random() < self.chosen.mix:
            other = self.read((item + int(generator.integers(1, self.count))) % self.count)
            share = float(generator.beta(_MIX, _MIX))
            share = min(share, 1 - share)  # the picture itself stays the stronger one
        made = []
        for rule in rules:
            x = make_view(rgb, rule, self.chosen, generator)
            if other is not None:
                beside = augment.draw_crop(Size(*other.shape[:2]), rule.scale, generator)
                x = np.float32(1 - share) * x + np.float32(share) * augment.cut(other, beside, rule.side)
            made.append(self._normalized(x))
        return tuple(made)

    def _normalized(self, x: Float32) -> Tensor:
        import torch

        mean, std = (np.array(each, np.float32) for each in self.norm)
        return torch.from_numpy(np.ascontiguousarray(((x - mean) / std).transpose(2, 0, 1)))


def view_captions(chosen: AugmentOptions) -> tuple[str, ...]:
    """What was done to each view, see `rule_caption`."""
    return tuple(rule_caption(rule, chosen) for rule in view_rules(chosen))


def rule_caption(rule: ViewRule, chosen: AugmentOptions) -> str:
    """What was done to a view, with the probability of each augmentation; two lines."""
    done = {
        "flip": chosen.flip,
        "vertical flip": chosen.vertical_flip,
        "rotate": chosen.rotate,
        "translate": chosen.translate,
        "jitter": chosen.jitter,
        "gray": chosen.grayscale,
        "blur": rule.blur,
        "solarize": rule.solarize,
        "noise": chosen.noise,
        "erase": chosen.erase,
        "mix": chosen.mix,
    }
    words = ", ".join(f"{name} {value:g}" for name, value in done.items() if value > 0)
    low, high = rule.scale
    return f"{rule.name}: {rule.side} px, {100 * low:g}-{100 * high:g}%\n{words or 'nothing else'}"
