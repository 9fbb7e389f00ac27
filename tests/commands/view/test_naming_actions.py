from pathlib import Path

import pytest

from segpipe.commands.view.asked import BadRequest
from segpipe.commands.view.naming_actions import (
    changed,
    command,
    difference,
    entry_from,
    naming_action,
    options_between,
    restored,
    row_of,
)
from segpipe.records.class_names import Entry, Naming

NAMING = Naming({k: Entry((k, 2, 3), "sand" if k == 0 else "") for k in range(3)}, "abc")


def test_other_actions_are_none_on_names() -> None:
    assert naming_action({"action": "undo"}) is None
    assert naming_action({}) is None


def test_what_changed_leads_there_and_back() -> None:
    action = naming_action({"action": "merge", "cluster": 2, "into": 0})
    assert action is not None
    new = changed(action, NAMING, 3)
    before, after = difference(NAMING, new)
    assert (list(before), list(after)) == (["2"], ["2"])
    assert restored(new, after, before) == NAMING
    assert restored(NAMING, before, after) == new
    with pytest.raises(BadRequest, match="was changed"):
        restored(NAMING, after, before)


def test_options_say_the_difference() -> None:
    old = row_of(Entry((1, 2, 3), "sand"))
    new = row_of(Entry((1, 2, 4), "mud", 1, True))
    assert options_between({"0": old}, {"0": new}) == [
        "--name", "0", "mud", "--color", "0", "#010204", "--merge", "0", "1", "--ignore", "0",
    ]  # fmt: skip
    assert options_between({"0": new}, {"0": old})[-3:] == ["0", "--keep", "0"]
    assert entry_from(new) == Entry((1, 2, 4), "mud", 1, True)
    assert command(Path("a b"), ["--keep", "1"]) == "segpipe name 'a b' --keep 1"
