"""Parts of a stage of a run on an object store, as the pipeline finds them, and who works on parts of any run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from segpipe.base.object_store import names
from segpipe.base.runtime import Runtime
from segpipe.pipeline.run_settings import Settings
from segpipe.stages import Stage, sharing_of
from segpipe.store.leases import Leases
from segpipe.store.object_leases import ObjectLeases
from segpipe.store.part_folder import FOLDER
from segpipe.store.remote_parts import RemoteParts
from segpipe.store.remote_rounds import pull_for_stage
from segpipe.store.run_dir import RunDir
from segpipe.store.shared_work import Round, in_rounds, round_of


def remote_parts(run_dir: RunDir, stage: Stage, key: str, now: Round | None = None) -> RemoteParts | None:
    """The parts of a stage on the store that a run lies on, with the records of a round; None for a run in a folder."""
    remote = run_dir.remote
    return None if remote is None else RemoteParts(remote, stage.ARTEFACT, stage.NAME, key, now)


def leases_of(run_dir: RunDir, stage: Stage, *, seconds: float, but: str = "") -> Iterator[tuple[str, Leases]]:
    """The stage's name and leases of its parts at every key, in the folder of a run or where it lies on a store.

    Args:
        run_dir: the run.
        stage: that is done in parts.
        seconds: without renewal after which a lease runs out.
        but: a key that is left out, with all its rounds.
    """
    folder, remote = run_dir.root / FOLDER / stage.NAME, run_dir.remote
    place = None if remote is None else remote.url / FOLDER / stage.NAME
    keys = sorted(path.name for path in folder.glob("*")) if place is None else names(place)
    for key in keys:
        if but and key.startswith(but):
            continue
        own = folder / key
        leases = Leases(own, seconds=seconds) if place is None else ObjectLeases(place / key, own, seconds=seconds)
        yield stage.NAME, leases


def pull_parts(stage: Stage, key: str, settings: Settings, run_dir: RunDir) -> None:
    """Fetch what parts of a stage have written, for who does the stage from there on."""
    remote, sharing = remote_parts(run_dir, stage, key), sharing_of(stage)
    if remote is not None and sharing is not None and remote.pull_begun():
        pull_for_stage(sharing.open(settings[stage.NAME], run_dir, remote.out, Runtime()), remote)


def stored_round(stage: Stage, key: str, settings: Settings, run_dir: RunDir) -> Round:
    """The round of a stage that is open on a store, by what all machines agree on; the first where nothing is."""
    remote, sharing = remote_parts(run_dir, stage, key), sharing_of(stage)
    if remote is None or sharing is None:
        return Round()
    with tempfile.TemporaryDirectory() as folder:
        work = sharing.open(settings[stage.NAME], run_dir, Path(folder), Runtime())
        looked = in_rounds(work) is not None and remote.agreement.look(Path(folder))
        return round_of(work) if looked else Round()
