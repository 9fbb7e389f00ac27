"""What steered the clusters of a run to a file and back: clusters/guide.json."""

from __future__ import annotations

from pathlib import Path

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.shortage import raise_shortage
from segpipe.records.guide import Guide
from segpipe.store.run_dir import RunDir

GUIDE = "guide.json"
"""The file among a run's clusters; absent where no label took part."""


def save_guide(guide: Guide, path: Path) -> None:
    """Write it to the file `path`."""
    files.write_json(path, guide.model_dump(mode="json"))


def open_guide(run_dir: RunDir) -> Guide | None:
    """What steered the clusters of a run; None where no label took part.

    Raises:
        UsageError: the file is damaged.
        MachineError: its bytes changed on disk.
    """
    path = run_dir.file("clusters", GUIDE)
    if path is None:
        return None
    try:
        return Guide.model_validate_json(files.read_text(path))
    except (OSError, ValueError) as error:  # ValidationError is a ValueError
        raise_shortage(path, error)
        raise UsageError(f"{path} is damaged; make it again with `segpipe cluster`") from error
