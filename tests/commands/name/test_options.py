"""Options of name: which go together."""

from pathlib import Path
from typing import Any

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.commands.name.options import NameOptions


def options(**given: Any) -> NameOptions:
    return make(NameOptions, {"run": "runs/reef", **given})


def test_numbers_and_names_mean_clusters() -> None:
    assert options(split=3).split == "3"
    assert options(merge=[(4, 2), (7, "sand")]).merge == (("4", "2"), ("7", "sand"))
    assert options(points="a.csv").proposals == options(labels="a.csv").proposals == Path("a.csv")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"points": "a.csv", "labels": "b"}, "points=a.csv and labels=b both propose names; give one"),
        ({"classes": "c.txt"}, "classes=c.txt names labels; give them with points=CSV or labels=DIR"),
        ({"into": 2}, "into and by say how a cluster is split; name one, such as split=3"),
        ({"split": 3, "suggest": 2}, "split=3 goes alone"),
        ({"split": 3, "name": [(3, "sand")]}, "split=3 goes alone"),
        ({"split": 3, "keep": [1]}, "split=3 goes alone"),
        ({"min_agreement": 1.5}, "min_agreement=1.5: should be less than or equal to 1"),
    ],
)
def test_what_cannot_go_together_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        options(**given)
    assert str(raised.value).startswith(said)


def test_what_is_said_of_single_clusters() -> None:
    found = options(name=[(3, "sand"), ("coral", "")], color=[(1, "#010203")], ignore=[2], keep=["mud"], unmerge=[4])
    assert found.name == (("3", "sand"), ("coral", ""))
    assert (found.color, found.ignore, found.keep, found.unmerge) == ((("1", "#010203"),), ("2",), ("mud",), ("4",))
    assert found.edits
    assert not options().edits
