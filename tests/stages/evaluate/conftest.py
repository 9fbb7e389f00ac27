"""The run that tests of both protocols share."""

from pathlib import Path

import pytest

from segpipe.cli.entry import run_cli
from tests.helpers.city_reef import SETTINGS, write_set


@pytest.fixture(scope="package")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published `set/`, and a `run/` of its split `train` up to its masks."""
    root = tmp_path_factory.mktemp("sets")
    write_set(root)
    sets = [part for pair in SETTINGS for part in ("--set", pair)]
    assert run_cli(["run", str(root / "set"), str(root / "run"), "--to", "refine", "-q", *sets]) == 0
    return root
