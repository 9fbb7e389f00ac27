"""Images whose names are any bytes that a file system takes, from index to report, in every format and command."""

import csv
import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
from PIL import Image as Pillow
from rasterio.transform import Affine

from segpipe.base.geometry import Size
from segpipe.cli.entry import run_cli
from segpipe.commands.demo.synthetic import reef_scene
from segpipe.store.corpus import load_corpus
from segpipe.store.masks import mask_path

NAMES = [
    b"not utf-8 \xff\xfe.png",
    b"folder \xff/" + b"x" * 251 + b".png",
    b"line\nbreak\ttab\x1b[31m.png",
    b"quote\"'`comma, semi;colon.png",
    b"<script>alert(1)</script>.png".replace(b"/", b"\\"),
    b"100%d#?&\xe2\x80\xa8=.png",
    b"photo\xe2\x80\xaegnp.exe.png",
    "reef\U0001f420e\u0301.png".encode(),
    "reef\U0001f420\u00e9.png".encode(),
    b" spaces and dots . ..png",
    b"CON.png",
    b"-rf.png",
    b"=cmd|'calc'!A0.png",
]
MAP = "map 50%#?\U0001f5fa.tif"
SETTINGS = (
    "extract.backbone=classical extract.input_size=96 train.method=pca cluster.k=3 cluster.n_init=1 "
    "refine.canvas_size=48 refine.crf_iterations=1 refine.certainty=true runtime.workers=1 runtime.device=cpu"
)
FORMATS = (
    "png,color,overlay,classes,certainty,cog,gpkg,geoparquet,points,coco,yolo,cvat,labelstudio,fiftyone,coralnet,taglab"
)
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`images/` of every name, with `labels/` of the same names, `run/`, and the user's tables."""
    home, rng = tmp_path_factory.mktemp("names"), np.random.default_rng(0)
    for name in NAMES:
        scene, labels = reef_scene(rng, Size(48, 64))
        for place, pixels in (("images", scene), ("labels", labels.clip(0, 2).astype(np.uint8))):
            path = home / place / os.fsdecode(name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                Pillow.fromarray(pixels).save(path)
            except (OSError, UnicodeError):
                pytest.skip("this file system takes no such names")
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "crs": "EPSG:32755", "height": 48, "width": 64}
    with rasterio.open(home / "images" / MAP, "w", transform=Affine(0.1, 0, 3e5, 0, -0.1, 8e6), **profile) as file:
        file.write(reef_scene(rng, Size(48, 64))[0].transpose(2, 0, 1))
    settings = [part for text in SETTINGS.split() for part in ("--set", text)]
    assert run_cli(["run", str(home / "images"), str(home / "run"), "-q", "--to", "refine", *settings]) == 0
    return home


@pytest.fixture(scope="module")
def names(folder: Path) -> list[str]:
    corpus = load_corpus(folder / "run" / "corpus")
    assert {image.path for image in corpus.images} == {os.fsdecode(name) for name in NAMES} | {MAP}
    return [image.path for image in corpus.images]


def text_of(name: str) -> str:
    """As other programs get it."""
    return os.fsencode(name).decode("utf-8", "replace").replace("\ufffd", "?")


