"""Options of bundle and apply."""

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.options import declared, make
from segpipe.commands.model.options import ApplyOptions, BundleOptions


def test_apply_writes_to_a_folder_in_the_terminal_and_gives_masks_in_python() -> None:
    assert "out" in {each.name for each in declared(ApplyOptions, "terminal")}
    assert "out" not in {each.name for each in declared(ApplyOptions, "python")}


def test_values() -> None:
    assert not make(BundleOptions, {"run": "r", "model": "m.segpipe"}).onnx
    given = {"model": "m", "images": "a", "out": "o"}
    assert make(ApplyOptions, {**given, "formats": ("png", "coco")}).formats == ("png", "coco")
    with pytest.raises(UsageError, match=r"^frame_step=-1: should be greater than or equal to 0"):
        make(ApplyOptions, {**given, "frame_step": -1})
