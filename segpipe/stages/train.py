"""Train: a head that turns frozen patch features into short codes, without a single label (STEGO).

Reads  corpus/    only its fingerprint: which crops there are
       features/  patch features, a few crops at a time
       pairs/     the neighbors of every crop
Writes head/      head.safetensors, history.jsonl, histograms.npz, tb/ where TensorBoard is installed

Every random number of step i comes from (seed, i): a training that was killed goes on from its checkpoint and ends with
the same bits as one that was not, on the same machine.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from segpipe.base import parallel
from segpipe.base.config import Section, setting
from segpipe.base.cost import Cost, Work
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.runtime import Runtime
from segpipe.ops import draws
from segpipe.store.batches import Batch, Crops, read_batch
from segpipe.store.checkpoints import load_tensors, save_tensors
from segpipe.store.features import FeatureStore
from segpipe.store.journal import Journal, count
from segpipe.store.pairs import load_pairs
from segpipe.store.run_dir import RunDir
from segpipe.store.valid import MEAN_CROPS, Valid, mean_feature

if TYPE_CHECKING:  # torch takes seconds to import: only a stage at work pays for it
    import torch
    from torch import Tensor

    from segpipe.nn.head import Head
    from segpipe.ops.correspondence import Side, Term

NAME = "train"
ARTEFACT = "head"
NEEDS = ("index", "extract", "mine")
FORMAT = 1

HEAD, _CHECKPOINT = "head.safetensors", "checkpoint.safetensors"
_LOG_EVERY = 10
_COLLAPSED = 0.95
_EDGES = np.linspace(-1, 1, 101)

Int64 = npt.NDArray[np.int64]

log = logging.getLogger(__name__)


class Config(Section):
    """Settings of `train`. Defaults are those published for ViT-S/8, but for `steps` and `center`."""

    steps: int = setting(2000, "optimizer steps (published: 5000 to 7000, for thousands of images)", ge=1)
    batch: int = setting(16, "anchor crops per step", ge=1)
    dim: int = setting(70, "length of a code", ge=1)
    samples: int = setting(11, "points per crop and step are samples x samples", ge=2)
    lr: float = setting(5e-4, "learning rate of Adam", gt=0)
    dropout: float = setting(0.1, "probability of a feature channel to be dropped", ge=0, lt=1)
    weight_self: float = setting(0.67, "weight of pairs of points within a crop", ge=0)
    weight_neighbor: float = setting(0.25, "weight of pairs of points between a crop and a neighbor", ge=0)
    weight_negative: float = setting(0.63, "weight of pairs of points between random crops", ge=0)
    shift_self: float = setting(0.08, "within a crop, features that correlate more than this pull codes together")
    shift_neighbor: float = setting(0.02, "the same between a crop and a neighbor")
    shift_negative: float = setting(0.66, "the same between random crops")
    negatives: int = setting(5, "random crops that each anchor is held against in a step", ge=1)
    neighbors: int = setting(7, "a positive is drawn from this many nearest neighbors", ge=1)
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


class Summary(BaseModel):
    """What the manifest, the log line and the report say about this stage."""

    steps: int
    crops: int
    """Crops that take part: those that show anything."""
    batch: int
    neighbors: int
    in_dim: int
    dim: int
    mean_crops: int
    """Crops that the mean feature was computed from (a seeded sample of at most 2000); 0 without centering."""
    loss: float
    """Mean of the last logged steps, like all below."""
    code_correlation: dict[str, float]
    """Mean cosine of codes by kind of pair: self, neighbor, negative."""
    feature_correlation: dict[str, float]
    """The same of the features, as the shifts are compared with."""
    collapsed: bool
    """Random crops get nearly the same codes everywhere (mean cosine above 0.95): clusters will mean nothing."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Everything that shapes the loss besides the data."""

    weights: dict[str, float]
    """By kind of pair: self, neighbor, negative."""
    shifts: dict[str, float]
    samples: int
    negatives: int
    pointwise: bool
    zero_clamp: bool
    stabilize: bool


