import errno
import math
import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from segpipe.base import checksums
from segpipe.base.errors import LockedError, MachineError, UsageError
from segpipe.records.manifest import StageRecord
from segpipe.store.run_dir import Artefact, RunDir

RECORD = StageRecord(
    key="k",
    artefact="a",
    parts={},
    summary={},
    seconds=1.0,
    finished="2026-01-01T00:00:00+00:00",
    versions={},
    machine={},
)

ARTEFACTS = {"pairs": Artefact("mine", progress=".units"), "masks": Artefact("refine")}


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path / "run", ARTEFACTS)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != checksums.NAME)


def test_an_artefact_appears_whole_or_not_at_all(run_dir: RunDir) -> None:
    run_dir.prepare("pairs", "key")
    with pytest.raises(RuntimeError), run_dir.writing("pairs") as out:  # noqa: PT012
        (out / "a").write_text("half")
        raise RuntimeError
    assert not run_dir.has("pairs")
    with run_dir.writing("pairs") as out:
        assert [path.name for path in out.iterdir()] == [".key"]
        (out / "b").write_text("whole")
    assert names(run_dir.path("pairs")) == [".key", "b"]
    run_dir.record("mine", RECORD.model_copy(update={"checksum": checksums.checksum(run_dir.root / "pairs")}))
    assert names(run_dir.path("pairs")) == ["b"]
    (run_dir.root / "manifest.json").unlink()
    assert [path.name for path in run_dir.root.iterdir()] == ["pairs"]


def test_an_interrupted_attempt_goes_on_only_with_the_same_key(run_dir: RunDir) -> None:
    for key, kept in (("one", False), ("one", True), ("two", False)):
        run_dir.prepare("pairs", key)
        with pytest.raises(RuntimeError), run_dir.resuming("pairs") as out:  # noqa: PT012
            assert (out / "half").exists() is kept
            (out / "half").write_text(key)
            raise RuntimeError


def test_a_new_artefact_replaces_the_old_one(run_dir: RunDir) -> None:
    for text in ("old", "new"):
        run_dir.prepare("pairs", text)
        with run_dir.writing("pairs") as out:
            (out / text).write_text(text)
        run_dir.clear_progress("pairs")
    assert names(run_dir.path("pairs")) == ["new"]


def test_a_missing_artefact_names_its_stage(run_dir: RunDir) -> None:
    with pytest.raises(UsageError, match=r"has no pairs/ yet; make it with `segpipe mine"):
        run_dir.path("pairs")


def test_the_manifest_is_written_and_taken_back(run_dir: RunDir) -> None:
    run_dir.root.mkdir()
    run_dir.record("mine", RECORD)
    assert run_dir.manifest().stages == {"mine": RECORD}
    run_dir.record("mine", None)
    assert run_dir.manifest().stages == {}


def test_a_damaged_manifest_says_what_to_do(run_dir: RunDir) -> None:
    run_dir.root.mkdir()
    (run_dir.root / "manifest.json").write_text('{"stages": {"mine": 3}}')
    with pytest.raises(UsageError, match=r"manifest\.json is damaged .* delete it"):
        run_dir.manifest()


