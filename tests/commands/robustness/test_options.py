"""Options of robustness."""

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.commands.robustness.options import RobustnessOptions


def test_all_images_are_zero_and_none_is_refused() -> None:
    assert make(RobustnessOptions, {"run": "r", "max_images": 0}).max_images == 0
    with pytest.raises(UsageError, match=r"^max_images=-1: should be greater than or equal to 0"):
        make(RobustnessOptions, {"run": "r", "max_images": -1})
    with pytest.raises(UsageError, match=r"^max_side=8: should be greater than or equal to 16"):
        make(RobustnessOptions, {"run": "r", "max_side": 8})
