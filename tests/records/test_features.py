import json
from dataclasses import replace

import pytest

from segpipe.base.geometry import Size
from segpipe.records.band_view import choosing
from segpipe.records.features import FeatureHeader

HEADER = FeatureHeader("vit", "token", (-1,), 48, 16, 5, "mean", False)


def test_a_square_crop_has_side_over_patch_patches_a_side_and_others_about_as_many() -> None:
    grid = HEADER.grid(Size(480, 480))
    assert (grid.rows, grid.cols) == (3, 3)
    wide = replace(HEADER, side=224).grid(Size(100, 400))
    assert wide.cols == pytest.approx(4 * wide.rows, abs=2)
    assert wide.rows * wide.cols == pytest.approx(14 * 14, rel=0.1)


@pytest.mark.parametrize("field", ["side", "patch", "dim"])
def test_sizes_are_positive(field: str) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        replace(HEADER, **{field: 0})


def test_what_is_written_says_the_rule_of_positions_where_it_is_not_timms() -> None:
    assert "positions" not in HEADER.to_dict()
    dino = replace(HEADER, positions="dino")
    assert dino.to_dict() == HEADER.to_dict() | {"positions": "dino"}
    assert FeatureHeader(**dino.to_dict()) == dino
    assert FeatureHeader(**HEADER.to_dict()) == HEADER
    with pytest.raises(ValueError, match="positions must be one of dino, timm, got 'other'"):
        FeatureHeader(**HEADER.to_dict() | {"positions": "other"})


def test_channels_and_views_survive_json_and_are_left_out_where_there_are_none() -> None:
    plain = FeatureHeader("vit", "token", (-1,), 64, 16, 8, "mean", False)
    assert not {"channels", "views", "positions"} & plain.to_dict().keys()
    views = (choosing("b+a+a", (1, 0, 0), 2), choosing("a", (0, 0, 0), 2))
    seen = replace(plain, channels=("a", "b"), views=views)
    for header in (plain, seen):
        assert FeatureHeader.of(json.loads(json.dumps(header.to_dict()))) == header
    with pytest.raises(ValueError, match="views of other channels"):
        replace(seen, channels=("a", "b", "c"))
