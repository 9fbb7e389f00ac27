import pytest

from segpipe.images.stack_plan import SENTINEL, BandFile, StackPlan, part_of, parts_of_scene, rule_of


@pytest.mark.parametrize(
    ("rule", "name", "part"),
    [
        ("*_{band}.tif", "a/x_1_nir.tif", BandFile("a/x_1_nir.tif", "nir", "a/x_1")),
        ("{band}_*.tif", "NIR_x.TIF", BandFile("NIR_x.TIF", "NIR", "x")),
        ("*_MS_{band}.tif", "DJI_1_MS_RE.TIF", BandFile("DJI_1_MS_RE.TIF", "RE", "DJI_1_MS")),
        ("*_{band}.tif", "plain.tif", None),
        (SENTINEL, "T_2020_B8A.jp2", BandFile("T_2020_B8A.jp2", "B8A", "T_2020", 20)),
        (SENTINEL, "S/IMG/R20m/T_B02_20m.jp2", BandFile("S/IMG/R20m/T_B02_20m.jp2", "B02", "S/IMG/T", 20)),
        (SENTINEL, "B01.tif", BandFile("B01.tif", "B01", "scene", 60)),
        (SENTINEL, "S/IMG/R10m/T_TCI_10m.jp2", None),
        (SENTINEL, "S/QI/MSK_DETFOO_B02.jp2", None),
    ],
)
def test_files_are_parts_of_scenes_by_their_names(rule: str, name: str, part: BandFile | None) -> None:
    assert part_of(name, rule_of(rule)) == part


@pytest.mark.parametrize("rule", ["*.tif", "{band}{band}.tif", "a/{band}.tif", ""])
def test_a_rule_holds_band_once_and_no_folder(rule: str) -> None:
    with pytest.raises(ValueError, match=r"must be sentinel2, or hold \{band\} once"):
        rule_of(rule)


def test_of_a_scene_the_finest_file_of_each_band_is_taken_and_the_finest_comes_first() -> None:
    rule = rule_of(SENTINEL)
    bands = [(20, "B02"), (20, "B11"), (10, "B02"), (10, "B08"), (60, "B01")]
    names = [f"R{meters}m/T_{band}_{meters}m.jp2" for meters, band in bands]
    parts = [part for name in names if (part := part_of(name, rule))]
    chosen = parts_of_scene(parts, ("B11", "b02"))
    assert [part.name for part in chosen] == ["R10m/T_B02_10m.jp2", "R20m/T_B11_20m.jp2"]
    assert [part.band for part in parts_of_scene(parts, ())] == ["B02", "B08", "B11", "B01"]
    assert len(parts_of_scene(parts, (3, 2, 1))) == 4  # numbers name no file


@pytest.mark.parametrize(
    ("plan", "channels"),
    [
        (StackPlan(("B04", 8)), 2),
        (StackPlan(("B04", "ndvi"), ("NDVI=B08-B04", "x=B04")), 3),
        (StackPlan(beside=("_nir", "_thermal"), math=("x=nir",)), 6),
        (StackPlan(files="sentinel2"), 0),
        (StackPlan(), 0),
    ],
)
def test_how_many_channels_the_settings_make(plan: StackPlan, channels: int) -> None:
    assert plan.channels == channels
