from pathlib import Path

import pytest

from segpipe import pipeline
from segpipe.base.errors import UsageError
from segpipe.base.runtime import no_track
from segpipe.pipeline.part_plan import make_plan
from segpipe.store.leases import Leases
from tests.helpers.parted_run import plan_reef, settings_of


def test_a_plan_is_written_once(tmp_path: Path) -> None:
    run = plan_reef(tmp_path, "run", parts=3, images=3)
    before = (run / "parts" / "plan.json").read_bytes()
    assert make_plan(*settings_of(run), no_track, 3).units == {"images": 3, "crops": 3}
    assert (run / "parts" / "plan.json").read_bytes() == before
    with pytest.raises(UsageError, match=r"has a plan already, for 3 parts; .* --parts 4 --overwrite"):
        make_plan(*settings_of(run), no_track, 4)
    others = pipeline.resolve(settings_of(run)[0], sets=["extract.input_size=64"])
    with pytest.raises(UsageError, match="for another corpus or other settings of extract"):
        make_plan(settings_of(run)[0], others, no_track, 3)
    assert make_plan(*settings_of(run), no_track, 4, overwrite=True).parts == 4


def test_it_is_not_replaced_while_somebody_works_by_it(tmp_path: Path) -> None:
    run = plan_reef(tmp_path, "run", parts=3, images=3)
    leases = Leases(run / "parts" / "extract" / "key", seconds=60)
    assert leases.take("00002")
    with pytest.raises(UsageError, match=r"overwrite: part 2 of extract is being done by .*; end it first"):
        make_plan(*settings_of(run), no_track, 4, overwrite=True)
    leases.give_back("00002")
    assert make_plan(*settings_of(run), no_track, 4, overwrite=True).parts == 4


def test_files_are_listed_where_index_is_in_parts_too(tmp_path: Path) -> None:
    run = plan_reef(tmp_path, "run", parts=2, images=3, index=True)
    assert (run / "corpus.partial").is_dir()
    assert not (run / "corpus").exists()
    plan = make_plan(*settings_of(run), no_track, 2, index=True)
    assert plan.units == {"files": 3}
    assert plan.listed is not None
    with pytest.raises(UsageError, match=r"--parts 3 --index --overwrite"):
        make_plan(*settings_of(run), no_track, 3, index=True)
