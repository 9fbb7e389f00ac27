"""The sentences on a backbone's health."""

from dataclasses import replace

import pytest

from segpipe.commands.doctor import verdict
from segpipe.records.backbone_health import BlockHealth

WELL = BlockHealth(11, first=0.1, first8=0.4, position=0.05, outliers=0.0, agreement=0.8)


def test_a_sound_backbone() -> None:
    found = verdict.sentences([replace(WELL, block=10), WELL], drawn=False)
    assert found[0] == "Nothing stands out in block 11."
    assert found[1] == "Take block 11, the last one, as is the default: no other agrees clearly more."
    assert len(found) == 2


def test_everything_that_stands_out_is_said_with_its_number() -> None:
    ill = replace(WELL, first=0.44, position=0.29, outliers=0.023)
    said = verdict.sentences([ill], drawn=False)[0]
    assert said.startswith("In block 11, one component holds 44% of the variance")
    assert "explains 29% of it" in said
    assert "2.3% of the tokens are outliers" in said


@pytest.mark.parametrize("changes", [{"first": 0.44}, {"position": 0.29}, {"outliers": 0.023}])
def test_one_thing_alone_and_only_of_the_last_block(changes: dict[str, float]) -> None:
    said = verdict.sentences([WELL, replace(WELL, **changes)], drawn=False)[0]
    assert said.startswith("In block 11")
    assert ";" not in said
    assert verdict.sentences([replace(WELL, **changes), WELL], drawn=False)[0].startswith("Nothing")


def test_a_backbone_without_tokens_has_no_outliers() -> None:
    assert verdict.sentences([replace(WELL, outliers=None)], drawn=False)[0].startswith("Nothing")


@pytest.mark.parametrize(("agreement", "block"), [(0.81, None), (0.829, None), (0.84, 4), (2.0, 4)])
def test_a_block_is_named_where_it_agrees_more_by_a_margin(agreement: float, block: int | None) -> None:
    rows = [replace(WELL, block=4, agreement=agreement), replace(WELL, block=8, agreement=0.1), WELL]
    assert verdict.highest_block(rows) == block
    said = verdict.sentences(rows, drawn=False)[1]
    assert said.startswith("Take block 11")
    assert ("highest in block 4 but cannot rank" in said) == (block == 4)


def test_one_block_and_drawn_images() -> None:
    assert verdict.sentences([WELL], drawn=False, fixed=1)[2].startswith("1 of 16 classes lies at the same place of")
    found = verdict.sentences([replace(WELL, block=0)], drawn=True)
    assert found[1] == "There is one block to take, 0."
    assert found[2].startswith("The images are drawn and say little")
