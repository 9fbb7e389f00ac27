"""The run that tests of `export` share."""

from pathlib import Path

import pytest

from segpipe.store.run_dir import RunDir
from tests.helpers.export_run import make_run


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    return make_run(tmp_path)
