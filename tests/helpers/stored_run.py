"""Runs on an object store as several machines see them, each with a cache of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from segpipe.base import checksums
from segpipe.base.remote_path import RemotePath
from segpipe.records.manifest import StageRecord
from segpipe.store.remote_run import RemoteRun
from segpipe.store.run_dir import Artefact, RunDir

ARTEFACTS = {"corpus": Artefact("index"), "features": Artefact("extract")}
MAKERS = {name: artefact.maker for name, artefact in ARTEFACTS.items()}


@contextmanager
def machine(tmp_path: Path, name: str) -> Iterator[None]:
    """Be another machine: one with a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGPIPE_CACHE", str(tmp_path / f"cache-{name}"))
        yield


def open_there(url: RemotePath) -> RunDir:
    """The run as this machine sees it now."""
    remote = RemoteRun(url, MAKERS)
    remote.refresh()
    return RunDir(remote.copy, ARTEFACTS, remote=remote)


def finish(run_dir: RunDir, artefact: str, content: str, *, key: str = "k") -> None:
    """A stage that writes one file and a picture; the caller holds the run."""
    run_dir.prepare(artefact, key)
    with run_dir.writing(artefact) as out:
        (out / "made.txt").write_text(content)
        (out / "pictures").mkdir()
        (out / "pictures" / "a.png").write_bytes(content.encode())
    run_dir.record(MAKERS[artefact], record_of(run_dir.root / artefact, key=key))


def record_of(folder: Path, *, key: str = "k", **changes: Any) -> StageRecord:
    values = {"key": key, "artefact": "a", "parts": {}, "summary": {}, "seconds": 1.0, "finished": "2026"}
    values |= {"versions": {}, "machine": {}, "checksum": checksums.checksum(folder)}
    return StageRecord(**{**values, **changes})
