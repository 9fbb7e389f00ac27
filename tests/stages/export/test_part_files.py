from pathlib import Path

import pytest

from segpipe.stages.export import part_files


def test_files_move_where_they_belong_and_nothing_does_after_an_error(tmp_path: Path) -> None:
    with part_files.moved_in(tmp_path) as (folder, names):
        (folder / "png" / "a").mkdir(parents=True)
        (folder / "png" / "a" / "b.png").write_text("1")
        (folder / "legend.png").write_text("2")
    assert names == ["legend.png", "png/a/b.png"]
    assert (tmp_path / "png" / "a" / "b.png").read_text() == "1"
    with pytest.raises(ValueError, match="x"), part_files.moved_in(tmp_path) as (folder, _):
        (folder / "c.png").write_text(int("x"))  # type: ignore[arg-type]
    assert not (tmp_path / "c.png").exists()
    assert list((tmp_path / part_files.FOLDER).iterdir()) == []


def test_what_was_noted_comes_back_until_it_is_dropped(tmp_path: Path) -> None:
    assert not part_files.has_kept(tmp_path)
    part_files.save_kept(tmp_path, {"png": 3})
    assert part_files.has_kept(tmp_path)
    assert part_files.load_kept(tmp_path) == {"png": 3}
    assert part_files.load_range(tmp_path, range(2)) is None
    part_files.save_range(tmp_path, range(2), ["png/a.png"], {"png": 1})
    assert part_files.load_range(tmp_path, range(2)) == {"files": ["png/a.png"], "counts": {"png": 1}}
    part_files.drop_notes(tmp_path)
    assert not part_files.has_kept(tmp_path)


def test_a_legend_that_every_part_writes_is_one_file() -> None:
    assert part_files.add_counts([{"png": 2, "overlay": 3}, {"png": 1, "overlay": 2}]) == {"png": 3, "overlay": 4}
    assert part_files.add_counts([]) == {}
