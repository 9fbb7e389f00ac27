"""Point labels: every way that people write them, and every wrong row named by file and line."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.base.csv_files import csv_text
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Size
from segpipe.labels.label_maps import read_classes
from segpipe.labels.point_labels import read_points
from segpipe.records.corpus import Image
from tests.helpers.places import PACKS


def image(path: str) -> Image:
    return Image(path.rsplit(".", 1)[0], path, Size(30, 40), "uint8", "", 1)


IMAGES = [image("dive 1/a.jpg"), image("dive 1/b.jpg"), image("c.png"), image("dive 2/b.jpg")]


def read(tmp_path, text, *, classes=None, encoding="utf-8"):
    path = tmp_path / "points.csv"
    path.write_bytes(text.encode(encoding))
    return read_points(path, IMAGES, classes=classes)


def listed(labels):
    columns = {i: (p.rows.tolist(), p.cols.tolist(), p.labels.tolist()) for i, p in labels.points.items()}
    return {i: list(zip(*three, strict=True)) for i, three in columns.items()}


WANTED = {0: [(3, 5, 1), (29, 39, 0)], 2: [(0, 0, 1)]}


@pytest.mark.parametrize(
    "text",
    [
        "image,row,column,label\ndive 1/a.jpg,3,5,sand\na,29,39,CCA\nc.png,0,0,sand\n",
        "Name,Row,Column,Label\na.jpg,3,5,sand\na.jpg,29,39,CCA\nc,0,0,sand\n",  # CoralNet
        "Name;Row;Column;Label\na.jpg;3;5;sand\na.jpg;29;39;CCA\nc;0;0;sand\n",
        "LABEL\tx\tY\tFile name\nsand\t5\t3\ta.jpg\nCCA\t39\t29\ta\nsand\t0\t0\tc.png\n",
        "image,x_original,y_original,x,y,code,class\na,99,99,5.0,3.9,q,sand\na,9,9,39,29,q,CCA\nc,0,0,0,0,q,sand",
        '\n"image","row","column","label","note"\n"a",3,5,"sand","x, y"\n\n"a",29,39,"CCA",\n"c",0,0,"sand",\n,,,,\n',
        "image,row,column,label\r\na,3,5,sand\r\na,29,39,CCA\r\nc,0,0,sand\r\n",
        "image,row,column,label,\na,3,5,sand,\na,29,39,CCA,\nc,0,0,sand,,\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_ways_to_write_points(text, encoding, tmp_path):
    labels = read(tmp_path, text, encoding=encoding)
    assert labels.classes == ("CCA", "sand")
    assert listed(labels) == WANTED
    assert labels.unmatched == {}


def test_names_and_indices_of_given_classes(tmp_path):
    text = "image,row,column,label\na,3,5,Sand\na,4,6,0\na,5,7,255\nc,1,1,-1\n"
    labels = read(tmp_path, text, classes=("CCA", "Sand", "Rubble"))
    assert labels.classes == ("CCA", "Sand", "Rubble")
    assert listed(labels) == {0: [(3, 5, 1), (4, 6, 0)], 2: []}


def test_names_that_differ_in_case_alone_are_refused(tmp_path):
    """`Sand` and `sand` were two classes, one of them always wrong; classes.yaml refuses them too."""
    text = "image,row,column,label\na,3,5,Sand\na,4,6,CCA\nc,1,1,sand\n"
    with pytest.raises(UsageError, match=r"points\.csv:4: label 'sand' and 'Sand' on line 2 differ in case"):
        read(tmp_path, text)
    assert read(tmp_path, text.replace("Sand", "sand")).classes == ("CCA", "sand")


def test_indices_without_names_are_the_classes_that_occur(tmp_path):
    labels = read(tmp_path, "image,x,y,class_index\na,1,1,82\na,2,2,7\na,3,3,255\nc,0,0,82\n")
    assert labels.classes == ("label 7", "label 82")
    assert listed(labels) == {0: [(1, 1, 1), (2, 2, 0)], 2: [(0, 0, 1)]}


def test_numbers_are_called_as_another_column_says(tmp_path):
    text = "image,x,y,cpce_code,class_index\na,1,1,Mus,82\na,2,2,Ana,7\na,3,3,?,255\nc,0,0,Mus,82\n"
    labels = read(tmp_path, text)
    assert labels.classes == ("Ana", "Mus")
    assert listed(labels) == {0: [(1, 1, 1), (2, 2, 0)], 2: [(0, 0, 1)]}
    given = read(tmp_path, text, classes=("Sand", "Mus", "Ana"))  # no place 82, but the names are there
    assert listed(given) == {0: [(1, 1, 1), (2, 2, 2)], 2: [(0, 0, 1)]}


def test_coralnets_label_ids_are_no_indices(tmp_path):
    text = "Name,Row,Column,Label ID\na.jpg,3,5,255\na.jpg,4,6,1\n"
    assert read(tmp_path, text).classes == ("label 1", "label 255")  # no number of these means: not labelled
    with pytest.raises(UsageError, match="Label ID holds CoralNet's own numbers, no indices of classes; add a column"):
        read(tmp_path, text, classes=("CCA", "Sand"))
    named = read(tmp_path, text.replace("ID", "ID,Label name").replace("255", "255,CCA").replace(",1\n", ",1,Sand\n"))
    assert (named.classes, listed(named)) == (("CCA", "Sand"), {0: [(3, 5, 0), (4, 6, 1)]})


def test_paths_of_another_machine_mean_the_images_that_they_end_in(tmp_path, caplog):
    caplog.set_level("INFO")
    text = "image,row,column,label\nC:\\reef\\dive 2\\b.jpg,1,1,sand\n/home/kim/c.png,2,2,CCA\n"
    assert sorted(listed(read(tmp_path, text))) == [2, 3]
    assert "2 images are named by paths of another place" in caplog.text
    with pytest.raises(UsageError, match=r"points\.csv:4: '/mnt/c\.png' and '/home/kim/c\.png' both end like c\.png"):
        read(tmp_path, text + "/mnt/c.png,1,1,sand\n")


def test_unknown_images_are_counted(tmp_path):
    labels = read(tmp_path, "image,row,column,label\nzz,999,5,x\na,3,5,sand\nzz.jpg,1,1,y\nzz,1,1,z\n")
    assert labels.unmatched == {"zz": 2, "zz.jpg": 1}
    assert labels.classes == ("sand",)
    with pytest.raises(CorpusError, match=r"'zz' is not in the corpus, ids look like 'dive 1/a'"):
        read(tmp_path, "image,row,column,label\nzz,1,1,x\n")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,three,5,sand", r"points\.csv:3: row 'three' is not a number"),
        ("a,,5,sand", r"points\.csv:3: row '' is not a number"),
        ("a,nan,5,sand", r"points\.csv:3: row 'nan' is not a number"),
        ("a,30,5,sand", r"points\.csv:3: row 30 lies outside dive 1/a\.jpg \(40 x 30.*rows go from 0 to 29"),
        ("a,3,40,sand", r"points\.csv:3: column 40 lies outside .*columns go from 0 to 39"),
        ("a,-1,5,sand", r"points\.csv:3: row -1 lies outside"),
        ("a,3,5,", r"points\.csv:3: the label is empty"),
        ("a,3,5", r"points\.csv:3: 3 fields where the header has 4"),
        ("a,3,5,sand,x", r"points\.csv:3: 5 fields where the header has 4"),
        ("b,3,5,sand", r"points\.csv:3: 'b' fits 2 images, such as dive 1/b\.jpg and dive 2/b\.jpg"),
        ("a,3,5,snd", r"points\.csv:3: label 'snd' is not one of the 2 classes; did you mean 'Sand'"),
        ("a,3,5,2", r"points\.csv:3: label '2' is not one of the 2 classes; the classes file names CCA, Sand"),
    ],
)
def test_wrong_rows_are_named(row, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        read(tmp_path, f"image,row,column,label\nc,0,0,Sand\n{row}\n", classes=("CCA", "Sand"))


def test_wrong_files(tmp_path):
    with pytest.raises(UsageError, match=r"points\.csv:1: no column for 'row' among image, line, column, label"):
        read(tmp_path, "image,line,column,label\n")
    with pytest.raises(UsageError, match=r"points\.csv:2: not UTF-8"):
        read(tmp_path, "image,row,column,label\na,1,1,Å\n", encoding="latin-1")
    for nothing in ("", "\n\n", "image,row,column,label\n"):
        with pytest.raises(UsageError, match=r"points\.csv: no points; give a header"):
            read(tmp_path, nothing)
    with pytest.raises(UsageError, match=r"none\.csv: cannot read"):
        read_points(tmp_path / "none.csv", IMAGES, classes=None)


points = st.tuples(
    st.sampled_from(["dive 1/a.jpg", "c"]), st.integers(0, 29), st.integers(0, 39), st.sampled_from(["a, b", 'q"', "å"])
)


@given(rows=st.lists(points, min_size=1), delimiter=st.sampled_from(",;\t"))
def test_what_the_csv_module_writes_is_read_back(rows, delimiter, tmp_path_factory):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([("image", "row", "column", "label"), *rows])
    labels = read(tmp_path_factory.mktemp("points"), text.getvalue())
    found = [(i, r, c, labels.classes[k]) for i, entries in listed(labels).items() for r, c, k in entries]
    wanted = [({"dive 1/a.jpg": 0, "c": 2}[name], row, col, label) for name, row, col, label in rows]
    assert found == sorted(wanted, key=lambda entry: entry[0])


@pytest.mark.packs
def test_the_pulley_ridge_points():
    folder = PACKS / "pulleyridge_points"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    images = [
        Image(path.stem, path.name, Size(768, 1024), "uint8", "", 1)
        for path in sorted((folder / "images").glob("*.jpg"))
    ]
    labels = read_points(folder / "points.csv", images, classes=read_classes(folder / "classes.txt"))
    counts = np.bincount(np.concatenate([p.labels for p in labels.points.values()]))
    assert len(labels.points) == 60
    assert labels.classes[:2] == ("CCA", "Ana")
    assert counts.tolist() == [1227, 1010, 219, 162, 117, 85, 18, 20, 14, 8, 58]
    named = read_points(folder / "points.csv", images, classes=None)  # class_index, called as cpce_code says
    assert named.classes == (*labels.classes[:10], "label 10")


LONG = "x" * 100_000


@pytest.mark.parametrize(
    "text",
    [
        f"{LONG},row,column\n",
        f"image,row,column,label\n{LONG},1,1,a\n",
        f"image,row,column,label\na,{LONG},1,a\n",
        f"image,row,column,label\na,1,1,{LONG}\n",
        f"image,row,column,label\na,1{'0' * 300},1,a\n",
    ],
)
def test_a_long_value_makes_no_long_message(text, tmp_path):
    with pytest.raises((UsageError, CorpusError)) as told:
        read(tmp_path, text, classes=("sand",))
    assert len(str(told.value).replace(str(tmp_path), "")) <= 300


def test_names_that_are_no_formulas_any_more_are_those_of_the_images(tmp_path):
    images, labels = [image("=1+1.jpg"), image("-a/b.jpg"), image("@c.jpg")], ["+sand", "=2", "-"]
    rows = [[images[i].path, i, i, labels[i]] for i in range(3)]
    table = csv_text(["Name", "Row", "Column", "Label"], rows)
    path = tmp_path / "points.csv"
    path.write_text(table, "utf-8", newline="")
    assert "'=1+1.jpg,0,0,'+sand\n" in table
    found = read_points(path, images, classes=None)
    assert [found.classes[found.points[i].labels[0]] for i in range(3)] == labels


def test_numbers_too_long_for_an_index_are_names(tmp_path):
    labels = read(tmp_path, f"image,row,column,label\na,1,1,{'9' * 3000}\na,2,2,7\n")
    assert labels.classes == ("7", "9" * 3000)
