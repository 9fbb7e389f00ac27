from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from segpipe.base.remote_path import RemotePath
from segpipe.store.remote_parts import RemoteParts
from segpipe.store.remote_rounds import StoredRounds, pull_for_stage, pull_to_verify, stored_work
from segpipe.store.shared_work import Round, UnitsOfWork
from tests.helpers.object_server import keys
from tests.helpers.stored_run import machine, open_there


@dataclass
class Numbers:
    """Work of three units in two rounds: each writes a number and much else; closing adds up; then each squares it."""

    out: Path
    units: int = 3

    @cached_property
    def round(self) -> Round:
        return Round(2 if (self.out / "sum-1").exists() else 1, 2)

    def lay_out(self) -> None:
        pass

    def write(self, units: range) -> None:
        for unit in units:
            if self.round.number == 1:
                (self.out / f"much-{unit}").write_text(f"much {unit}")
                (self.out / f"number-{unit}").write_text(f"{unit}")
            else:
                assert (self.out / f"much-{unit}").exists()
                (self.out / f"square-{unit}").write_text(f"{unit**2}")

    def names(self, units: range) -> list[str]:
        kinds = ("much", "number") if self.round.number == 1 else ("square",)
        return [f"{kind}-{unit}" for unit in units for kind in kinds]

    def needs(self, units: range) -> list[str]:
        return [f"much-{unit}" for unit in units if self.round.number > 1]

    def joins(self) -> list[str]:
        return [f"{'number' if self.round.number == 1 else 'square'}-{unit}" for unit in range(self.units)]

    def close_round(self) -> None:
        found = [int((self.out / f"number-{unit}").read_text()) for unit in range(self.units)]
        (self.out / "sum-1").write_text(f"{sum(found)}")

    def closed(self, number: int) -> Sequence[str]:
        return [f"sum-{number}"]


class Plain:
    """Work without rounds."""

    units = 1

    def lay_out(self) -> None:
        pass

    def write(self, units: range) -> None:
        pass

    def names(self, units: range) -> list[str]:
        return ["number-1"]


@pytest.fixture
def url(bucket: RemotePath) -> RemotePath:
    return bucket / "run"


def here(url: RemotePath) -> tuple[RemoteParts, UnitsOfWork]:
    """The parts and the work on this machine, in the round that is open."""
    remote = open_there(url).remote
    assert remote is not None
    parts = RemoteParts(remote, "features", "extract", "k")
    agree = parts.agreement.made(lambda folder: (folder / "begun").touch())
    if not parts.out.exists():
        parts.out.mkdir(parents=True)
        agree(parts.out)
    parts.agreement.follow_rounds()
    return parts, stored_work(Numbers(parts.out), parts)


def do(url: RemotePath, *units: int) -> None:
    for unit in units:
        parts, work = here(url)
        work.write(range(unit, unit + 1))
        parts.push(work.names(range(unit, unit + 1)), [])


def files_of(parts: RemoteParts) -> list[str]:
    return sorted(path.name for path in parts.out.iterdir() if not path.name.startswith("."))


def test_each_machine_has_what_a_round_reads_and_no_more(url: RemotePath, tmp_path: Path) -> None:
    with machine(tmp_path, "one"):
        do(url, 0, 1, 2)
    with machine(tmp_path, "two"):
        parts, work = here(url)
        assert isinstance(work, StoredRounds)
        assert (work.units, work.round, len(work.needs(range(3)))) == (3, Round(1, 2), 0)
        work.close_round()
        assert (parts.out / "sum-1").read_text() == "3"
        assert files_of(parts) == ["begun", "number-0", "number-1", "number-2", "sum-1"]
    with machine(tmp_path, "three"):
        do(url, 1)
        assert files_of(here(url)[0]) == ["begun", "much-1", "square-1", "sum-1"]
    with machine(tmp_path, "four"):
        do(url, 0)
        parts, work = here(url)
        pull_for_stage(work, parts)  # unit 2 is still to be done here
        assert set(files_of(parts)) >= {"much-2", "square-0", "square-1"}
        do(url, 2)
    with machine(tmp_path, "five"):
        parts, work = here(url)
        pull_for_stage(work, parts)
        assert files_of(parts) == ["begun", "square-0", "square-1", "square-2", "sum-1"]


def test_a_round_that_was_closed_and_not_told_is_told_by_who_closed_it(url: RemotePath, tmp_path: Path) -> None:
    with machine(tmp_path, "one"):
        do(url, 0, 1, 2)
        parts, _ = here(url)
        Numbers(parts.out).close_round()  # and was killed
    with machine(tmp_path, "two"):
        assert here(url)[1].round.number == 1  # type: ignore[attr-defined]
    with machine(tmp_path, "one"):
        assert here(url)[1].round.number == 2  # type: ignore[attr-defined]
    assert "parts/extract/k/closed-1.tar" in keys(url)
    with machine(tmp_path, "two"):
        assert here(url)[1].round.number == 2  # type: ignore[attr-defined]


def test_all_of_a_round_is_fetched_to_be_read(url: RemotePath, tmp_path: Path) -> None:
    with machine(tmp_path, "one"):
        do(url, 0, 1)
    with machine(tmp_path, "two"):
        parts, work = here(url)
        pull_to_verify(work, parts)
        assert files_of(parts) == ["begun", "much-0", "much-1", "number-0", "number-1"]
    with machine(tmp_path, "three"):
        parts, _ = here(url)
        plain = Plain()
        assert stored_work(plain, parts) is plain
        assert stored_work(Numbers(tmp_path), None) == Numbers(tmp_path)
        pull_for_stage(plain, parts)
        assert len(files_of(parts)) == 5
