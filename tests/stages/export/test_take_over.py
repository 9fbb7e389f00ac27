"""Formats that go over from one export to the next: all their files as they were made, or none of them."""

import shutil
from pathlib import Path

import pytest

from segpipe.base import checksums
from segpipe.stages.export.take_over import take_over


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "old"
    for name in ("png/a.png", "png/dive 1/b.png", "overlay/a.jpg", "legend.png", "yolo/labels/a.txt", "classes.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (tmp_path / "photo.jpg").write_text("photo")
    (folder / "yolo" / "images").mkdir()
    (folder / "yolo" / "images" / "a.jpg").symlink_to(tmp_path / "photo.jpg")
    checksums.write_sums(folder)
    (tmp_path / "new").mkdir()
    return folder


def tree(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_only_what_is_named_goes_over_and_links_stay_links(old: Path) -> None:
    new = old.parent / "new"
    assert take_over({"png": 2, "overlay": 2, "yolo": 2}, old, new) == {"png": 2, "overlay": 2, "yolo": 2}
    expected = tree(old)
    del expected["classes.csv"], expected["SHA256SUMS"]
    assert tree(new) == expected
    assert (new / "yolo/images/a.jpg").readlink() == old.parent / "photo.jpg"


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_format_with_a_damaged_file_is_made_again(old: Path, damage: str) -> None:
    if damage == "gone":
        (old / "legend.png").unlink()
    else:
        (old / "legend.png").write_text("other")
    new = old.parent / "new"
    assert take_over({"overlay": 2, "png": 2}, old, new) == {"png": 2}
    assert set(tree(new)) == {"png/a.png", "png/dive 1/b.png"}


def test_a_damaged_list_takes_nothing_over(old: Path) -> None:
    (old / checksums.NAME).write_text("nonsense\n")
    assert take_over({"png": 2}, old, old.parent / "new") == {}


def test_a_file_system_without_links_gets_copies(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    new = old.parent / "new"
    assert take_over({"classes": 1}, old, new) == {"classes": 1}
    assert (new / "classes.csv").read_text() == "classes.csv"
    assert (new / "classes.csv").stat().st_nlink == 1


def test_of_an_export_that_somebody_deleted_nothing_goes_over(old: Path) -> None:
    shutil.rmtree(old)
    assert take_over({"png": 2, "cog": 0}, old, old.parent / "new") == {"cog": 0}
