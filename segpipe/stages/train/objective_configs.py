"""Settings of the objectives, with the published values as defaults; nothing here imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segpipe.stages.train.losses.correspondence import Shift


@dataclass(frozen=True, slots=True)
class StegoConfig:
    """Settings of STEGO; the defaults are those of the released model for COCO-Stuff and ViT-S/8."""

    weights: Mapping[str, float] = field(default_factory=lambda: {"self": 0.67, "neighbor": 0.25, "negative": 0.63})
    """By kind of pair."""
    shifts: Mapping[str, Shift] = field(default_factory=lambda: {"self": 0.08, "neighbor": 0.02, "negative": 0.66})
    """By kind of pair: features that correlate more than this make codes more similar; or a function that computes it
    from every step's mean correlations."""
    samples: int = 11
    """Points per crop and step are samples x samples."""
    negatives: int = 5
    """Random crops that each anchor is compared with."""
    pointwise: bool = True
    """Center the features' correlations spatially."""
    zero_clamp: bool = True
    """Do not push codes apart beyond orthogonal."""
    stabilize: bool = False
    """Do not make codes more similar than a cosine of 0.8."""
    workers: int = 1
    """Threads; the result does not depend on it."""


@dataclass(frozen=True, slots=True)
class SmoosegConfig:
    """Settings of SmooSeg."""

    prototypes: int = 27
    """Classes to find (published: those of COCO-Stuff and Cityscapes)."""
    shift_self: float = -0.02
    """Within a crop, features that correlate more than this pull classes together; chosen per corpus and backbone:
    -0.02 for DINO ViT-S/8, 0.1 for ViT-B/8, 0.32 for DINOv2 ViT-B."""
    shift_other: float = 0.5
    """The same between random crops."""
    temperature: float = 0.1
    """Of the softmax over prototypes."""
    keep: float = 0.998
    """Share of the prototypes' running mean that stays in a step."""
    pointwise: bool = True
    """Center the features' correlations spatially."""
    lr_ratio: float = 5.0
    """Learning rate of the prototypes over the head's."""


@dataclass(frozen=True, slots=True)
class CauseConfig:
    """Settings of CAUSE; the defaults are those published for COCO-Stuff."""

    codes: int = 2048
    """Of the codebook."""
    projection: int = 2048
    """Entries of a projected code."""
    warmup: float = 1 / 3
    """Share of the steps that stage 1 takes."""
    block: int = 4
    """One random patch of each block x block takes part in a step (published: 4 where a crop has 28 x 28)."""
    bank: int = 100
    """Vectors kept of each code."""
    keep: float = 0.99
    """Share of the teacher that stays in a step."""
    temperature: float = 0.07
    """Of the contrast."""
    positive: float = 0.3
    """Codes of a larger cosine are near."""
    negative: float = 0.1
    """Codes of a smaller cosine are far."""
    sharpness: float = 0.1
    """Temperature of the tanh of modularity."""
    weight_decay: float = 1e-4
    """Of head and projection."""
    clip: float | None = 0.1
    """Largest norm of all gradients (published: 0.1 for COCO-Stuff, 1 for Cityscapes)."""


@dataclass(frozen=True, slots=True)
class HiddenPositivesConfig:
    """Settings of hidden positives; the defaults are those published for Potsdam."""

    pool: int = 1024
    """Patches that decide what is similar, wanted from `start` (published: 1024 to 2048, of as many images)."""
    renew: int = 20
    """Steps between computing the pool's codes anew."""
    warmup: int = 100
    """Steps before positives by trained codes count; from there their weight grows to 1 at the end."""
    keep: float = 0.999
    """Share of the head's running mean that stays in a step (published: 0.999, COCO-Stuff 0.99)."""
    kept: float = 1.0
    """rho, random share of the other patches that positives stand against (published: 1, elsewhere 0.02)."""
    temperature: float = 0.4
    """Of the contrast (published: 0.4, elsewhere 0.6 and 0.8)."""
    weight_decay: float = 0.1
    """Of the head, decoupled (AdamW)."""
    clip: float | None = 10.0
    """Largest norm of all gradients."""


ObjectiveConfig = StegoConfig | SmoosegConfig | CauseConfig | HiddenPositivesConfig
