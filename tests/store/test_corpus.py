import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, Size
from segpipe.records.corpus import Corpus, Crop, FrameInfo, Image, Rejected
from segpipe.records.geo import Geo
from segpipe.store.corpus import load_corpus, load_rejected, save_corpus
from tests.helpers.json_damage import damaged

ODD = ["new\nline", "a b/é ü", "bad \udcff\udc80", "\u2028 \u0085 \x0b \x1c", 'quote"\\', "漢字/🐠", "\t"]


def corpus_of(names: list[str]) -> Corpus:
    images = tuple(
        Image(name, f"{name}.jpg", Size(10, 20 + i), "uint8", f"{i:064x}", 7) for i, name in enumerate(names)
    )
    crops = [Crop(i, box) for i in range(len(names)) for box in (Box(0, 0, 10, 20), Box(2, 3, 4, 5))]
    return Corpus(Path("/photos/bad \udcff"), images, tuple(crops))


def test_round_trip_with_odd_names(tmp_path):
    corpus, rejected = corpus_of(ODD), [Rejected(name, f"because\n{name}") for name in ODD]
    save_corpus(corpus, rejected, tmp_path)
    assert load_corpus(tmp_path) == corpus
    assert load_rejected(tmp_path) == rejected
    assert load_corpus(tmp_path).path(corpus.images[2]) == Path("/photos/bad \udcff/bad \udcff\udc80.jpg")


@given(
    st.lists(st.binary(min_size=1, max_size=12).filter(lambda name: 0 not in name), min_size=1, max_size=4, unique=True)
)
def test_round_trip_with_any_bytes(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("corpus")
    corpus = corpus_of([name.decode("utf-8", "surrogateescape") for name in names])
    save_corpus(corpus, [], path)
    assert load_corpus(path) == corpus


def test_one_line_per_image_with_its_boxes_and_scaling_in_the_header(tmp_path):
    images = (Image("a", "a.tif", Size(8, 9), "uint16", "0", 1), Image("b", "b.tif", Size(8, 9), "float32", "1", 1))
    crops = (Crop(0, Box(0, 0, 8, 9)), Crop(0, Box(1, 2, 3, 4)), Crop(1, Box(0, 0, 8, 9)))
    corpus = Corpus(Path("/r"), images, crops, {"uint16": (3.0, 700.5), "float32": (-1.25, 1e-3)})
    save_corpus(corpus, [], tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "corpus.jsonl").read_text().splitlines()]
    assert [row["crops"] for row in rows] == [[[0, 0, 8, 9], [1, 2, 3, 4]], [[0, 0, 8, 9]]]
    assert json.loads((tmp_path / "header.json").read_text()) == {
        "format": 1,
        "root": "/r",
        "images": 2,
        "crops": 3,
        "scaling": {"uint16": [3.0, 700.5], "float32": [-1.25, 1e-3]},
    }
    assert load_corpus(tmp_path) == corpus


def test_missing_foreign_and_damaged(tmp_path):
    for load in (load_corpus, load_rejected):
        with pytest.raises(UsageError, match="segpipe index"):
            load(tmp_path)
    save_corpus(corpus_of(["a", "b"]), [], tmp_path)
    lines = (tmp_path / "corpus.jsonl").read_text().splitlines(keepends=True)
    for text in ("".join(lines[:1]), "".join(lines)[:-9], lines[0] + lines[0], "{}\n" + lines[1]):
        (tmp_path / "corpus.jsonl").write_text(text)
        with pytest.raises(UsageError, match="run `segpipe index` again"):
            load_corpus(tmp_path)
    header = json.loads((tmp_path / "header.json").read_text("utf-8", "surrogateescape"))
    (tmp_path / "header.json").write_text(json.dumps({**header, "format": 9}))
    with pytest.raises(UsageError, match="format 9, not 1"):
        load_corpus(tmp_path)


@pytest.mark.parametrize("field", ["id", "path"])
def test_a_name_that_no_file_can_have_is_damage(tmp_path, field):
    save_corpus(corpus_of(["a", "b"]), [], tmp_path)
    first, *rest = (tmp_path / "corpus.jsonl").read_text("utf-8").splitlines()
    (tmp_path / "corpus.jsonl").write_text("\n".join([json.dumps(json.loads(first) | {field: "a\0b"}), *rest, ""]))
    with pytest.raises(UsageError, match=r"names a file.*run `segpipe index` again"):
        load_corpus(tmp_path)


def test_places_on_the_earth_come_back_to_the_last_digit(tmp_path):
    transform = (0.1 + 0.2, -1e-17, 500000.123456789, 1 / 3, -0.30000000000000004, 4.2e6)
    geo = Geo('ENGCRS["reef, 3 \u2109"]', transform)
    images = (
        Image("a", "a.tif", Size(8, 9), "uint8", "0", 1, geo=geo),
        Image("b", "b.jpg", Size(8, 9), "uint8", "1", 1, gps=(-17.123456789, 177.1)),
    )
    save_corpus(Corpus(tmp_path, images, tuple(Crop(i, Box(0, 0, 8, 9)) for i in range(2))), [], tmp_path)
    assert load_corpus(tmp_path).images == images


def test_a_place_must_not_map_pixels_onto_a_line():
    with pytest.raises(ValueError, match="line"):
        Geo("", (1, 2, 0, 2, 4, 0))


def test_values_of_other_types_are_told_or_change_nothing_else(tmp_path: Path) -> None:
    moment = FrameInfo("a.mp4", 3, 0.5, 0.1)
    geo = Geo("EPSG:1", (1.0, 0.0, 2.0, 0.0, -1.0, 3.0))
    image = Image("a", "a.jpg", Size(8, 9), "uint16", "0", 1, geo=geo, gps=(1.5, 2.0), moment=moment)
    corpus = Corpus(tmp_path, (image,), (Crop(0, Box(0, 0, 8, 9)),), {"uint16": (0.0, 9.5)}, (3, 2, 1))
    save_corpus(corpus, [Rejected("b", "c")], tmp_path)
    told = list[str]()
    for name in ("corpus.jsonl", "header.json", "rejected.jsonl"):
        whole = (tmp_path / name).read_text("utf-8")
        for text in damaged(whole):
            (tmp_path / name).write_text(text, "utf-8")
            try:
                (found,) = load_corpus(tmp_path).images
                assert all(isinstance(value, str) for value in (found.id, found.path, found.depth, found.sha256))
                assert all(type(value) is int for value in (found.size.height, found.size.width, found.bytes))
                load_rejected(tmp_path)
            except UsageError as error:
                told.append(str(error).replace(str(tmp_path), ""))
        (tmp_path / name).write_text(whole, "utf-8")
    assert max(map(len, told)) <= 300
    assert not any("\n" in line for line in told)
    assert len(told) > 200
    assert load_corpus(tmp_path) == corpus