def write_table(path: Path, *rows: list[Any]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def read_column(path: Path, column: str) -> set[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row[column].removeprefix("'") for row in csv.DictReader(file)}


def test_evaluate_cover_and_report(folder: Path, names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run, labels = str(folder / "run"), str(folder / "labels")
    assert run_cli(["evaluate", run, "--labels", labels]) == 0
    rows = (folder / "run" / "scores" / "images.jsonl").read_bytes().decode("utf-8", "surrogateescape")
    assert len(rows.rstrip("\n").split("\n")) == len(NAMES)
    points = [["image", "row", "column", "label"]]
    points += [[text_of(name), row, 2 * row, "ab"[row % 2]] for name in names for row in range(0, 30, 7)]
    sites = [["image", "site"], *([text_of(name), f"site {i % 2}"] for i, name in enumerate(names))]
    tables = [
        "--sites", str(write_table(folder / "sites.csv", *sites)),
        "--points", str(write_table(folder / "points.csv", *points)),
    ]  # fmt: skip
    assert run_cli(["cover", run, *tables]) == 0
    ids = {text_of(image.id) for image in load_corpus(folder / "run" / "corpus").images}
    assert read_column(folder / "run" / "cover" / "cover_images.csv", "image") == ids
    assert run_cli(["evaluate", run, "--labels", tables[-1]]) == 0
    assert run_cli(["cover", run, "--by", "folder"]) == 0
    assert read_column(folder / "run" / "cover" / "cover_sites.csv", "site") >= {"folder ?"}
    assert run_cli(["report", run]) == 0
    page = (folder / "run" / "report" / "index.html").read_bytes().decode("utf-8")
    assert not {unicodedata.bidirectional(c) for c in page} & BIDI
    assert "<script" not in page
    out, err = capsys.readouterr()
    assert "fit no image" not in err  # every row of every table was understood
    assert_steers_nothing(out + err)


def test_every_format(folder: Path, names: list[str]) -> None:
    assert run_cli(["export", str(folder / "run"), "-q", "--format", FORMATS]) == 0
    out, shown = folder / "run" / "export", {text_of(name) for name in names}
    ids = [image.id for image in load_corpus(folder / "run" / "corpus").images]
    for kind, ending in (("png", ".png"), ("color", ".png"), ("overlay", ".jpg"), ("certainty/color", ".png")):
        assert all((out / kind / f"{id_}{ending}").stat().st_size for id_ in ids)
    assert {entry["file_name"] for entry in json.loads((out / "coco/annotations.json").read_bytes())["images"]} == shown
    assert read_column(out / "coralnet.csv", "Name") == shown
    assert [path.name for path in (out / "cog").glob("*.tif")] == [MAP]
    layers = [name for name, kind in pyogrio.list_layers(out / "gpkg" / "map.gpkg") if kind is not None]
    read = [pyogrio.raw.read(out / "gpkg" / "map.gpkg", layer=layer, columns=["image"]) for layer in layers]
    found = {name for _, _, _, fields in read for name in fields[0]}
    assert found == {text_of(id_) for id_ in ids}
    assert len(list((out / "yolo" / "labels").rglob("*.txt"))) == len(names)


def test_other_commands(folder: Path, names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run, images = str(folder / "run"), str(folder / "images")
    assert run_cli(["name", run]) == 0
    for name in names:
        assert run_cli(["similar", "--out", str(folder / "similar"), run, "--", name]) == 0
    assert run_cli(["attend", images, str(folder / "maps"), "--backbone", "classical"]) == 0
    assert len(list((folder / "maps" / "sheets").rglob("*.png"))) == len(names)
    assert run_cli(["bundle", run, str(folder / "reef.segpipe")]) == 0
    formats = "png,coco,gpkg,yolo,fiftyone,coralnet"
    assert run_cli(["apply", str(folder / "reef.segpipe"), images, str(folder / "new"), "--format", formats]) == 0
    for image in load_corpus(folder / "run" / "corpus").images:
        old, new = (mask_path(place / "masks", image.id).read_bytes() for place in (folder / "run", folder / "new"))
        assert old == new
    assert run_cli(["show", run]) == 0
    assert run_cli(["diff", run, run]) == 0
    assert_steers_nothing("".join(capsys.readouterr()))


def test_a_run_of_a_folder_that_is_not_utf8(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = folder / os.fsdecode(b"of \xff")
    (home / "images").mkdir(parents=True)
    for name in (b"a\xff.png", b"b.png", b"c.png"):
        scene, _ = reef_scene(np.random.default_rng(len(os.listdir(home / "images"))), Size(48, 64))  # noqa: PTH208
        Pillow.fromarray(scene).save(home / "images" / os.fsdecode(name))
    settings = [part for text in SETTINGS.split() for part in ("--set", text)]
    assert run_cli(["run", str(home / "images"), str(home / "run"), *settings]) == 2
    assert "the path is not UTF-8" in capsys.readouterr().err
    assert not (home / "run").exists()
    assert run_cli(["run", str(home / "images"), str(folder / "run 2"), *settings]) == 0
    assert run_cli(["run", str(home / "images"), str(folder / "run 2"), *settings]) == 0
    said = "".join(capsys.readouterr())
    assert "index    skipped: up to date" in said
    assert_steers_nothing(said)


def assert_steers_nothing(text: str) -> None:
    text.encode("utf-8")
    assert {c for c in text if unicodedata.category(c) in ("Cc", "Zl", "Zp")} <= {"\n"}
    assert not {unicodedata.bidirectional(c) for c in text} & BIDI
