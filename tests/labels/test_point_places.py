"""Points of pictures that EXIF turns, and points outside; Pillow turns the pictures that they are compared with."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.labels.ground_truth import read_truth
from segpipe.labels.point_labels import Points, read_points
from segpipe.labels.point_places import Marks, place_marks, upright
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.point_rules import PointRules

HEIGHT, WIDTH = 6, 10  # stored


def image(height: int, width: int, name: str = "a") -> Image:
    return Image(name, f"{name}.jpg", Size(height, width), "uint8", "", 1)


def marks(rows: list[float], cols: list[float]) -> Marks:
    count = len(rows)
    return Marks(np.arange(2, count + 2), np.array(rows, float), np.array(cols, float), np.zeros(count, np.int64))


def place(
    found: dict[int, Marks], rules: PointRules | None = None, way: int = 1, images: list[Image] | None = None
) -> dict[int, tuple[list[int], ...]]:
    shapes = images or [image(WIDTH, HEIGHT) if way >= 5 else image(HEIGHT, WIDTH)]
    turn = upright if way == 1 else (lambda index: way if index == 0 else 1)
    placed = place_marks(found, shapes, Path("points.csv"), rules or PointRules(option="skip_outside"), turn)
    return {i: tuple(part.tolist() for part in parts) for i, parts in placed.items()}


def test_rows_beyond_the_displayed_height_tell_the_stored_picture(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    # stored 6 x 10, displayed 10 x 6: column 8 is beyond
    assert place({0: marks([2, 5], [8, 0])}, way=6) == {0: ([8, 0], [3, 0], [0, 0])}
    assert "taken as those of the stored picture: 1 points lie beyond the displayed ones" in caplog.text
    caplog.clear()
    # nothing lies beyond: as displayed, and that is a warning
    assert place({0: marks([2], [5])}, way=6) == {0: ([2], [5], [0])}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the displayed picture: nothing tells that the stored ones are meant" in caplog.text
    caplog.clear()
    assert place({0: marks([0], [0])}, PointRules(points_in="stored"), way=3) == {0: ([5], [9], [0])}
    assert place({0: marks([0], [0])}, PointRules(points_in="displayed"), way=3) == {0: ([0], [0], [0])}
    assert "as asked for" in caplog.text
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize("way", [3, 6])
def test_coralnets_points_of_a_turned_photograph(tmp_path: Path, way: int) -> None:
    """CoralNet counts in the stored picture; taken as displayed, 98.8 fell to 59.2."""
    rng = np.random.default_rng(0)
    stored = (rng.random((HEIGHT, WIDTH)) > 0.5).astype(np.uint8)  # the class of every pixel
    picture = Pillow.fromarray(np.repeat(255 * stored[..., None], 3, axis=2))
    exif = Pillow.Exif()
    exif[0x0112] = way
    picture.save(tmp_path / "a.jpg", exif=exif)
    turned = picture.copy()
    turned.getexif()[0x0112] = way
    shown = np.asarray(ImageOps.exif_transpose(turned))[..., 0] // 255
    one = image(*shown.shape)
    corpus = Corpus(tmp_path, (one,), (Crop(0, Box(0, 0, *shown.shape)),))
    rows = "".join(f"a.jpg,{r},{c},{'light' if stored[r, c] else 'dark'}\n" for r, c in np.ndindex(HEIGHT, WIDTH))
    (tmp_path / "points.csv").write_text(f"Name,Row,Column,Label\n{rows}")
    truth = read_truth(tmp_path / "points.csv", None, corpus, Runtime())  # half a turn leaves no trace but the columns
    points = truth.sources[0]
    assert isinstance(points, Points)
    assert truth.classes == ("dark", "light")
    assert points.labels.tolist() == shown[points.rows, points.cols].tolist()


def test_one_point_of_many_outside_is_left_out_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    rows, cols = [float(k % HEIGHT) for k in range(241)], [float(k % WIDTH) for k in range(241)]
    rows[17] = 6.0
    with pytest.raises(UsageError) as refused:
        place({0: marks(rows, cols)})
    assert str(refused.value) == (
        "points.csv:19: row 6 lies outside a.jpg (10 x 6, width x height); rows go from 0 to 5 in pixels of the image "
        "file; 1 of 241 points lies outside: correct them or give skip_outside"
    )
    found = place({0: marks(rows, cols)}, PointRules(skip_outside=True, option="skip_outside"))
    assert len(found[0][0]) == 240
    assert "1 of 241 points lies outside its image and is left out; the first on line 19" in caplog.text
    with pytest.raises(UsageError, match=r"1 of 1 points lies outside: correct or delete them$"):
        place({0: marks([60], [0])}, PointRules(skip_outside=True))  # none would be left


def test_x_and_y_exchanged_are_told() -> None:
    with pytest.raises(UsageError, match=r"row 8 lies outside .*exchanged: exchange their headings$"):
        place({0: marks([2, 8], [5, 3])})
    with pytest.raises(UsageError, match=r"1 of 2 points lies outside: correct them"):
        place({0: marks([2, 8], [8, 3])})
    with pytest.raises(UsageError, match=r"1 of 1 points lies outside"):
        place({0: marks([1e300], [-1e300])})


def test_points_that_are_left_out_make_no_class(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("image,row,column,label\na,1,1,sand\na,99,1,typo\na,2,2,CCA\n")
    rules = PointRules(skip_outside=True)
    read = read_points(tmp_path / "points.csv", [image(HEIGHT, WIDTH)], classes=None, rules=rules)
    assert read.classes == ("CCA", "sand")
    assert read.points[0].labels.tolist() == [1, 0]
