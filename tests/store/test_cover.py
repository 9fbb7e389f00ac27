import csv
from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.records.cover import Corrected, Correction, Cover, Part, Share
from segpipe.store.cover import load_cover, save_cover

SAND = Share(number=0, name="sand, fine", share=0.25, low=0.2, high=0.5, pixels=7, area=2.0)
NONE = Share(number=1, name="ö", share=None, pixels=0)
FOUND = Correction(
    images=2, pixels=5, outside=1, unseen=0.0, unseen_classes=[], mean_error=None,
    labels=[Corrected(label="sand", pixels=5, raw=0.25, share=0.3, low=0.1, high=0.4, standard_error=None, labelled=1,
                      found=0.8)],
    confusion=[[4], [1]],
)  # fmt: skip
COVER = Cover(
    legend="abc", classes=["sand, fine", "ö"], colors=["#aa0000", "#00aa00"], weight="pixels", unit="image", by="",
    draws=9, whole=Part(name="all", images=2, shares=[SAND, NONE]), sites=[],
    images=[Part(name="a", site="north", images=1, shares=[SAND])], correction=FOUND,
)  # fmt: skip


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_is_saved_is_loaded_and_tables_hold_the_same(tmp_path: Path) -> None:
    save_cover(COVER, tmp_path)
    assert load_cover(tmp_path) == COVER
    sand, none = rows(tmp_path / "cover_all.csv")
    assert (sand["name"], sand["share"], sand["area_m2"]) == ("sand, fine", "0.25", "2")
    assert (sand["area_low"], sand["area_high"]) == ("1.6", "4")  # 2 square meters are a quarter of 8
    assert (none["name"], none["share"], none["low"], none["area_m2"]) == ("ö", "", "", "")
    (image,) = rows(tmp_path / "cover_images.csv")
    assert (image["image"], image["site"], image["pixels"]) == ("a", "north", "7")
    assert rows(tmp_path / "cover_sites.csv") == []
    (label,) = rows(tmp_path / "cover_corrected.csv")
    assert (label["points"], label["corrected"], label["low"]) == ("5", "0.3", "0.1")
    assert [row["sand"] for row in rows(tmp_path / "cover_confusion.csv")] == ["4", "1"]
    assert not (tmp_path / "cover_sites_corrected.csv").exists()


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="missing or damaged"):
        load_cover(tmp_path)
    save_cover(COVER, tmp_path)
    (tmp_path / "cover.json").write_text("{}")
    with pytest.raises(UsageError, match="missing or damaged"):
        load_cover(tmp_path)
