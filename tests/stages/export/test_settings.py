from typing import Any

import pytest

from segpipe.base.config import Layer, build
from segpipe.base.errors import UsageError
from segpipe.stages import export


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("min_area", -1, r"min_area=-1 should be greater than or equal to 0"),
        ("layers", "file", r"layers='file' should be 'crs' or 'image'"),
        ("gsd", 0, r"gsd=0 should be greater than 0"),
        ("sampling", "even", r"sampling='even' should be 'random', 'stratified' or 'grid'"),
    ],
)
def test_wrong_settings_are_named(key: str, value: Any, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        build({"export": export.Config}, [Layer("--set", {f"export.{key}": value})])


def test_formats_are_the_table_and_unknown_ones_get_a_hint() -> None:
    assert export.Config().formats == ("png", "color", "overlay", "classes", "cog", "video")
    assert export.Config(formats=tuple(export.FORMATS)).formats == tuple(export.FORMATS)
    section: Any = build({"export": export.Config}, [Layer("--set", {"export.formats": "color,png,color"})])["export"]
    assert section.formats == ("color", "png")
    with pytest.raises(
        UsageError, match=r"--set: export\.formats=.*'overly', which is not a format; did you mean overlay"
    ):
        build({"export": export.Config}, [Layer("--set", {"export.formats": ["overly"]})])
    with pytest.raises(UsageError, match="formats are png, color, overlay, classes"):
        build({"export": export.Config}, [Layer("--set", {"export.formats": "zzzz"})])
    with pytest.raises(UsageError, match=r"export\.formats"):
        build({"export": export.Config}, [Layer("--set", {"export.formats": 7})])
