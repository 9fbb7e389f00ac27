"""Candidates: heads trained one after the other, again after a collapse, of which one is kept."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segpipe.base.errors import UsageError
from segpipe.base.parallel import torch_alone
from segpipe.base.runtime import Runtime
from segpipe.inference.codes import HEAD
from segpipe.ops.clustering.neighbor_agreement import CATCH_UP, MARGIN
from segpipe.records.candidates import Candidate
from segpipe.stages.train.configs import (
    PCA_DIM,
    Method,
    Recipe,
    TrainingConfig,
    find_shifts,
    first_recipe,
    new_training,
)
from segpipe.stages.train.data import Material
from segpipe.stages.train.validation import Validator
from segpipe.store import candidates as files
from segpipe.store.checkpoints import load_tensors, save_tensors
from segpipe.store.training_log import Journal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from segpipe.nn.head import Head
    from segpipe.stages.train.objectives.objective import Objective

_CHECKPOINT = "checkpoint.safetensors"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainContext:
    """What all candidates of a run are made with."""

    config: TrainingConfig
    material: Material
    runtime: Runtime
    validator: Validator | None
    """Scores them; None where there is nothing to choose from."""


def make_all(
    methods: Sequence[Method],
    out: Path,
    config: TrainingConfig,
    material: Material,
    runtime: Runtime,
    *,
    center: bool,
    measured: bool,
) -> list[Candidate]:
    """Every method's candidates, those that an earlier attempt finished are taken as they are.

    Where there are several methods all are scored, and a training that will not win any more is stopped early.

    Args:
        methods: each once.
        out: the directory `head/` that is being made.
        config: settings that all share.
        material: what they are made from.
        runtime: device and progress.
        center: whether the first attempt subtracts the mean feature.
        measured: whether the first attempt measures its shifts.
    """
    context = TrainContext(config, material, runtime, Validator(material) if len(methods) > 1 else None)
    made: list[Candidate] = []
    for method in methods:
        recipe: Recipe | None = first_recipe(method, center=center, measured=measured)
        while recipe is not None:
            best_so_far = best_of(made)
            found = make(recipe, files.folder(out, recipe.name), context, best_so_far)
            made.append(found)
            if found.given_up and best_so_far is not None:
                log.info("%s", tell_given_up(found, best_so_far))
            recipe = recipe.corrected() if config.rescue and found.collapsed else None
            if found.collapsed:
                log.warning("%s", tell_collapse(found, recipe))
    return made


def best_of(made: Sequence[Candidate]) -> Candidate | None:
    """The candidate to beat: of those that did not collapse the one that agrees best; None where none was scored."""
    judged = [found for found in made if found.agreement is not None and not found.collapsed]
    return max(judged, key=lambda found: found.agreement or 0.0, default=None)


def make(recipe: Recipe, folder: Path, context: TrainContext, best_so_far: Candidate | None) -> Candidate:
    """One candidate in its folder: head.safetensors, what was logged, and last that it is finished.

    Args:
        recipe: how.
        folder: where.
        context: what with.
        best_so_far: training ends early where it will not agree better than this one.
    """
    finished = files.load_outcome(folder)
    if finished is not None:
        (folder / _CHECKPOINT).unlink(missing_ok=True)  # of a process killed after the outcome was written
        return finished
    from segpipe.nn.head import describe_head, linear_head

    if recipe.method == "pca":
        mean, directions = context.material.principal_components(
            context.config.dim or PCA_DIM, whiten=context.config.whiten
        )
        head, found = (
            linear_head(directions, mean),
            Candidate(name=recipe.name, method="pca", center=True, shifts={}, steps=0, dim=len(directions)),
        )
    else:
        wanted = (
            best_so_far.agreement + MARGIN if best_so_far is not None and best_so_far.agreement is not None else None
        )
        head, found = train(recipe, folder, context, wanted)
    if context.validator is not None and not found.given_up:
        found = found.model_copy(update={"agreement": context.validator.score(head)})
    save_tensors(folder / HEAD, head.state_dict(), describe_head(head))
    files.save_outcome(found, folder)
    (folder / _CHECKPOINT).unlink(missing_ok=True)
    return found


def train(recipe: Recipe, folder: Path, context: TrainContext, wanted: float | None) -> tuple[Head, Candidate]:
    """Train a head, going on from a checkpoint where there is one.

    Args:
        recipe: how.
        folder: where.
        context: what with.
        wanted: the agreement without which the training is stopped early; None: it never is.
    """
    from segpipe.nn.head import pack_state
    from segpipe.stages.train import loop

    config, material, runtime = context.config, context.material, context.runtime
    training, start, shifts = begin(recipe, folder / _CHECKPOINT, context)
    head, objective, optimizer = training

    def checkpoint(done: int) -> None:
        own = {f"own.{name}": tensor for name, tensor in objective.state_dict().items()}
        meta = {"step": done, "shifts": [*shifts.items()]}
        save_tensors(folder / _CHECKPOINT, pack_state(head, optimizer) | own, meta, sealed=True)

    stopped_at: float | None = None

    def worthwhile(left: float) -> bool:
        nonlocal stopped_at
        if context.validator is not None and wanted is not None:
            agreement = context.validator.score(objective.final(head))
            if agreement is not None and agreement + left * CATCH_UP < wanted:
                stopped_at = agreement
        return stopped_at is None

    journal = Journal(folder, loop.EDGES, done=start, events=config.tensorboard)
    with torch_alone() if objective.SPREADS else nullcontext():
        collapse = loop.fit(
            *training,
            runtime.track(material.batches(start, config.steps), total=config.steps, unit="steps", done=start),
            journal,
            loop.LoopConfig(config.steps, material.seed, config.checkpoint_every, config.rescue),
            checkpoint=checkpoint,
            worthwhile=worthwhile,
        )
    journal.save()
    return objective.final(head), Candidate(
        name=recipe.name,
        method=recipe.method,
        center=recipe.center,
        shifts=shifts,
        steps=int(journal.rows[-1]["step"]) + 1,
        dim=head.dim,
        collapsed=collapse or loop.collapsed_at_end(journal.rows),
        given_up=stopped_at is not None,
        agreement=stopped_at,
    )


def begin(
    recipe: Recipe, checkpoint: Path, context: TrainContext
) -> tuple[tuple[Head, Objective, torch.optim.Optimizer], int, dict[str, float]]:
    """Head, objective and optimizer ready for the next step, the steps done so far, and the shifts.

    Args:
        recipe: how.
        checkpoint: file that an earlier attempt left, or that does not exist.
        context: what with.
    """
    import torch

    from segpipe.nn.head import unpack_state

    material = context.material
    tensors, meta = _load_checkpoint(checkpoint)
    start, shifts = int(meta["step"]), dict(meta.get("shifts", []))
    if not start:
        shifts = find_shifts(recipe, context.config, material)
        if recipe.quantile is not None:
            log.info("%s: shifts measured: %s", recipe.name, tell_shifts(shifts))
    head, objective, optimizer = new_training(recipe, context.config, shifts, material, context.runtime)
    objective.patches = material.patches
    if start:
        log.info("%s: going on at step %d", recipe.name, start)
        unpack_state(tensors, head, optimizer)
        own = {name.removeprefix("own."): tensor for name, tensor in tensors.items() if name.startswith("own.")}
        objective.load_state_dict(own)
    else:
        if recipe.center:
            head.mean.copy_(torch.from_numpy(material.mean))
        objective.start(head)
    return (head, objective, optimizer), start, shifts


def _load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What an earlier attempt left; a damaged one counts as none."""
    try:
        return load_tensors(path, sealed=True) if path.exists() else ({}, {"step": 0})
    except UsageError as error:
        log.warning("training begins anew: %s", error)
        return {}, {"step": 0}


