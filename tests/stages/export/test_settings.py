"""Settings of `export`: what is refused, and the names of formats."""

from typing import Any

import pytest

from segpipe.base.config import Layer, build
from segpipe.base.errors import UsageError
from segpipe.base.options import Options, declared
from segpipe.stages import export
from segpipe.stages.export.settings import FORMAT_NAMES, GROUPS, Config, formats_option


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("opacity", 1.5, r"opacity=1\.5 should be less than or equal to 1"),
        ("points", 0, r"points=0 should be greater than or equal to 1"),
        ("images", "move", r"images='move' should be 'link', 'copy' or 'none'"),
        ("min_area", -1, r"min_area=-1 should be greater than or equal to 0"),
        ("layers", "file", r"layers='file' should be 'crs' or 'image'"),
        ("gsd", 0, r"gsd=0 should be greater than 0"),
        ("sampling", "even", r"sampling='even' should be 'random', 'stratified' or 'grid'"),
    ],
)
def test_wrong_settings_are_named(key: str, value: Any, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        build({"export": Config}, [Layer("--set", {f"export.{key}": value})])


def test_formats_are_the_table_and_unknown_ones_get_a_hint() -> None:
    assert Config().formats == ("png", "color", "overlay", "classes", "cog", "video")
    assert Config(formats=tuple(export.FORMATS)).formats == tuple(export.FORMATS)
    section: Any = build({"export": Config}, [Layer("--set", {"export.formats": "color,png,color"})])["export"]
    assert section.formats == ("color", "png")
    with pytest.raises(
        UsageError, match=r"--set: export\.formats=.*'overly', which is not a format; did you mean overlay"
    ):
        build({"export": Config}, [Layer("--set", {"export.formats": ["overly"]})])
    for typed, meant in (("csv", "classes"), ("shp", "shapefile"), ("GeoTIFF", "cog"), ("geopackage", "gpkg")):
        with pytest.raises(UsageError, match=f"'{typed}', which is not a format; did you mean {meant}"):
            build({"export": Config}, [Layer("--set", {"export.formats": [typed]})])
    with pytest.raises(UsageError, match="formats are png, color, overlay, classes"):
        build({"export": Config}, [Layer("--set", {"export.formats": "zzzz"})])
    with pytest.raises(UsageError, match=r"export\.formats"):
        build({"export": Config}, [Layer("--set", {"export.formats": 7})])


def test_every_name_of_a_format_lies_in_one_group_and_is_told_in_the_help() -> None:
    assert sum(map(len, GROUPS.values())) == len({*FORMAT_NAMES}) == len(export.FORMATS)
    told = Config.model_fields["formats"].description or ""
    assert all(name in told for name in FORMAT_NAMES)


def test_commands_take_formats_by_one_flag_with_commas() -> None:
    class Command(Options):
        formats: tuple[str, ...] = formats_option()

    (found,) = declared(Command)
    assert found.flags == ("--format", "-f")
    assert found.spelling.commas
    assert found.spelling.of == "export.formats"
    assert Command().formats == ()  # then those of the settings are written
