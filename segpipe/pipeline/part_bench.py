"""Bench: what a process needs to do parts of a stage, opened once they can be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segpipe.base.errors import UsageError
from segpipe.base.runtime import Track
from segpipe.pipeline.planned_steps import planned_stages, planned_step, require_before, require_plan, shared_stages
from segpipe.pipeline.run_settings import Settings, make_runtime
from segpipe.pipeline.running import names_left, refuse_others
from segpipe.pipeline.steps import BY_NAME, Step, command_of
from segpipe.pipeline.stored_parts import remote_parts
from segpipe.stages import Stage, sharing_of, user_files
from segpipe.store.class_names import CLASSES
from segpipe.store.leases import Leases
from segpipe.store.part_folder import CLOSED, PartFolder, measure
from segpipe.store.remote_parts import RemoteParts, StoredPartFolder
from segpipe.store.remote_rounds import stored_work
from segpipe.store.run_dir import RunDir
from segpipe.store.shared_work import Round, UnitsOfWork, round_of, shared_folder


@dataclass(frozen=True)
class PartBench:
    """What a process needs to do parts of one stage."""

    stage: str
    key: str
    parts: int
    folder: PartFolder
    """Of the records."""
    out: Path
    """Of the artefact while it is made."""
    work: UnitsOfWork
    remote: RemoteParts | None = None
    """Of a run on an object store: where others write their parts, and this machine its own."""

    def measure(self, names: Sequence[str]) -> tuple[int, int]:
        """Number and bytes of the files of parts that are there."""
        return measure(self.out, names) if self.remote is None else self.remote.measure(names)

    def leases(self, minutes: float) -> Leases:
        """Those of the parts, for this process."""
        seconds = 60 * minutes
        return Leases(self.folder.path, seconds=seconds) if self.remote is None else self.remote.leases(seconds=seconds)

    def note_closing(self, seconds: float) -> None:
        """Note how long it took to close the round."""
        self.folder.note_closing(seconds)
        if self.remote is not None:
            self.remote.push((), [CLOSED])

    @property
    def round(self) -> Round:
        """The round of the stage that it is of; the key is that round's."""
        return round_of(self.work)


def open_bench(run_dir: RunDir, settings: Settings, track: Track, name: str) -> PartBench | None:
    """See that parts of a stage can be done now, and lay its artefact out; None where the stage is up to date.

    Raises:
        UsageError: as of `do_parts`.
    """
    stage = BY_NAME[name]
    if run_dir.remote is not None:
        run_dir.remote.refresh()  # another machine may have closed the stage since this one looked
    if sharing_of(stage) is None:
        whole = ", ".join(each.NAME for each in shared_stages())
        raise UsageError(f"{name} cannot be done in parts; {whole} can")
    plan = require_plan(run_dir, settings)
    require_before(plan, stage, settings, run_dir)
    if CLASSES in user_files(stage) and names_left(run_dir):
        raise UsageError(
            f"{run_dir.root}: {CLASSES} speaks of other clusters; carry its names over with `segpipe merge "
            f"{run_dir.root}` first"
        )
    step = planned_step(plan, stage, settings, run_dir, run_dir.manifest())
    if step.action != "run":
        return None
    if stage not in planned_stages(plan):
        raise UsageError(
            f"{run_dir.root}: the plan has no parts of {name}; do it at once with "
            f"`segpipe {command_of(stage, run_dir)}`, or make another plan with "
            f"`segpipe plan {run_dir.root} --parts N --index --overwrite`"
        )
    out, work = lay_out(step, run_dir, settings, track)
    now = round_of(work)
    remote, key = remote_parts(run_dir, stage, step.key, now), now.key(step.key)
    if remote is not None:
        remote.pull_records()
    folder = part_folder(run_dir, stage, key, remote)
    return PartBench(name, key, plan.parts, folder, out, stored_work(work, remote), remote)


def lay_out(step: Step, run_dir: RunDir, settings: Settings, track: Track) -> tuple[Path, UnitsOfWork]:
    """The folder in which a stage's artefact is made, laid out where it is not yet; and the work on it."""
    sharing, config, runtime = sharing_of(step.stage), settings[step.stage.NAME], make_runtime(settings, track)
    assert sharing is not None
    refuse_others(run_dir, step)
    remote = remote_parts(run_dir, step.stage, step.key)

    def lay(folder: Path) -> None:
        sharing.open(config, run_dir, folder, runtime).lay_out()

    out = shared_folder(
        run_dir,
        step.stage.ARTEFACT,
        step.key,
        lay_out=lay if remote is None else remote.agreement.made(lay),
        laid_out=sharing.laid_out,
    )
    if remote is not None:
        remote.agreement.follow_rounds()
    return out, sharing.open(config, run_dir, out, runtime)


def part_folder(run_dir: RunDir, stage: Stage, key: str, remote: RemoteParts | None) -> PartFolder:
    """What is known of the parts of a stage, or of its round, at a key."""
    root, name = run_dir.root, stage.NAME
    return PartFolder(root, name, key) if remote is None else StoredPartFolder(remote, root, name, key)
