from pathlib import Path

from segpipe.images.listing import Listing, make_ids
from segpipe.images.scenes import group_scenes
from segpipe.images.stack_plan import SENTINEL, StackPlan


def test_files_of_one_band_are_one_image_named_without_it(tmp_path: Path) -> None:
    paths = ("a/x_B02.tif", "a/x_B08.tif", "a/y_B02.tif", "other.tif")
    grouped = group_scenes(Listing(tmp_path, paths, ()), StackPlan(files="*_{band}.tif"))
    assert grouped.paths == ("a/x_B02.tif", "a/y_B02.tif", "other.tif")
    assert make_ids(grouped.names) == ["a/x", "a/y", "other"]
    assert grouped.scenes["a/x_B02.tif"].layers == ("B02=", "B08=x_B08.tif")
    assert grouped.scenes["a/y_B02.tif"].layers == ("B02=",)


def test_a_folder_of_sentinel_2_is_one_image_and_its_previews_are_left_out(tmp_path: Path) -> None:
    inside = "S.SAFE/GRANULE/L/IMG_DATA"
    paths = (
        "S.SAFE/T-preview.jpg",
        f"{inside}/R10m/T_AOT_10m.jp2",
        f"{inside}/R10m/T_B02_10m.jp2",
        f"{inside}/R20m/T_B02_20m.jp2",
        f"{inside}/R20m/T_B11_20m.jp2",
    )
    grouped = group_scenes(Listing(tmp_path, paths, ()), StackPlan(("B11", "B02"), files=SENTINEL))
    assert grouped.paths == (f"{inside}/R10m/T_B02_10m.jp2",)
    assert grouped.names == [f"{inside}/T.jp2"]
    assert grouped.scenes[grouped.paths[0]].layers == ("B02=", "B11=../R20m/T_B11_20m.jp2")


def test_files_beside_are_taken_to_their_image_also_where_the_listing_does_not_name_them(tmp_path: Path) -> None:
    for name in ("a.jpg", "a_nir.tif", "a_thermal.TIF", "b.jpg"):
        (tmp_path / name).touch()
    plan = StackPlan(beside=("_nir", "_thermal"))
    for paths in (("a.jpg", "a_nir.tif", "a_thermal.TIF", "b.jpg"), ("a.jpg", "b.jpg")):
        grouped = group_scenes(Listing(tmp_path, paths, ()), plan)
        assert grouped.paths == ("a.jpg", "b.jpg")
        assert grouped.scenes["a.jpg"].layers == ("=", "nir=a_nir.tif", "thermal=a_thermal.TIF")
        assert "b.jpg" not in grouped.scenes
    assert make_ids(grouped.names) == ["a", "b"]
