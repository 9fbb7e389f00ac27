"""A change of several files is whole or not there, at whatever event the process is killed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.files import sweep
from segpipe.store.transaction import pending, recover, staged
from tests.helpers.places import ROOT
from trials.kills.bench import artefacts

CHANGE = """
import sys
from pathlib import Path
from trials.kills.states import kill_before
from segpipe.store.transaction import recover, staged
root = Path(sys.argv[1])
kill_before(int(sys.argv[2]))
with staged(root, copied=("a.txt", "b.txt"), whole=("masks",)) as folder:
    (folder / "a.txt").write_text("new")
    (folder / "b.txt").unlink()
    for name in ("masks/new.png", "gallery/1.png", "gallery/2.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("new")
"""


def begin(root: Path) -> Path:
    for name in ("a.txt", "b.txt", "c.txt", "masks/old.png", "gallery/0.png", "gallery/1.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("old", "utf-8")
    return root


def change(root: Path, number: int) -> int:
    """The exit code of a process that changes `root`, killed before its event of that number."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tools")])}
    ran = subprocess.run([sys.executable, "-c", CHANGE, str(root), str(number)], check=False, env=environment)
    return ran.returncode


def test_all_changes_come_together(tmp_path: Path) -> None:
    root = begin(tmp_path / "run")
    assert change(root, 10**6) == 0
    assert artefacts(root) == {
        "a.txt": b"new",
        "c.txt": b"old",
        "masks/new.png": b"new",
        "gallery/0.png": b"old",
        "gallery/1.png": b"new",
        "gallery/2.png": b"new",
    }


def test_killed_at_every_event_it_is_whole_or_not_there(tmp_path: Path) -> None:
    old, new = begin(tmp_path / "old"), begin(tmp_path / "new")
    change(new, 10**6)
    seen = []
    for number in range(100):
        root = begin(tmp_path / "run")
        killed = change(root, number)
        decided = pending(root)
        recover(root)
        recover(root)
        sweep(root)  # what `atomic` was writing
        found = artefacts(root)
        assert found in ([artefacts(new)] if decided or not killed else [artefacts(old), artefacts(new)])
        seen.append(found == artefacts(new))
        shutil.rmtree(root)
        if not killed:
            break
    assert seen == sorted(seen)  # first the old, from one event on the new
    assert set(seen) == {False, True}


def test_an_error_leaves_everything_as_it_was(tmp_path: Path) -> None:
    root = begin(tmp_path / "run")
    before = artefacts(root)
    with pytest.raises(RuntimeError), staged(root, copied=("a.txt",), whole=()) as folder:  # noqa: PT012
        (folder / "a.txt").write_text("new", "utf-8")
        raise RuntimeError
    assert artefacts(root) == before
    assert not pending(root)


def test_what_does_not_differ_is_not_touched(tmp_path: Path) -> None:
    root = begin(tmp_path / "run")
    before = (root / "a.txt").stat()
    with staged(root, copied=("a.txt",), whole=()):
        pass
    assert (root / "a.txt").stat() == before
    assert sorted(path.name for path in root.iterdir()) == ["a.txt", "b.txt", "c.txt", "gallery", "masks"]


@pytest.mark.parametrize(
    "journal", ["", "{}", "[1]", '{"format": 1, "moves": [3], "removals": []}', '{"format": 2, "moves": []}']
)
def test_a_damaged_journal_is_one_line(tmp_path: Path, journal: str) -> None:
    root = begin(tmp_path / "run")
    (root / ".journal.json").write_text(journal, "utf-8")
    with pytest.raises(UsageError, match=r"\.journal\.json is damaged .*; delete it"):
        recover(root)


def test_a_journal_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    root = begin(tmp_path / "run")
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    for moves, removals in ((["../mine.txt"], []), ([], ["../mine.txt"])):
        said = {"format": 1, "moves": moves, "removals": removals}
        (root / ".journal.json").write_text(json.dumps(said), "utf-8")
        with pytest.raises(UsageError, match="does not name a file inside"):
            recover(root)
    assert (tmp_path / "mine.txt").read_text("utf-8") == "mine"
