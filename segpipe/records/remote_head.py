"""Head of a run on an object store: which objects the run is made of. It is written last, and makes them the run."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from segpipe.base import files
from segpipe.records.manifest import Manifest


class RemoteHead(BaseModel):
    """What a run on an object store holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    files: dict[str, str] = {}
    """By path in the run: SHA-256 of the bytes, under which they lie; settings, manifest, names and their like."""
    folders: dict[str, str] = {}
    """By artefact: its version, the folder of objects that it is."""


def versions_of(manifest: Manifest, makers: dict[str, str]) -> dict[str, str]:
    """The version of each finished artefact: another one for what was made at another time.

    Args:
        manifest: of the run.
        makers: from artefacts to stages.
    """
    found = {artefact: manifest.stages.get(stage) for artefact, stage in makers.items()}
    return {
        artefact: files.digest([record.key, record.checksum, record.finished])
        for artefact, record in found.items()
        if record is not None
    }
