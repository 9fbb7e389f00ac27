"""A run in Python."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from segpipe import pipeline


class Run(Mapping[str, Mapping[str, Any]]):
    """A run that was begun; as a mapping: of every finished stage what it says of itself."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._run_dir = pipeline.existing_run(self.path)

    @property
    def stages(self) -> dict[str, Mapping[str, Any]]:
        """Of every finished stage its summary."""
        return {name: record.summary for name, record in self._run_dir.manifest().stages.items()}

    def __getitem__(self, stage: str) -> Mapping[str, Any]:
        return self.stages[stage]

    def __iter__(self) -> Iterator[str]:
        return iter(self.stages)

    def __len__(self) -> int:
        return len(self.stages)
