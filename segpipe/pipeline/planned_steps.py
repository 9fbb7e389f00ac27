"""Steps of a planned run: images are not listed again, which takes minutes where there are millions of them."""

from __future__ import annotations

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.pipeline.run_settings import Settings
from segpipe.pipeline.steps import BY_NAME, Step, require, step_of
from segpipe.records.manifest import Manifest
from segpipe.records.part_record import ListedImages, PartPlan
from segpipe.stages import STAGES, Stage, sharing_of, stamps_of
from segpipe.store.part_folder import load_plan
from segpipe.store.run_dir import RunDir

INDEX = "index"


def shared_stages() -> tuple[Stage, ...]:
    """The stages that can be done in parts."""
    return tuple(stage for stage in STAGES if sharing_of(stage) is not None)


def planned_stages(plan: PartPlan) -> tuple[Stage, ...]:
    """The stages that are done in parts by a plan: not `index` where it was finished before."""
    return tuple(stage for stage in shared_stages() if stage.NAME != INDEX or plan.listed is not None)


def require_plan(run_dir: RunDir, settings: Settings) -> PartPlan:
    """The plan of a run.

    Raises:
        UsageError: there is none, or it is for another corpus or other settings of `extract`.
    """
    plan, root = load_plan(run_dir.root), run_dir.root
    if plan is None:
        raise UsageError(f"{root} has no plan of parts yet; make it with `segpipe plan {root} --parts N`")
    if plan.key != plan_key(run_dir, settings, plan.listed):
        of, way = ("index or extract", " --index") if plan.listed else ("extract", "")
        raise UsageError(
            f"{root}: the plan of {plan.parts} parts is for another corpus, or other settings of {of}, than the "
            "run has now; leave these settings out or, where nothing runs, "
            f"`segpipe plan {root} --parts N{way} --overwrite`"
        )
    return plan


def plan_key(run_dir: RunDir, settings: Settings, listed: ListedImages | None = None) -> str:
    """What a plan is for: the key of `extract`, made of the corpus and the settings that change features.

    Where `index` is done in parts there is no corpus yet: the key of `index` stands for it.
    """
    extract, manifest = BY_NAME["extract"], run_dir.manifest()
    if listed is None:
        return step_of(extract, settings, run_dir, manifest).key
    index = step_of(BY_NAME[INDEX], settings, run_dir, manifest, stamps=listed.stamps)
    own = stamps_of(extract, settings["extract"])
    return files.digest([index.key, extract.FORMAT, settings["extract"].identity(), own])


def planned_step(plan: PartPlan, stage: Stage, settings: Settings, run_dir: RunDir, manifest: Manifest) -> Step:
    """As `step_of`; the images of the run are those that the plan was made for."""
    stamps = None
    if stage.NAME == INDEX:
        made = manifest.stages.get(INDEX)
        stamps = plan.listed.stamps if plan.listed else made.parts.get("files") if made else None
    return step_of(stage, settings, run_dir, manifest, stamps=stamps)


def waits_for(plan: PartPlan, stage: Stage, settings: Settings, run_dir: RunDir, manifest: Manifest) -> str:
    """The first stage before this one that is missing or out of date; empty where there is none."""
    steps = (planned_step(plan, BY_NAME[name], settings, run_dir, manifest) for name in stage.NEEDS)
    return next((step.stage.NAME for step in steps if step.action == "run"), "")


def require_before(plan: PartPlan, stage: Stage, settings: Settings, run_dir: RunDir) -> None:
    """Refuse to do a stage in parts whose inputs are missing or out of date.

    Raises:
        UsageError: with the reason and the command that mends it.
    """
    manifest = run_dir.manifest()
    for name in stage.NEEDS:
        require(BY_NAME[name], settings, run_dir, planned_step(plan, BY_NAME[name], settings, run_dir, manifest))