@pytest.mark.parametrize("content", [b"", b'{"stages": {"mi', b"\x00\xff\xfe", b"[" * 100_000, b"[]", b"nan"])
def test_a_manifest_that_is_no_json_says_what_to_do(run_dir: RunDir, content: bytes) -> None:
    run_dir.root.mkdir()
    (run_dir.root / "manifest.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"manifest\.json is damaged .* delete it"):
        run_dir.manifest()


def test_a_manifest_that_cannot_be_read_is_not_called_damaged(run_dir: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    run_dir.root.mkdir()
    (run_dir.root / "manifest.json").mkdir()
    with pytest.raises(UsageError, match=r"manifest\.json cannot be read \(Is a directory\)"):
        run_dir.manifest()

    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(MachineError, match=r"manifest\.json: no permission"):
        run_dir.manifest()


def test_settings_with_names_that_are_no_utf8_are_kept(run_dir: RunDir) -> None:
    run_dir.root.mkdir()
    record = RECORD.model_copy(update={"parts": {"settings": {"images": "a\udcff/\u2028b"}}})
    run_dir.record("mine", record)
    assert run_dir.manifest().stages == {"mine": record}
    run_dir.record("mine", record.model_copy(update={"summary": {"score": [math.nan]}}))
    assert run_dir.manifest().stages["mine"].summary == {"score": [None]}


@pytest.mark.parametrize(
    "note", [None, b"", b"{", b"\xff", b"[]", b'{"pid": []}', b'{"pid": "\\u001b[2J", "since": 1}']
)
def test_whoever_holds_the_lock_is_told_whatever_its_note_says(run_dir: RunDir, note: bytes | None) -> None:
    with run_dir.lock():
        holder = run_dir.root / ".lock.json"
        holder.unlink() if note is None else holder.write_bytes(note)
        with pytest.raises(LockedError, match="is in use by another process; wait for it"), run_dir.lock():
            pass


def test_what_another_process_begins_this_moment_is_no_other_file(
    run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir.root.mkdir()
    (run_dir.root / f".{'0' * 16}.12.tmp").touch()  # its marker is being written

    def meanwhile(path: Path) -> list[str]:
        (run_dir.root / ".segpipe").touch()
        (run_dir.root / "config.yaml").touch()
        return os.listdir(path)  # noqa: PTH208

    run_dir.claim()
    (run_dir.root / ".segpipe").unlink()
    monkeypatch.setattr("segpipe.store.ownership._names", meanwhile)
    run_dir.claim()


def test_a_run_needs_a_path_that_every_library_takes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the path is not UTF-8; choose another"):
        RunDir(tmp_path / "a\udcff" / "run", {}).claim()
    assert not any(tmp_path.iterdir())


def _try_to_lock(root: Path, answers: "multiprocessing.Queue[str]") -> None:
    try:
        with RunDir(root, {}).lock():
            answers.put("locked")
    except LockedError as error:
        answers.put(str(error))


def test_a_second_process_is_told_who_holds_the_run(run_dir: RunDir) -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    for expected in ("is in use by process", "locked"):
        if expected == "locked":
            _ask(context, run_dir.root, answers)
        else:
            with run_dir.lock():
                _ask(context, run_dir.root, answers)
        assert expected in answers.get(timeout=30)


def _ask(context: object, root: Path, answers: object) -> None:
    process = context.Process(target=_try_to_lock, args=(root, answers))  # type: ignore[attr-defined]
    process.start()
    process.join(60)


def test_a_killed_holder_leaves_no_lock(run_dir: RunDir) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from segpipe.store.run_dir import RunDir\n"
        "with RunDir(Path(sys.argv[1]), {}).lock(): os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(run_dir.root)], check=False)
    assert killed.returncode == -9
    with run_dir.lock():
        pass


def test_a_folder_of_other_files_is_never_taken_for_a_run(tmp_path: Path) -> None:
    own = tmp_path / "masks" / "mine.png"
    own.parent.mkdir()
    own.write_bytes(b"drawn by hand")
    (tmp_path / "config.yaml").write_text("other: settings\n", "utf-8")
    run_dir = RunDir(tmp_path, ARTEFACTS)
    with pytest.raises(
        UsageError, match=r"is not a run of segpipe and holds other files \(config.yaml, masks\); choose a new"
    ):
        run_dir.lock().__enter__()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "masks"]
    assert own.read_bytes() == b"drawn by hand"


@pytest.mark.parametrize("held", [(), (".DS_Store",), (".lock",)])
def test_an_empty_folder_becomes_a_run_and_stays_one(tmp_path: Path, held: tuple[str, ...]) -> None:
    for name in held:
        (tmp_path / name).touch()
    run_dir = RunDir(tmp_path, {})
    with run_dir.lock():
        (tmp_path / "notes.txt").touch()  # what a person puts there later
    with run_dir.lock():
        assert "run of segpipe" in (tmp_path / ".segpipe").read_text("utf-8")


def test_a_run_of_before_markers_is_known_by_its_manifest(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path, ARTEFACTS)
    run_dir.record("mine", RECORD)
    with run_dir.lock():
        assert (tmp_path / ".segpipe").exists()
    for damaged in ("{}", "[1]", '{"format": 1, "stages": {}}', "nothing"):
        (tmp_path / ".segpipe").unlink(missing_ok=True)
        (tmp_path / "manifest.json").write_text(damaged, "utf-8")
        with pytest.raises(UsageError, match="is not a run of segpipe and holds other files"):
            run_dir.claim()


def test_what_a_killed_process_left_is_swept_when_the_run_is_opened_for_writing(run_dir: RunDir) -> None:
    """A process that is alive keeps its files, and so does a person."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, kept = f".0123456789abcdef.{ended.pid}.tmp", f".0123456789abcdef.{os.getppid()}.tmp"
    folder = run_dir.root / "pairs.partial" / "deep"
    folder.mkdir(parents=True)
    for name in (left, f"{left}-journal", kept, "notes.tmp"):
        (folder / name).touch()
    (run_dir.root / left).touch()  # killed before the marker was whole
    (run_dir.root / ".segpipe").touch()
    with run_dir.lock():
        assert sorted(path.name for path in folder.iterdir()) == [kept, "notes.tmp"]
    assert not (run_dir.root / left).exists()


def test_a_folder_whose_marker_was_being_written_is_still_an_empty_one(run_dir: RunDir) -> None:
    run_dir.root.mkdir()
    (run_dir.root / ".0123456789abcdef.1.tmp").touch()
    run_dir.claim()
    assert (run_dir.root / ".segpipe").exists()


def test_what_was_whole_but_not_recorded_is_taken_up_again(run_dir: RunDir) -> None:
    run_dir.prepare("pairs", "key")
    notes = run_dir.root / "pairs.partial" / ".units" / "found"
    notes.mkdir(parents=True)
    (notes / "0.npz").touch()
    for text in ("half", "whole"):
        with run_dir.resuming("pairs") as out:
            (out / "a").write_text(text)
        assert list(checksums.read_sums(run_dir.root / "pairs")) == ["a"]
        assert (run_dir.root / "pairs" / ".units" / "found" / "0.npz").exists()
        run_dir.prepare("pairs", "key")  # who made it was killed before it was recorded
        assert names(run_dir.root / "pairs.partial") == [".key", ".units", "a"]
    run_dir.take_back("pairs", "other key")
    with run_dir.resuming("pairs"):
        pass
    run_dir.take_back("pairs", "other key")
    run_dir.record("mine", RECORD.model_copy(update={"checksum": checksums.checksum(run_dir.root / "pairs")}))
    assert names(run_dir.path("pairs")) == ["a"]


def test_half_deleted_leftovers_are_no_beginning(run_dir: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    run_dir.prepare("pairs", "one")
    for name in "ab":
        (run_dir.root / "pairs.partial" / name).touch()

    def killed(path: Path) -> None:
        (path / "a").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            run_dir.prepare("pairs", "two")
    run_dir.prepare("pairs", "one")
    assert [path.name for path in (run_dir.root / "pairs.partial").iterdir()] == [".key"]


def test_a_draft_reads_the_run_and_becomes_it(run_dir: RunDir) -> None:
    (run_dir.root / "pairs").mkdir(parents=True)
    (run_dir.root / "pairs" / "old").touch()
    (run_dir.root / "names.yaml").write_text("old")
    with run_dir.draft(("names.yaml",)) as draft:
        assert [path.name for path in draft.path("pairs").iterdir()] == ["old"]
        draft.prepare("pairs", "key")
        with draft.writing("pairs") as out:
            (out / "new").touch()
        draft.record("mine", RECORD)
        (draft.root / "names.yaml").write_text("new")
        assert names(draft.path("pairs")) == ["new"]
        assert [path.name for path in run_dir.path("pairs").iterdir()] == ["old"]
        assert run_dir.manifest().stages == {}
    assert names(run_dir.path("pairs")) == ["new"]
    assert run_dir.manifest().stages == {"mine": RECORD}
    assert (run_dir.root / "names.yaml").read_text() == "new"
    with pytest.raises(UsageError, match=rf"{run_dir.root} has no masks/"), run_dir.draft(()) as draft:
        RunDir(draft.root, ARTEFACTS, draft.under).path("masks")


def test_who_reads_finishes_what_was_decided(run_dir: RunDir) -> None:
    run_dir.claim()
    (run_dir.root / ".staging").mkdir()
    (run_dir.root / ".staging" / "names.yaml").write_text("new")
    (run_dir.root / ".journal.json").write_text('{"format": 1, "moves": ["names.yaml"], "removals": []}')
    run_dir.settle()
    assert (run_dir.root / "names.yaml").read_text() == "new"
    assert sorted(path.name for path in run_dir.root.iterdir()) == [".lock", ".segpipe", "names.yaml"]


def test_one_file_is_looked_at_without_the_others(run_dir: RunDir) -> None:
    run_dir.claim()
    assert run_dir.file("pairs", "small.json") is None
    with run_dir.writing("pairs") as out:
        (out / "small.json").write_text("{}")
        (out / "large.npz").write_bytes(b"x")
    pairs = run_dir.root / "pairs"
    (pairs / "large.npz").write_bytes(b"y")
    assert run_dir.file("pairs", "small.json") == pairs / "small.json"
    assert run_dir.file("pairs", "none.json") is None
    with run_dir.draft(()) as draft:
        assert draft.file("pairs", "small.json") == pairs / "small.json"
    (pairs / "small.json").write_text("[]")
    with pytest.raises(MachineError, match=r"small\.json: its bytes changed on disk"):
        run_dir.file("pairs", "small.json")
