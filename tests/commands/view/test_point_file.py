from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.commands.view.asked import BadRequest
from segpipe.commands.view.opened_run import NotHere, OpenedRun
from segpipe.commands.view.point_file import PointFile
from segpipe.labels.point_labels import read_points


@pytest.fixture
def points(reef: Path) -> PointFile:
    return PointFile(OpenedRun(reef))


def test_points_are_those_that_other_commands_read(points: PointFile, reef: Path) -> None:
    for image, row, col, label in ((0, 3, 4.25, "sand"), (1, 0, 0, "=hard, rock"), (0, 3, 4.25, "sand")):
        points.added(points.new_row(image, row, col, label))
    images = OpenedRun(reef).corpus.images
    found = points.read()
    assert [(point.image, point.row, point.col, point.label) for point in found] == [
        (0, 3, 4.25, "sand"),
        (1, 0, 0, "=hard, rock"),
        (0, 3, 4.25, "sand"),
    ]
    assert len({point.id for point in found}) == 3
    read = read_points(points.path, images, classes=None)
    assert sorted(read.classes) == ["=hard, rock", "sand"]
    assert set(read.points) == {0, 1}


def test_a_point_keeps_its_id_when_others_go(points: PointFile) -> None:
    for label in ("a", "b", "c"):
        points.added(points.new_row(0, 1, 2, label))
    first, second, third = points.read()
    change = points.taken(second.id)
    assert (change.place, change.label) == (1, "b")
    assert change.command == f"sed -i 3d {points.path}"
    assert [point.id for point in points.read()] == [first.id, third.id]
    points.added(change.cells, change.place)
    assert points.read() == [first, second, third]
    with pytest.raises(NotHere):
        points.taken("p0")


def test_a_table_of_a_person_keeps_its_columns(points: PointFile) -> None:
    points.path.write_text("Name;Y;X;Label;who\n nowhere.jpg;1;2;sand;me\n", "utf-8")
    points.added(points.new_row(0, 5, 6, "mud"))
    header, found = points.table()
    assert list(header) == ["Name", "Y", "X", "Label", "who"]
    assert found[0].fields == ("nowhere.jpg", "1", "2", "sand", "me")
    assert found[0].image is None
    assert found[1].fields[1:] == ("5", "6", "mud", "")


def test_the_command_that_is_shown_appends_the_same(points: PointFile, tmp_path: Path) -> None:
    import subprocess

    for label in ("it's sand", "b"):
        command = points.added(points.new_row(2, 1, 2, label)).command.replace(str(points.path), str(tmp_path / "p"))
        subprocess.run(["sh", "-c", command], check=True)
        assert (tmp_path / "p").read_bytes() == points.path.read_bytes()


def test_what_was_changed_by_hand_is_not_taken_out(points: PointFile) -> None:
    cells = points.added(points.new_row(0, 1, 2, "a")).cells
    points.path.write_text(points.path.read_text().replace(",a", ",b"))
    with pytest.raises(BadRequest, match="was changed in points"):
        points.taken_row(cells, remove=True)


def test_a_wrong_table_is_one_line(points: PointFile) -> None:
    points.path.write_text("image,row,column,label\na.jpg,x,1,sand\n")
    with pytest.raises(UsageError, match=r"points.csv:2: row 'x' is not a number"):
        points.read()
    points.path.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="no column for"):
        points.new_row(0, 1, 1, "a")
    points.path.write_text("")
    assert points.read() == []
