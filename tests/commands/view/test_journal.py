import json
from pathlib import Path

from segpipe.commands.view.journal import ActionJournal, Done, History, read_history


def entry(number: int, *, clustering: str = "", later: str = "") -> Done:
    return Done(number, "naming", f"action {number}", "segpipe name", clustering, {}, {}, later)


def test_undo_and_redo_go_back_and_forth() -> None:
    found = History().with_done(entry(1)).with_done(entry(2)).with_undone(2)
    assert [each.number for each in found.undo] == [1]
    assert [each.number for each in found.redo] == [2]
    assert [each.number for each in found.with_redone(2).undo] == [1, 2]
    assert found.with_done(entry(3)).redo == ()
    assert found.with_undone(99) == found
    assert found.with_redone(99) == found


def test_actions_on_other_clusters_are_passed_over() -> None:
    found = History().with_done(entry(1, clustering="a")).with_done(entry(2, clustering="b")).with_done(entry(3))
    assert [found.to_undo(now).number for now in ("a", "b") if found.to_undo(now)] == [3, 3]  # type: ignore[union-attr]
    left = found.with_undone(3)
    assert (left.to_undo("a"), left.to_undo("b"), left.to_undo("c")) == (left.undo[0], left.undo[1], None)
    split = History().with_done(entry(1, clustering="a", later="b"))
    assert split.to_undo("a") is None
    assert split.to_undo("b") == split.undo[0]
    assert split.with_undone(1).to_redo("a") == split.undo[0]


def test_lines_are_added_and_read_again(tmp_path: Path) -> None:
    journal = ActionJournal(tmp_path)
    assert journal.history() == History()
    for each in (entry(1), entry(2)):
        journal.add(each)
    journal.add_undo(entry(2))
    journal.add_redo(entry(2))
    journal.add_undo(entry(2))
    assert [each.number for each in journal.history().undo] == [1]
    assert ActionJournal(tmp_path).history() == journal.history()
    assert all("at" in json.loads(line) for line in journal.path.read_text().splitlines())


def test_a_line_that_was_cut_off_harms_no_other(tmp_path: Path) -> None:
    journal = ActionJournal(tmp_path)
    journal.add(entry(1))
    with journal.path.open("ab") as file:
        file.write(b'{"done": 2, "ki')
    journal.add(entry(3))
    found = journal.history()
    assert ([each.number for each in found.undo], found.damaged) == ([1, 3], 1)


def test_nonsense_is_passed_over() -> None:
    lines = [b"[]", b"1", b'{"done": "x"}', b'{"undo": []}', b"\xff", b'{"redo": 4}', b"{}", b"[" * 9999]
    row = {**entry(1).row(), "kind": "rm -rf"}
    found = read_history(b"\n".join([*lines, json.dumps(row).encode()]))
    assert (found.undo, found.redo) == ((), ())
