import json

import pytest
from pydantic import ValidationError

from segpipe.records.candidates import Candidate, Collapse


def test_the_layout_on_disk_is_the_one_that_old_runs_have() -> None:
    said = {
        "name": "stego 2", "method": "stego", "center": True, "shifts": {"knn": 0.1}, "steps": 30, "dim": 8,
        "collapsed": {"step": 20, "value": 0.97}, "given_up": False, "agreement": 0.5, "chosen": True, "why": "best",
    }  # fmt: skip
    found = Candidate.model_validate_json(json.dumps(said))
    assert found.collapsed == Collapse(step=20, value=0.97)
    assert json.loads(found.model_dump_json()) == said


def test_what_was_not_judged_is_none_and_nothing_is_changed_later() -> None:
    found = Candidate(name="pca", method="pca", center=True, shifts={}, steps=0, dim=8)
    assert (found.collapsed, found.agreement, found.chosen) == (None, None, False)
    with pytest.raises(ValidationError, match="frozen"):
        found.chosen = True
