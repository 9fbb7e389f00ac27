"""Records of corruptions refuse what cannot be."""

import re

import numpy as np
import pytest

from segpipe.records.corruption import CorruptedImage, Corruption, Rgb


def same(rgb: Rgb, level: float, rng: np.random.Generator) -> CorruptedImage:
    return CorruptedImage(rgb)


def test_records_refuse_what_cannot_be() -> None:
    rgb = np.zeros((4, 5, 3), np.uint8)
    with pytest.raises(ValueError, match="uint8"):
        CorruptedImage(rgb.astype(float))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="homography"):
        CorruptedImage(rgb, back=np.eye(2))
    with pytest.raises(ValueError, match="touched"):
        CorruptedImage(rgb, touched=np.zeros((5, 4), bool))
    with pytest.raises(ValueError, match="families"):
        Corruption("blur", "fog", (1, 2), "px", same)
    with pytest.raises(ValueError, match="rise or fall"):
        Corruption("blur", "focus", (1, 3, 2), "px", same)


@pytest.mark.parametrize("levels", [(), (1, 1), (2, 1, 3)])
def test_levels_that_do_not_rise_or_fall_are_named(levels: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"levels of haze rise or fall: {levels}")):
        Corruption("haze", "light", levels, "m", same)


@pytest.mark.parametrize("name", ["", "motion blur"])
def test_a_name_holds_no_space_and_is_there(name: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{name!r} of 'focus': names hold no space")):
        Corruption(name, "focus", (1,), "px", same)


def test_levels_may_fall_and_a_corruption_is_shown_by_what_it_says() -> None:
    falling = Corruption("jpeg", "artefact", (50, 20, 5), "JPEG quality", same)
    assert repr(falling) == "Corruption(name='jpeg', family='artefact', levels=(50, 20, 5), unit='JPEG quality')"