def fitting_batch(wanted: int, *, crops: int) -> int:
    """The batch size for this many crops.

    Raises:
        CorpusError: there are none.
    """
    if not crops:
        raise CorpusError("no crop shows any image (all patches are without content), so there is nothing to train on")
    if wanted > crops:
        log.warning("train.batch=%d: this corpus has only %d crops, so each step takes %d", wanted, crops, crops)
    return min(wanted, crops)


def loss_of(config: Config) -> Loss:
    """The settings that shape the loss."""
    weights = {"self": config.weight_self, "neighbor": config.weight_neighbor, "negative": config.weight_negative}
    shifts = {"self": config.shift_self, "neighbor": config.shift_neighbor, "negative": config.shift_negative}
    return Loss(
        weights, shifts, config.samples, config.negatives, config.pointwise, config.zero_clamp, config.stabilize
    )


def resume(checkpoint: Path, head: Head, optimizer: torch.optim.Optimizer) -> int:
    """Go back to a checkpoint where there is one; returns the steps done."""
    if not checkpoint.exists():
        return 0
    from segpipe.nn.head import unpack_state

    tensors, meta = load_tensors(checkpoint)
    unpack_state(tensors, head, optimizer)
    log.info("going on at step %d", meta["step"])
    return int(meta["step"])


def encode(head: Head, crops: Crops, generator: torch.Generator) -> Side:
    """Pass crops through the head in training; the features they are held against are dropped too, as published."""
    import torch

    from segpipe.nn.head import drop_channels
    from segpipe.ops.correspondence import Side

    tokens = torch.from_numpy(crops.tokens).to(head.mean.device).float()
    features = drop_channels(tokens - head.mean, head.dropout, generator)
    return Side(features, head(tokens, generator), torch.from_numpy(crops.grids), torch.from_numpy(crops.valid))


def compute_loss(head: Head, batch: Batch, loss: Loss, generator: torch.Generator) -> tuple[Tensor, dict[str, Term]]:
    """The loss of one step: within each crop, against a neighbor, against random others (where there are any)."""
    from segpipe.ops import correspondence

    anchors = encode(head, batch.anchors, generator)
    neighbors = None if batch.neighbors is None else encode(head, batch.neighbors, generator)
    anchor, groups = correspondence.sample_groups(
        anchors, neighbors, generator, samples=loss.samples, negatives=loss.negatives
    )
    return correspondence.stego_loss(
        anchor,
        groups,
        weights=loss.weights,
        shifts=loss.shifts,
        pointwise=loss.pointwise,
        zero_clamp=loss.zero_clamp,
        stabilize=loss.stabilize,
    )


