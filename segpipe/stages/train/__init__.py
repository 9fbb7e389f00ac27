"""Train: a head that turns frozen patch features into short codes, without a single label.

Reads  corpus/    which crops belong to one image
       features/  patch features, a few crops at a time
       pairs/     the neighbors of every crop
Writes head/      head.safetensors and candidates.json; of a head that was trained history.jsonl, histograms.npz and,
                  where TensorBoard is installed, tb/; candidates/NAME/history.jsonl of those that were not kept

Whitened principal components, or one way to train. Where several are named they are made in a folder each and scored by
how well patches that look similar in different images come to one class; the best is kept, and a training that will
not win any more is stopped early. Every random number of
step i comes from (seed, i): a training that was killed goes on from its checkpoint and ends with the same bits as one
that was not, on the same machine.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, Field, PrivateAttr

from segpipe.base.config import Section, setting
from segpipe.base.cost import Cost, Work
from segpipe.base.runtime import Runtime
from segpipe.records.candidates import Candidate
from segpipe.stages.train.candidates import choose, make_all
from segpipe.stages.train.configs import Method, TrainingConfig
from segpipe.stages.train.data import Material, fitting_batch
from segpipe.stages.train.objective_configs import StegoConfig
from segpipe.store import candidates as table
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore
from segpipe.store.pairs import load_pairs
from segpipe.store.run_dir import RunDir
from segpipe.store.training_log import load_history
from segpipe.store.valid_patches import MEAN_CROPS, Valid

NAME = "train"
ARTEFACT = "head"
NEEDS = ("index", "extract", "mine")
FORMAT = 3
UNLISTED = ("tb/*",)  # dated, and read by TensorBoard alone
FILES = {
    "head.safetensors": "the head that turns features into codes",
    "candidates.json": "what was tried, its neighbor agreement, and why one was kept",
    "candidates/*": "`history.jsonl` of the trainings that were not kept",
    "history.jsonl": "a logged step a line: losses and mean correlations",
    "histograms.npz": "correlations of features and codes at some steps",
    "tb/*": "TensorBoard events, where it is installed",
}

_WHITEN = 8  # where the number of classes is not known, or heads compete
_WHITEN_SHARE = 0.25  # of the number of classes

log = logging.getLogger(__name__)


class Config(Section):
    """Settings of `train`. Those of STEGO's loss are published for ViT-S/8, but for `steps`, `center` and `shifts`."""

    method: Literal["auto", Method] = setting(
        "auto",
        "auto = make the candidates and keep the best; pca = principal components, no training; or one way to train",
    )
    candidates: tuple[Method, ...] = setting(
        ("pca",),
        "what auto chooses from, such as pca,stego: heads cost time and seldom win; of fewer crops than one batch only "
        "pca, if it is one",
        min_length=1,
    )
    rescue: bool = setting(
        True, "stop a training whose codes collapse and do it again with centered features and measured shifts"
    )
    steps: int = setting(600, "optimizer steps (published: 5000 to 7000, for thousands of images)", ge=1, le=10_000_000)
    batch: int = setting(16, "anchor crops per step", ge=1, le=10_000)
    dim: int | None = setting(None, "length of a code; null = as published for the method, pca 64", ge=1, le=100_000)
    whiten: int | None = setting(
        None,
        "of principal components: scale each by 1 / sqrt(its variance + that of the first one after so many), so that "
        f"no component outweighs all others; 0 = not; null = {_WHITEN_SHARE:.0%} of cluster.k, {_WHITEN} where that is "
        "auto or other heads compete",
        ge=0,
        le=100_000,
    )
    samples: int = setting(11, "points per crop and step are samples x samples", ge=2, le=200)
    lr: float | None = setting(None, "learning rate of Adam; null = as published for the method", gt=0)
    dropout: float | None = setting(
        None, "probability of a feature channel to be dropped; null = as published for the method", ge=0, lt=1
    )
    weight_self: float = setting(0.67, "weight of pairs of points within a crop", ge=0)
    weight_neighbor: float = setting(0.25, "weight of pairs of points between a crop and a neighbor", ge=0)
    weight_negative: float = setting(0.63, "weight of pairs of points between random crops", ge=0)
    shifts: Literal["auto", "published", "eagle"] = setting(
        "auto",
        "auto = measured: quantiles of the correlations this corpus shows; published = the three that follow; "
        "eagle = from every step's mean correlations",
    )
    shift_self: float = setting(0.08, "within a crop, features that correlate more than this pull codes together")
    shift_neighbor: float = setting(0.02, "the same between a crop and a neighbor")
    shift_negative: float = setting(0.66, "the same between random crops")
    shift_bias: float = setting(
        0.0, "what shifts=eagle takes from its mean correlations (published: 0 for COCO-Stuff, 0.11 for Cityscapes)"
    )
    codebook: int = setting(
        2048, "length of CAUSE's codebook and of its projections; 256 is some six times as fast", ge=2, le=100_000
    )
    negatives: int = setting(5, "random crops that each anchor is held against in a step", ge=1, le=1000)
    neighbors: int = setting(7, "a positive is drawn from this many nearest neighbors", ge=1, le=10_000)
    pointwise: bool = setting(True, "center feature correlations spatially (published: false for Cityscapes)")
    zero_clamp: bool = setting(True, "do not push codes apart beyond orthogonal")
    stabilize: bool = setting(False, "do not pull codes together beyond a cosine of 0.8")
    center: bool = setting(
        True,
        "subtract the corpus's mean feature, so that the shifts mean the same for every backbone (published: false)",
    )
    seed: int = setting(0, "seed of everything random", ge=0)
    checkpoint_every: int = setting(500, "steps between checkpoints", ge=1, result=False)
    tensorboard: bool = setting(True, "write TensorBoard events if that package is installed", result=False)

    _whiten_for: int | None = PrivateAttr(None)

    def for_classes(self, k: int | Literal["auto"]) -> Config:
        """The same for so many classes: how far components are whitened where that is not given.

        Few classes are told apart by few directions: each that is made as loud as these would be cut into parts of
        even size, a large background first.
        """
        found = self.model_copy()
        if self.whiten is None and k != "auto":
            found._whiten_for = max(1, round(_WHITEN_SHARE * k))
        return found

    @property
    def components_whitened(self) -> int:
        """`whiten`, or what stands for it where it is null."""
        if self.whiten is not None:
            return self.whiten
        return self._whiten_for if self._whiten_for is not None and self.methods == {"pca"} else _WHITEN

    @property
    def methods(self) -> set[Method]:
        """Those that are named."""
        return set(self.candidates) if self.method == "auto" else {self.method}

    def identity(self) -> dict[str, Any]:
        """The settings that can change the result; those of principal components and STEGO as earlier versions had it.

        What trains other methods changed with `shift_bias`, and so did their results.
        """
        found = super().identity() | {"whiten": self.components_whitened}
        if (
            self.methods <= {"pca", "stego"}
            and self.dropout in (None, 0.1)
            and not (self.shifts == "eagle" and self.shift_bias)
        ):
            del found["shift_bias"], found["codebook"]
            found["dropout"] = 0.1
        return found


