from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.records.part_record import PartFailure, PartPlan, PartRecord
from segpipe.store.part_folder import PartFolder, load_plan, measure, part_name, save_plan, sum_files, sum_of

PLAN = PartPlan(parts=3, key="k", units={"images": 7, "crops": 9}, made="2026-01-01T00:00:00+00:00")


def record(number: int, *, key: str = "k", parts: int = 3) -> PartRecord:
    return PartRecord(
        stage="extract",
        key=key,
        part=number,
        parts=parts,
        start=2,
        stop=4,
        files=1,
        bytes=3,
        sha256="0",
        seconds=1.5,
        finished="2026-01-01T00:00:00+00:00",
        versions={"segpipe": "1"},
        host="a",
    )


def test_a_plan_comes_back_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    assert load_plan(tmp_path) is None
    save_plan(tmp_path, PLAN)
    assert load_plan(tmp_path) == PLAN
    path = tmp_path / "parts" / "plan.json"
    path.write_text(path.read_text().replace('"parts": 3', '"parts": 4'))
    with pytest.raises(UsageError, match=r"plan.json is damaged .*--overwrite"):
        load_plan(tmp_path)


def test_records_and_failures_by_part(tmp_path: Path) -> None:
    folder = PartFolder(tmp_path, "extract", "k")
    assert folder.records(3) == {}
    folder.path.mkdir(parents=True)
    folder.fail(PartFailure(part=2, reason="disk is full", host="b", finished="x"))
    assert folder.failures()[2].reason == "disk is full"
    folder.save(record(2))
    assert folder.failures() == {}  # it was done since
    assert folder.done(2, 3) == record(2)
    assert folder.records(3) == {2: record(2)}
    folder.forget(2)
    assert folder.done(2, 3) is None
    assert folder.closing_seconds == 0
    folder.note_closing(1.5)
    assert folder.closing_seconds == 1.5
    assert folder.records(3) == {}


def test_records_of_another_plan_or_changed_ones_do_not_count(tmp_path: Path) -> None:
    folder = PartFolder(tmp_path, "extract", "k")
    folder.save(record(1, parts=7))
    folder.save(record(2, key="other"))
    folder.save(record(3))
    path = folder.path / f"{part_name(3)}.json"
    path.write_text(path.read_text().replace('"stop": 4', '"stop": 5'))
    (folder.path / "notes.json").write_text("{}")
    assert folder.records(3) == {}


def test_files_are_summed_by_name_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12")
    (tmp_path / "b").write_bytes(b"345")
    names = ["a", "gone", "b"]
    assert measure(tmp_path, names) == (2, 5)
    sums, size = sum_files(tmp_path, names)
    assert ([name for name, _ in sums], size) == (["a", "b"], 5)
    (tmp_path / "a").write_bytes(b"13")
    assert sum_of(sum_files(tmp_path, names)[0]) != sum_of(sums)


def test_what_a_part_wrote_is_known_as_long_as_it_is_what_its_record_says(tmp_path: Path) -> None:
    folder = PartFolder(tmp_path, "extract", "k")
    sums = [("a b/é.png", "1" * 64), ("bad \udcff\n%25.png", "2" * 64)]
    done = record(1).model_copy(update={"files": 2, "sha256": sum_of(sums)})
    folder.save(done, sums)
    assert folder.sums(done) == sums
    path = folder.path / f"{part_name(1)}.sums"
    path.write_text(path.read_text().replace("2", "3"))
    assert folder.sums(done) is None
    folder.forget(1)
    assert folder.sums(done) is None
    assert not path.exists()
