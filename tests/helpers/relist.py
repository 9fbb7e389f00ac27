"""Artefacts that a test changes on purpose, listed as if their stages had made them so."""

from __future__ import annotations

from segpipe.base import checksums
from segpipe.stages import ARTEFACTS
from segpipe.store.run_dir import RunDir


def relist(run_dir: RunDir, *artefacts: str) -> None:
    """Write the checksums of artefacts anew, and those of their lists into the manifest, where it has them."""
    for artefact in artefacts:
        checksums.write_sums(run_dir.root / artefact, without=ARTEFACTS[artefact].unlisted)
        stage = ARTEFACTS[artefact].maker
        record = run_dir.manifest().stages.get(stage)
        if record is not None:
            changed = {"checksum": checksums.checksum(run_dir.root / artefact)}
            run_dir.record(stage, record.model_copy(update=changed))