def instant(config: Config) -> bool:
    """Whether nothing is trained: principal components take a moment, and follow `cluster.k`."""
    return config.methods == {"pca"}


class Summary(BaseModel):
    """What the manifest, the log line and the report say about this stage."""

    chosen: str
    """The name of the candidate that was kept."""
    method: str
    agreement: float | None
    """Its neighbor agreement; None where there was nothing to choose from."""
    candidates: list[Candidate]
    """All that were made, in their order."""
    steps: int
    """Steps done; 0 = nothing was trained."""
    crops: int
    """Crops that take part: those that show anything."""
    batch: int
    neighbors: int
    in_dim: int
    dim: int
    mean_crops: int
    """Crops that the mean feature was computed from (a seeded sample of at most 2000); 0 without centering."""
    shifts: dict[str, float]
    """Shifts used by kind of pair; empty where the method is not given any."""
    loss: float | None = None
    """Mean of the last logged steps, like all below; None without training."""
    code_correlation: dict[str, float] = Field(default_factory=dict)
    """Mean cosine of codes by kind of pair: self, neighbor, negative."""
    feature_correlation: dict[str, float] = Field(default_factory=dict)
    """The same of the features, as the shifts are compared with."""
    collapsed: bool
    """Random crops get nearly the same codes everywhere: clusters will mean nothing."""


def methods_of(config: Config, *, crops: int) -> list[Method]:
    """The methods whose heads are made, each once; none is trained to choose from on less than one batch of crops."""
    if config.method != "auto":
        return [config.method]
    if crops < config.batch and "pca" in config.candidates:
        return ["pca"]
    return list(dict.fromkeys(config.candidates))


def _tell_few(config: Config, methods: list[Method], crops: int) -> None:
    if crops >= config.batch:
        return
    if methods != ["pca"]:
        log.warning("train.batch=%d: this corpus has only %d crops, so each step takes %d", config.batch, crops, crops)
    elif config.method == "auto" and {*config.candidates} != {"pca"}:
        log.info(
            "train.method=auto: %d crops are less than one batch (train.batch=%d): no head is trained to choose from",
            crops,
            config.batch,
        )