def fit(
    head: Head,
    optimizer: torch.optim.Optimizer,
    batches: Iterator[Batch],
    journal: Journal,
    *,
    loss: Loss,
    steps: int,
    seed: int,
    checkpoint: Callable[[int], None],
    checkpoint_every: int,
) -> None:
    """Train the head on the batches that are left, log and save on the way.

    Raises:
        UsageError: the loss is not finite.
    """
    pictured = {steps * quarter // 4 for quarter in range(4)} | {steps - 1}
    head.train()
    for batch in batches:
        total, terms = compute_loss(head, batch, loss, draws.step_generator(seed, batch.step))
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        done = batch.step + 1
        if batch.step % _LOG_EVERY == 0 or done == steps:
            values = measure(total, terms)
            if not np.isfinite(list(values.values())).all():
                raise UsageError(
                    f"train.lr={optimizer.param_groups[0]['lr']}: the loss is not finite at step {batch.step}; lower it"
                )
            journal.add(batch.step, values)
        if batch.step in pictured:
            journal.add_histograms(batch.step, picture(terms))
        if done % checkpoint_every == 0 and done < steps:
            journal.save()
            checkpoint(done)


def measure(total: Tensor, terms: dict[str, Term]) -> dict[str, float]:
    """What is logged of a step: the loss, and by kind of pair the loss and the mean correlations."""
    values = {"loss": total.item()}
    for kind, term in terms.items():
        values[f"loss_{kind}"] = term.loss.item()
        values[f"code_{kind}"] = term.codes.mean().item()
        values[f"feature_{kind}"] = term.features.mean().item()
    return values


def picture(terms: dict[str, Term]) -> dict[str, Int64]:
    """Histograms of the correlations of codes and of features (as the shifts are compared with), by kind of pair."""
    found = {}
    for kind, term in terms.items():
        found[f"code_{kind}"] = count(term.codes.cpu().numpy(), _EDGES)
        found[f"feature_{kind}"] = count(term.features.cpu().numpy(), _EDGES)
    return found


def summarize(rows: list[dict[str, float]], **facts: Any) -> Summary:
    """Say how training ended, from the last ten logged rows; warn of a collapse."""
    kinds = [name.removeprefix("code_") for name in rows[-1] if name.startswith("code_")]

    def last(name: str) -> float:
        return round(float(np.mean([row[name] for row in rows[-10:]])), 6)

    codes = {kind: last(f"code_{kind}") for kind in kinds}
    collapsed = codes[kinds[-1]] > _COLLAPSED
    if collapsed:
        log.warning(
            "the codes of %s pairs have a mean cosine of %.2f: the head sees hardly any difference between patches; "
            "raise train.shift_negative or keep train.center=true",
            kinds[-1],
            codes[kinds[-1]],
        )
    features = {kind: last(f"feature_{kind}") for kind in kinds}
    return Summary(
        loss=last("loss"), code_correlation=codes, feature_correlation=features, collapsed=collapsed, **facts
    )


def cost(config: Config, work: Work) -> Cost:
    """Anchors and neighbors pass the head, forward and backward, as grids of about 256 features of length 384."""
    operations = config.steps * config.batch * 2 * 256 * 3 * 2 * 384 * (384 + 2 * config.dim)
    return Cost(operations / work.gflops / 1e9 + config.steps * 0.06, 2e6)


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Train the head, going on from a checkpoint where there is one."""
    import torch

    from segpipe.nn.head import describe_head, new_head, pack_state

    store, pairs = FeatureStore(run_dir.path("features")), load_pairs(run_dir.path("pairs"))
    valid = Valid(store)
    batch = fitting_batch(config.batch, crops=len(valid.crops))
    neighbors = pairs.neighbors[:, : config.neighbors]
    rows_of = draws.draw_rows(valid.crops, neighbors, batch=batch, seed=config.seed)
    head = new_head(store.header.dim, config.dim, config.dropout, seed=config.seed).to(runtime.device)
    optimizer = torch.optim.Adam(head.parameters(), lr=config.lr)
    with run_dir.resuming("head") as out:
        start = resume(out / _CHECKPOINT, head, optimizer)
        if config.center and not start:
            head.mean.copy_(torch.from_numpy(mean_feature(store, valid, seed=config.seed)))
        journal = Journal(out, _EDGES, done=start, events=config.tensorboard)
        batches = parallel.thread_map(
            lambda step: read_batch(store, valid, step, *rows_of(step)), range(start, config.steps), workers=1, ahead=3
        )
        fit(
            head,
            optimizer,
            runtime.track(batches, total=config.steps, unit="steps", done=start),
            journal,
            loss=loss_of(config),
            steps=config.steps,
            seed=config.seed,
            checkpoint=lambda done: save_tensors(out / _CHECKPOINT, pack_state(head, optimizer), {"step": done}),
            checkpoint_every=config.checkpoint_every,
        )
        journal.close()
        save_tensors(out / HEAD, head.state_dict(), describe_head(head))
        (out / _CHECKPOINT).unlink(missing_ok=True)
    return summarize(
        journal.rows,
        steps=config.steps,
        crops=len(valid.crops),
        batch=batch,
        neighbors=neighbors.shape[1],
        in_dim=head.in_dim,
        dim=head.dim,
        mean_crops=min(len(valid.crops), MEAN_CROPS) if config.center else 0,
    )
