"""`segpipe probe IMAGES`: what a user types and gets."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

import segpipe
from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.base.runtime import Runtime
from segpipe.cli.entry import run_cli
from segpipe.commands.probe.experiment import SquareImages
from segpipe.commands.probe.measures import ProbePlan
from segpipe.commands.probe.names import ALL_ROLLS, CENTER, PATCH, ROLL, SHARP, FindingTable
from segpipe.commands.probe.options import ProbeOptions
from segpipe.commands.probe.writers import make_examples, probe_images
from segpipe.images.video_writing import write_video
from segpipe.inference.backbone_view import BackboneView, PatchView
from segpipe.plots.thumbnails import Picture
from segpipe.records.finding import Finding
from tests.helpers.findings import load_findings

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def scene(height: int, width: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rgb = rng.integers(60, 90, (height, width, 3)).astype(np.uint8)
    top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
    rgb[top : top + height // 3, left : left + width // 3] = rng.integers(0, 256, 3)
    return rgb


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    (folder / "deep").mkdir()
    Image.fromarray(scene(80, 100, 0)).save(folder / "a <b>.png")
    Image.fromarray(scene(70, 64, 1)).save(folder / "deep" / "b.jpg")
    Image.fromarray(scene(90, 90, 2)).save(folder / "c.png")
    (folder / "broken.jpg").write_bytes(b"")
    cut = np.dstack([scene(64, 64, 3), np.full((64, 64), 255, np.uint8)])
    cut[:30, :30, 3] = 0
    Image.fromarray(cut).save(folder / "holes.png")
    return folder


def probe(*arguments: object) -> int:
    return run_cli(["probe", *map(str, arguments), "--device", "cpu", "-q"])


def test_a_folder_gives_a_page_a_table_and_figures(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "seen"
    code = probe(images, out, "--backbone", "classical", "--input-size", 64, "--corruptions", "text")
    told = capsys.readouterr()
    assert code == 4
    assert re.search(r"broken\.jpg: empty file", told.err)
    assert "holes: its middle square holds pixels without image" in told.err
    assert "Activation" in told.out
    assert "Attention" not in told.out
    assert told.out.splitlines()[-1] == f"page     {out / 'index.html'}"
    found = FindingTable(load_findings(out / "probe.csv"))
    assert found.get(ALL_ROLLS, CENTER, 16).images == 3
    assert {"text", "roll", "another-picture"} == set(found.disturbances(PATCH))
    facts = json.loads((out / "probe.json").read_text("utf-8"))
    assert facts["images"] == ["a <b>", "c", "deep/b"]
    assert facts["settings"]["size"] == 64
    assert facts["settings"]["shows"] == "activation"
    assert {"segpipe", "kornia", "numpy"} <= set(facts["versions"])
    page = (out / "index.html").read_text("utf-8")
    assert "no attention" in page
    assert "a &lt;b&gt;" in page
    assert all(said.replace("'", "&#39;") in page for said in facts["said"])
    plots = {f"{name}.{kind}" for name in ("center", "artefacts", "agreement") for kind in ("svg", "png")}
    assert {path.name for path in (out / "plots").iterdir()} == plots
    listed = [json.loads(line)["path"] for line in (out / "rejected.jsonl").read_text("utf-8").splitlines()]
    assert sorted(listed) == ["broken.jpg", "holes"]


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "resnet10t"])
def test_networks_are_probed_by_what_they_have(name: str, images: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_file(timm.create_model(name, num_classes=0).state_dict(), tmp_path / "w.safetensors")
    options = ["--backbone", name, "--weights", tmp_path / "w.safetensors", "--input-size", 64]
    chosen = ["--measure", "focus,agreement", "--corruptions", "hue,blur", "--corruptions", "mirror"]
    assert probe(images / "[ac]*.png", tmp_path / "out", *options, *chosen) == 0
    facts = json.loads((tmp_path / "out" / "probe.json").read_text("utf-8"))
    assert facts["settings"]["shows"] == ("attention" if name.startswith("vit") else "activation")
    assert facts["settings"]["size"] == (64 if name.startswith("vit") else 128)
    found = FindingTable(load_findings(tmp_path / "out" / "probe.csv"))
    assert found.get("hue", PATCH, 20).value <= 1
    assert found.disturbances(SHARP) == ["half-blur"]
    assert set(found.disturbances(PATCH)) == {"another-picture", "mirror", "blur", "hue"}
    assert not found.disturbances(CENTER)


def test_python_gives_the_rows_of_the_table(images: Path, tmp_path: Path) -> None:
    options = {
        "backbone": "classical",
        "input_size": 64,
        "max_images": 2,
        "measures": ["agreement"],
        "corruptions": ["hue"],
        "device": "cpu",
    }
    rows = segpipe.probe(images / "deep" / "b.jpg", tmp_path / "out", **options)
    table = load_findings(tmp_path / "out" / "probe.csv")
    assert [(r.disturbance, r.level, r.measure, r.images) for r in rows] == [
        (r.disturbance, r.level, r.measure, r.images) for r in table
    ]
    assert rows[0].value == pytest.approx(table[0].value)
    assert rows[0].low is None  # one image
    with pytest.raises(UsageError, match="there are center, focus, artefacts, agreement"):
        segpipe.probe(images, tmp_path / "out", measures=["centre"])


def test_the_same_seed_gives_the_same_table_and_chooses_the_same_images(images: Path, tmp_path: Path) -> None:
    options = [
        "--backbone",
        "classical",
        "--input-size",
        64,
        "--max-images",
        2,
        "--measure",
        "agreement",
        "--corruptions",
        "occlusion",
    ]
    tables = []
    for i, seed in enumerate((0, 0, 1)):
        assert probe(images, tmp_path / str(i), *options, "--seed", seed) == 4
        tables.append((tmp_path / str(i) / "probe.csv").read_bytes())
    assert tables[0] == tables[1] != tables[2]


def test_a_video_is_probed_by_frames_spread_over_it(tmp_path: Path) -> None:
    film = tmp_path / "dive.avi"
    with write_video(film, fps=10) as append:
        for i in range(9):
            append(scene(64, 80, i))
    options = [
        "--backbone",
        "classical",
        "--input-size",
        64,
        "--max-images",
        3,
        "--measure",
        "agreement",
        "--corruptions",
        "mirror",
    ]
    assert probe(film, tmp_path / "out", *options) == 0
    names = json.loads((tmp_path / "out" / "probe.json").read_text("utf-8"))["images"]
    assert len(names) == 3
    assert names == sorted(names)
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--measure", "centre"], "--measure centre is not known; there are center, focus, artefacts, agreement"),
        (["--corruptions", "blurr"], "--corruptions blurr is not known; there are mirror, rotation"),
        (["--weights", "w.pth"], "--backbone classical takes no weights"),
    ],
)
def test_slips_are_one_line(
    arguments: list[str], says: str, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe(images, tmp_path / "out", "--backbone", "classical", *arguments) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_written_or_read_is_said_first(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert probe(images, tmp_path / "file", "--backbone", "classical") == 2
    assert "is a file; name a folder" in capsys.readouterr().err
    assert probe(images / "broken.jpg", tmp_path / "out", "--backbone", "classical") == 3
    assert "not one picture could be used; broken.jpg: empty file" in capsys.readouterr().err


def looks_at_the_upper_left(pictures):  # type: ignore[no-untyped-def]
    seen = np.zeros((8, 8), np.float32)
    seen[0, 0] = 1
    return [PatchView(seen, np.ones((8, 8, 3), np.float32), np.ones(3, np.float32)) for _ in pictures]


def pixels_of(picture: Picture) -> np.ndarray:
    encoded = picture.uri.removeprefix("data:image/webp;base64,")
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_examples_are_spread_over_the_images_and_show_the_map_over_what_was_seen() -> None:
    squares = np.full((7, 64, 64, 3), 60, np.uint8)
    for i, square in enumerate(squares):
        square[32:, 32:] = 90 + 20 * i
    view = BackboneView("made", "attention", "block 0", 8, ("mean",), lambda images: [], looks_at_the_upper_left)
    images = SquareImages(squares, tuple("abcdefg"), tuple(range(7)), ())
    plan = ProbePlan(view, 8, ("center",), (), 0)
    rolled = FindingTable([Finding(ROLL, "place", 0.5, "of the side", CENTER, 0.4, 0.3, 0.5, 7)])
    found = make_examples(images, plan, rolled)
    assert [example.name for example in found] == ["b", "d", "f"]
    for row, example in zip((1, 3, 5), found, strict=True):
        plain, moved = example.panels
        assert (plain.caption, moved.caption) == ("as it is", ROLL)
        np.testing.assert_allclose(pixels_of(plain.photo), squares[row], atol=12)  # WebP loses a little
        np.testing.assert_allclose(pixels_of(moved.photo), squares[row][::-1, ::-1], atol=12)
        over = np.abs(pixels_of(plain.map) - squares[row]).max(axis=2)
        assert over[:4, :4].min() > 60
        assert over[20:].max() <= 12
    (alone,) = make_examples(images, plan, FindingTable([]))[0].panels
    assert alone.caption == "as it is"


def test_images_of_no_run_need_a_folder_to_write_to(images: Path) -> None:
    options = make(ProbeOptions, {"images": str(images), "backbone": "classical"})
    with pytest.raises(
        UsageError, match=rf"^{images} is not a run \(no config\.yaml\), so name the folder to write to"
    ):
        probe_images(options, Runtime())