def training_config(config: Config) -> TrainingConfig:
    """The settings that all candidates share."""
    given = {"self": config.shift_self, "neighbor": config.shift_neighbor, "negative": config.shift_negative}
    return TrainingConfig(
        steps=config.steps,
        dim=config.dim,
        whiten=config.components_whitened,
        lr=config.lr,
        dropout=config.dropout,
        shifts={} if config.shifts == "eagle" else given,
        shift_bias=config.shift_bias,
        codebook=config.codebook,
        stego=StegoConfig(
            weights={
                "self": config.weight_self,
                "neighbor": config.weight_neighbor,
                "negative": config.weight_negative,
            },
            samples=config.samples,
            negatives=config.negatives,
            pointwise=config.pointwise,
            zero_clamp=config.zero_clamp,
            stabilize=config.stabilize,
        ),
        checkpoint_every=config.checkpoint_every,
        tensorboard=config.tensorboard,
        rescue=config.rescue,
    )


def open_material(config: Config, run_dir: RunDir) -> Material:
    """The crops to make heads from.

    Raises:
        CorpusError: none shows anything.
    """
    store, corpus = FeatureStore(run_dir.path("features")), load_corpus(run_dir.path("corpus"))
    valid = Valid(store)
    neighbors = load_pairs(run_dir.path("pairs")).neighbors[:, : config.neighbors]
    return Material(
        store, valid, corpus.groups, neighbors, fitting_batch(config.batch, crops=len(valid.crops)), config.seed
    )


def summarize(made: list[Candidate], rows: list[dict[str, float]], material: Material) -> Summary:
    """Say what was kept and how its training ended, from the last ten logged rows."""
    (kept,) = (found for found in made if found.chosen)
    crops = len(material.valid.crops)
    return Summary(
        chosen=kept.name,
        method=kept.method,
        agreement=kept.agreement,
        candidates=made,
        steps=kept.steps,
        crops=crops,
        batch=material.batch,
        neighbors=material.neighbors.shape[1],
        in_dim=material.store.header.dim,
        dim=kept.dim,
        mean_crops=min(crops, MEAN_CROPS) if kept.center else 0,
        shifts=kept.shifts,
        loss=_last(rows, "loss").get("", None),
        code_correlation=_last(rows, "code_"),
        feature_correlation=_last(rows, "feature_"),
        collapsed=kept.collapsed is not None,
    )


def _last(rows: list[dict[str, float]], prefix: str) -> dict[str, float]:
    """Means of the last ten rows of all that is named so, by the rest of the name."""
    names = [name for name in rows[-1] if name.startswith(prefix) and name in rows[-10:][0]] if rows else []
    return {name.removeprefix(prefix): round(float(np.mean([row[name] for row in rows[-10:]])), 6) for name in names}


def history(head: Path) -> list[dict[str, float]]:
    """What was logged; nothing where nothing was trained."""
    return load_history(head) if (head / "history.jsonl").exists() else []


def cost(config: Config, work: Work) -> Cost:
    """Head and pairs, forward and backward.

    Anchors and neighbors pass the head as grids of about 256 features of length 384, and
    points of anchors are held against those of seven sets.

    Principal components, and judging where there is a choice, read the features of at most 2000 crops.
    """
    methods = methods_of(config, crops=work.crops)
    trained = sum(method != "pca" for method in methods)
    dim, points = config.dim or 70, config.samples**2
    passed = 2 * 256 * 3 * 384 * (384 + 2 * dim)
    held = (2 + config.negatives) * points**2 * (384 + 3 * dim)
    operations = config.steps * config.batch * 2 * (passed + held)
    reading = min(work.crops, MEAN_CROPS) * 0.02 * len(methods)
    judging = 20 * len(methods) if len(methods) > 1 else 0
    seconds = trained * (operations / work.gflops / 1e9 + config.steps * 0.03) + reading + judging
    return Cost(seconds, 2e6)


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Make the candidates, going on where an earlier attempt was, and keep the best."""
    material = open_material(config, run_dir)
    methods = methods_of(config, crops=len(material.valid.crops))
    _tell_few(config, methods, len(material.valid.crops))
    with run_dir.resuming(ARTEFACT) as out:
        made = table.load_candidates(out)
        if not made:  # else an earlier attempt had chosen already
            tried = make_all(
                methods,
                out,
                training_config(config),
                material,
                runtime,
                center=config.center,
                measured=config.shifts == "auto",
            )
            made = choose(tried)
            table.save_candidates(made, out)
        table.keep_chosen(out, made)
        rows = history(out)
    return summarize(made, rows, material)
