"""Training configs: what all candidates share, the recipe of one, and what changes after a collapse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from segpipe.base.parallel import torch_alone
from segpipe.base.runtime import Runtime
from segpipe.ops.clustering import sampler
from segpipe.stages.train.data import Material
from segpipe.stages.train.objective_configs import (
    CauseConfig,
    HiddenPositivesConfig,
    ObjectiveConfig,
    SmoosegConfig,
    StegoConfig,
)

if TYPE_CHECKING:
    import torch

    from segpipe.nn.head import Head
    from segpipe.stages.train.losses.correspondence import LossCrops
    from segpipe.stages.train.objectives.objective import Objective

Method = Literal["pca", "stego", "smooseg", "cause", "hp"]

PCA_DIM = 64
_LADDER = (0.9, 0.95, 0.98)  # quantiles of the negative shift: the first, and those after a collapse
_CALIBRATION = 12  # batches that shifts are measured on


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Settings that all candidates share."""

    steps: int
    dim: int | None
    """None: the method's own."""
    whiten: int
    """Of principal components: see `Moments.principal_components`."""
    lr: float | None
    """None: the method's own."""
    dropout: float | None
    """None: the method's own."""
    shifts: Mapping[str, float]
    """The given ones, by kind of pair; empty: every step makes its own, as EAGLE does."""
    shift_bias: float
    """Of EAGLE's."""
    codebook: int
    """Length of CAUSE's codebook and of its projections."""
    stego: StegoConfig
    """Its other settings; shifts and workers are set for each candidate."""
    checkpoint_every: int
    tensorboard: bool
    rescue: bool
    """Whether an attempt that collapses is stopped and corrected."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one candidate is made."""

    method: Method
    attempt: int
    center: bool
    quantile: float | None
    """Of the negative shift, where shifts are measured."""

    @property
    def name(self) -> str:
        """The method, with a number from the second attempt on."""
        return self.method if self.attempt == 1 else f"{self.method}-{self.attempt}"

    def corrected(self) -> Recipe | None:
        """What to try after a collapse: centered features and measured shifts, then higher ones; None: nothing."""
        again = replace(self, attempt=self.attempt + 1, center=True)
        if self.method != "stego":
            return None if self.center else again
        if not self.center or self.quantile is None:
            return replace(again, quantile=_LADDER[0])
        higher = [quantile for quantile in _LADDER if quantile > self.quantile]
        return replace(again, quantile=higher[0]) if higher else None

    def __str__(self) -> str:
        said = ["features centered" if self.center else "features as they are"]
        if self.quantile is not None:
            said.append(f"shifts measured, the negative one at quantile {self.quantile:g}")
        return ", ".join(said)


def first_recipe(method: Method, *, center: bool, measured: bool) -> Recipe:
    """The first attempt of a method; principal components are centered in any case."""
    stego = method == "stego"
    return Recipe(method, 1, center or method == "pca", _LADDER[0] if stego and measured else None)


def find_shifts(recipe: Recipe, config: TrainingConfig, material: Material) -> dict[str, float]:
    """The shifts of STEGO's loss, given or measured; none where every step makes its own, and for other methods."""
    if recipe.method != "stego":
        return {}
    if recipe.quantile is None:
        return dict(config.shifts)
    import torch

    from segpipe.stages.train.losses import calibration
    from segpipe.stages.train.losses.correspondence import LossCrops
    from segpipe.store.batch_reader import Crops

    mean = torch.from_numpy(material.mean) if recipe.center else torch.zeros(material.store.header.dim)

    def side(crops: Crops) -> LossCrops:
        features = torch.from_numpy(crops.tokens).float() - mean
        return LossCrops(features, features[..., :1], torch.from_numpy(crops.grids), torch.from_numpy(crops.valid))

    def read(batch: Any) -> tuple[LossCrops, LossCrops | None, torch.Generator]:
        near = None if batch.neighbors is None else side(batch.neighbors)
        return side(batch.anchors), near, sampler.step_generator(material.seed, batch.step, stream=4)

    with torch_alone():
        found = calibration.observed_shifts(
            map(read, material.batches(0, _CALIBRATION)),
            {**calibration.QUANTILES, "negative": recipe.quantile},
            samples=config.stego.samples,
            pointwise=config.stego.pointwise,
        )
    return {kind: round(value, 6) for kind, value in found.items()}


def new_training(
    recipe: Recipe, config: TrainingConfig, shifts: Mapping[str, float], material: Material, runtime: Runtime
) -> tuple[Head, Objective, torch.optim.Optimizer]:
    """Head, objective and optimizer before the first step; the head's mean is not set yet."""
    import torch

    from segpipe.nn.head import new_head
    from segpipe.stages.train.losses.correspondence import eagle_shifts
    from segpipe.stages.train.objectives import OBJECTIVES

    make = OBJECTIVES[recipe.method]
    published: Any = make
    if recipe.method == "stego":
        workers = runtime.workers if runtime.device == "cpu" else 1
        stabilize = config.stego.stabilize if shifts else True
        made = shifts or eagle_shifts(config.shift_bias)
        own: ObjectiveConfig = replace(config.stego, shifts=made, stabilize=stabilize, workers=workers)
    else:
        others: Mapping[str, ObjectiveConfig] = {
            "smooseg": SmoosegConfig(),
            "cause": CauseConfig(codes=config.codebook, projection=config.codebook),
            "hp": HiddenPositivesConfig(),
        }
        own = others[recipe.method]
    head = new_head(
        material.store.header.dim,
        config.dim or published.DIM,
        published.DROPOUT if config.dropout is None else config.dropout,
        seed=material.seed,
        activation=published.ACTIVATION,
        whole_channels=published.WHOLE_CHANNELS,
    )
    objective = make(head, own, steps=config.steps, seed=material.seed).to(runtime.device)
    head = head.to(runtime.device)
    return head, objective, torch.optim.Adam(objective.groups(head, config.lr or published.LR))
