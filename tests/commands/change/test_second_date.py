"""The second date."""

from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.base.runtime import no_track
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.second_date import check_same, legend_of, machine_settings, open_surveys
from segpipe.pipeline import open_run
from tests.commands.change.conftest import Reefs


def test_a_run_is_of_its_own_clusters(reefs: Reefs) -> None:
    check_same(reefs.run, reefs.run)
    assert legend_of(reefs.run).names == ("class 0", "class 1", "class 2", "class 3")


def test_one_run_named_twice_needs_dates(reefs: Reefs) -> None:
    given = {"run_a": reefs.run.root, "second": str(reefs.run.root), "out": "o"}
    with pytest.raises(UsageError, match="is named for both dates"):
        open_surveys(reefs.run, make(ChangeOptions, given), no_track)
    first, second = open_surveys(reefs.run, make(ChangeOptions, {**given, "date_pattern": "(site.)"}), no_track)
    assert (first.name, second.name) == ("site0", "site1")
    assert len(first.images) == len(second.images) == 3


def test_images_that_are_not_there(reefs: Reefs, tmp_path: Path) -> None:
    given = {"run_a": reefs.run.root, "second": str(tmp_path / "nowhere"), "out": tmp_path / "o"}
    with pytest.raises(UsageError, match="nowhere"):
        open_surveys(reefs.run, make(ChangeOptions, given), no_track)
    assert not open_run(tmp_path / "o" / "b").has("masks")


def test_settings_of_the_machine() -> None:
    made = make(ChangeOptions, {"run_a": "a", "second": "b", "out": "o", "device": "cpu", "workers": 3})
    assert machine_settings(made) == {"runtime.device": "cpu", "runtime.workers": 3}