def tell_shifts(shifts: dict[str, float]) -> str:
    """Shifts as a reader would write them."""
    return ", ".join(f"{kind} {value:.3f}" for kind, value in shifts.items())


def tell_collapse(found: Candidate, recipe: Recipe | None) -> str:
    """One line: what happened, and what follows."""
    assert found.collapsed is not None
    what = (
        f"{found.name}: the codes of random pairs have a mean cosine of {found.collapsed.value:.2f} at step "
        f"{found.collapsed.step}, so the head sees hardly any difference between patches"
    )
    if recipe is None:
        return f"{what}; use train.method=pca or raise train.shift_negative with train.shifts=published"
    return f"{what}; it is trained again as {recipe.name} ({recipe})"


def tell_given_up(found: Candidate, best: Candidate) -> str:
    """One line: why a training ended early."""
    return (
        f"{found.name}: after {found.steps} steps it has a neighbor agreement of {found.agreement:.3f}, {best.name} "
        f"{best.agreement:.3f}: it is not trained further (train.method={found.method} trains it to its end)"
    )


def choose(made: Sequence[Candidate]) -> list[Candidate]:
    """Keep a candidate by neighbor agreement among those that did not collapse, among all if all did.

    The first is kept unless another one's agreement is higher by `MARGIN`. What was stopped early is not kept.
    """
    sound = [found for found in made if not found.collapsed]
    if len(sound) == 1 or len({found.method for found in made}) == 1:
        best = sound[0] if sound else made[-1]
        why = "the only candidate" if len(made) == 1 else "did not collapse" if sound else "the last attempt"
        return [_said(found, why if found is best else "collapsed", chosen=found is best) for found in made]
    entrants = [found for found in sound or made if not found.given_up]
    best, why = entrants[0], "the first; one crop cannot be judged by others"
    scores = {found.name: found.agreement for found in made if found.agreement is not None}
    if not scores:
        log.warning("one crop cannot be judged by others, so the first candidate is kept: %s", best.name)
        return [_said(found, why if found is best else "", chosen=found is best) for found in made]
    for found in entrants[1:]:
        if scores[found.name] >= scores[best.name] + MARGIN:
            best = found
    highest = scores[best.name] == max(scores[found.name] for found in entrants)
    kept = "highest neighbor agreement" if highest else f"comes first, and none agrees better by {MARGIN}"
    log.info("neighbor agreement: %s; kept: %s", ", ".join(f"{n} {s:.3f}" for n, s in scores.items()), best.name)
    return [
        _said(found, kept if found is best else _why_not(found, scores[best.name]), chosen=found is best)
        for found in made
    ]


def _why_not(found: Candidate, best: float) -> str:
    if found.collapsed:
        return "collapsed"
    if found.given_up:
        return f"given up early: would not be better by {MARGIN}"
    return f"not better by {MARGIN}" if found.agreement is not None and found.agreement > best else "lower agreement"


def _said(found: Candidate, why: str, *, chosen: bool) -> Candidate:
    return found.model_copy(update={"why": why, "chosen": chosen})
