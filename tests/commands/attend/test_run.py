"""`segpipe attend`: what a user types and gets."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import segpipe
from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.base.runtime import Runtime
from segpipe.cli.entry import run_cli
from segpipe.commands.attend import run
from segpipe.commands.attend.options import AttendOptions
from segpipe.images.video import VideoReader
from segpipe.images.video_writing import write_video

pytestmark = pytest.mark.usefixtures("one_torch_thread")

VIT = "vit_tiny_patch16_224"
CNN = "resnet10t"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random weights of a ViT and a CNN: what is seen does not matter, only that it is the network's own."""
    folder, found = tmp_path_factory.mktemp("weights"), {}
    for name in (VIT, CNN):
        torch.manual_seed(0)
        model = timm.create_model(name, num_classes=0)
        found[name] = folder / f"{name}.safetensors"
        save_file(model.state_dict(), found[name])
    return found


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rgb = rng.integers(60, 90, (height, width, 3)).astype(np.uint8)
    rgb[height // 4 : height // 2, width // 2 : 3 * width // 4] = (220, 80, 20)
    return rgb


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    (folder / "deep").mkdir()
    Image.fromarray(scene(64, 64)).save(folder / "a.png")
    Image.fromarray(scene(50, 90, 1)).save(folder / "deep" / "b.jpg")
    (folder / "broken.jpg").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "dive.avi"
    with write_video(path, fps=12.5) as append:
        for i in range(12):
            append(np.roll(scene(48, 64), 3 * i, axis=1))
    return path


def attend(*arguments: object) -> int:
    return run_cli(["attend", *map(str, arguments), "--device", "cpu", "-q"])


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_a_folder_gives_every_map_at_the_image_s_own_size(
    images: Path, weights: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "seen"
    code = attend(
        images, out, "--backbone", VIT, "--weights", weights[VIT], "--input-size", 64, "--npz", "--threshold", 0.6
    )
    told = capsys.readouterr()
    assert code == 4
    assert re.search(r"1 file skipped \(.*rejected\.jsonl\):\n  broken\.jpg: empty file", told.err)
    assert json.loads((out / "rejected.jsonl").read_text("utf-8"))["path"] == "broken.jpg"
    assert "2 images" in told.out
    maps = {"mean", "colors", "head00", "head01", "head02", "rollout"}
    folders = {*maps, *(f"{name}_mask" for name in maps), *(f"{name}_contour" for name in maps), "sheets", "npz"}
    assert {path.name for path in out.iterdir() if path.is_dir()} == folders
    for name in folders - {"sheets", "npz"}:
        assert size_of(out / name / "a.png") == (64, 64)
        assert size_of(out / name / "deep" / "b.png") == (90, 50)
    mask = np.asarray(Image.open(out / "mean_mask" / "a.png"))
    assert set(np.unique(mask)) <= {0, 255}
    facts = json.loads((out / "attend.json").read_text("utf-8"))
    assert facts["images"] == 2
    assert facts["backbones"] == [{"name": VIT, "shows": "attention", "where": "block 11 of 0 to 11", "patch": 16}]
    with np.load(out / "npz" / "deep" / "b.npz") as found:
        assert found["mean"].shape == found["rollout"].shape == found["head02"].shape == (50, 90)
        assert found["mean"].dtype == np.float32
        kept = np.asarray(Image.open(out / "mean_mask" / "deep" / "b.png")) > 0
        assert found["mean"][kept].sum() >= 0.6 * found["mean"].sum()
        assert found["mean"][kept].min() >= found["mean"][~kept].max()


def test_the_numbers_are_the_network_s_own(images: Path, weights: dict[str, Path], tmp_path: Path) -> None:
    """From the file to the NPZ, against softmax(Q K^T) of what timm hands to torch's attention."""
    assert (
        attend(images / "a.png", tmp_path, "--backbone", VIT, "--weights", weights[VIT], "--input-size", 64, "--npz")
        == 0
    )
    model = timm.create_model(VIT, num_classes=0, dynamic_img_size=True).eval()
    model.load_state_dict(load_file(weights[VIT]))
    met = []
    real = torch.nn.functional.scaled_dot_product_attention

    def record(query, key, value, **options):  # type: ignore[no-untyped-def]
        met.append((query.double(), key.double()))
        return real(query, key, value, **options)

    mean, std = (np.array(model.pretrained_cfg[key]) for key in ("mean", "std"))
    pixels = (np.asarray(Image.open(images / "a.png")) / 255 - mean) / std
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(torch.nn.functional, "scaled_dot_product_attention", record)
        model.forward_features(torch.from_numpy(pixels).float().permute(2, 0, 1)[None])
    query, key = met[-1]
    maps = (query[0] @ key[0].transpose(-2, -1) / math.sqrt(query.shape[-1])).softmax(-1)[:, 0, 1:].numpy()
    with np.load(tmp_path / "npz" / "a.npz") as found:
        for head in range(3):
            np.testing.assert_allclose(found[f"head{head:02}_patches"].ravel(), maps[head], atol=1e-5)
        np.testing.assert_allclose(found["mean_patches"].ravel(), maps.mean(axis=0), atol=1e-5)


def test_crop_and_resize_look_at_what_they_say(images: Path, weights: dict[str, Path], tmp_path: Path) -> None:
    backbone = ["--backbone", VIT, "--weights", weights[VIT], "--input-size", 32, "--map", "mean"]
    Image.fromarray(scene(64, 64)[10:42, 20:52]).save(tmp_path / "part.png")
    assert attend(images / "a.png", tmp_path / "crop", *backbone, "--crop", 10, 42, 20, 52) == 0
    assert attend(tmp_path / "part.png", tmp_path / "part", *backbone) == 0
    crop, part = (np.asarray(Image.open(tmp_path / f)) for f in ("crop/mean/a.png", "part/mean/part.png"))
    np.testing.assert_array_equal(crop, part)
    assert attend(images / "deep", tmp_path / "small", *backbone, "--resize", 45, "--style", "concat") == 0
    assert size_of(tmp_path / "small" / "mean" / "b.png") == (90, 25)


def test_backbones_side_by_side(
    images: Path, weights: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    several = [part for name in (VIT, CNN) for part in ("--compare", f"{name}={weights[name]}")]
    assert attend(images / "a.png", tmp_path, *several, "--compare", "classical", "--input-size", 96) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        *(VIT, CNN, "classical", "sheets", "attend.json", "rejected.jsonl", ".segpipe")
    }
    assert {path.name for path in (tmp_path / CNN).iterdir()} == {"activation"}
    assert {path.name for path in (tmp_path / VIT).iterdir()} == {"mean", "colors", "rollout"}
    width, height = size_of(tmp_path / "sheets" / "a.png")
    assert width > 4 * 300
    assert height > 3 * 300
    assert run_cli(["attend", str(images / "a.png"), str(tmp_path / "c"), "--backbone", "classical"]) == 0
    assert "classical has no attention; shown is its feature activation" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["seen.webm", "seen.mp4", "seen.avi"])
def test_a_video_becomes_a_video(film: Path, weights: dict[str, Path], tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    assert attend(film, out, "--backbone", VIT, "--weights", weights[VIT], "--input-size", 32, "--threshold", 0.5) == 0
    reader = VideoReader(out)
    found = list(reader)
    assert len(found) == 12
    assert reader.info.fps == pytest.approx(12.5)
    assert found[0].rgb.shape == (48, 128, 3)  # the frame and its map
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_range_of_a_video_and_several_maps(film: Path, weights: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "seen.avi"
    maps = ["--map", "mean", "--map", "rollout", "--map", "1", "--style", "overlay"]
    backbone = ["--backbone", VIT, "--weights", weights[VIT], "--input-size", 32]
    assert attend(film, out, *backbone, *maps, "--frames", 3, 8, "--fps", 5, "--scale", 4) == 0
    reader = VideoReader(out)
    assert len(list(reader)) == 5
    assert reader.info.fps == pytest.approx(5)
    assert (reader.info.height, reader.info.width) == (48, 3 * 64)
    assert attend(film, tmp_path / "folder", *backbone, "--map", "mean", "--frames", 10, 12) == 0
    assert sorted(path.name for path in (tmp_path / "folder" / "mean" / "dive").iterdir()) == [
        "000010.png",
        "000011.png",
    ]


def test_a_folder_of_frames_becomes_a_video_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for i in range(11):
        Image.fromarray(np.full((32, 48, 3), 20 * i, np.uint8)).save(frames / f"f{i}.png")
    out = tmp_path / "seen.avi"
    assert attend(frames, out, "--backbone", "classical", "--fps", 8) == 0
    grays = [item.rgb[:, :40].mean() for item in VideoReader(out)]
    np.testing.assert_allclose(grays, np.arange(11) * 20, atol=4)


def test_a_broken_tail_is_told_and_the_rest_is_written(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = film.read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: len(content) // 2])
    assert attend(tmp_path / "cut.avi", tmp_path / "seen.avi", "--backbone", "classical") == 4
    assert re.search(r"cut\.avi: \d of 12 frames could be read", capsys.readouterr().err)
    assert 3 <= len(list(VideoReader(tmp_path / "seen.avi"))) <= 8


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere", "OUT"], 2, r"there is no such file or folder"),
        (["nowhere.mp4", "OUT"], 3, r"nowhere\.mp4: there is no such file"),
        (["IMAGES", "OUT.gif", "--backbone", "classical"], 0, ""),  # a folder may be called so
        (["IMAGES", "OUT", "--backbone", "dino_vits61"], 2, r"--backbone dino_vits61 is not known; did you mean"),
        (["IMAGES", "OUT", "--block", "12", "VIT"], 2, r"--block 12 names block 12; this network has 12: 0 to 11"),
        (["IMAGES", "OUT", "--map", "3", "VIT"], 2, r"--map 3: vit_tiny_patch16_224 has 3 heads, 0 to 2"),
        (["IMAGES", "OUT", "--map", "depth"], 2, r"--map depth: give mean, colors"),
        (["IMAGES", "OUT", "--cmap", "infrno", "VIT"], 2, r"--cmap infrno is not a color map; did you mean inferno\?"),
        (["IMAGES", "OUT", "--scale", "x", "VIT"], 2, r"--scale x: give own, shared, or a number"),
        (["IMAGES", "OUT", "--resize", "0"], 2, r"--resize 0: give the longest side"),
        (["IMAGES", "OUT", "--crop", "9", "3", "0", "5"], 2, r"--crop 9 3 0 5: give rows Y0 < Y1"),
        (["IMAGES", "OUT", "--crop", "0", "500", "0", "5", "VIT"], 3, r"reaches outside its 64 rows and 64 columns"),
        (
            ["FILM", "OUT", "--crop", "0", "500", "0", "5"],
            2,
            r"dive\.avi: --crop 0 500 0 5 reaches outside its 48 rows",
        ),
        (["IMAGES", "OUT", "--threshold", "1.5"], 2, r"1\.5 is not in the range"),
        (["IMAGES", "OUT.mp4"], 2, r"give it, such as --fps 25"),
        (["IMAGES", "OUT.mp4", "--fps", "5", "--npz"], 2, r"--npz writes files into a folder"),
        (["IMAGES", "OUT.wmv", "--fps", "5"], 2, r"videos of this kind are not written; end the name in"),
        (["IMAGES", "OUT", "--fps", "5"], 2, r"--fps is the speed of a video"),
        (["FILM", "OUT", "--frames", "5", "5"], 2, r"--frames 5 5: give FROM < TO"),
        (
            ["FILM", "OUT.avi", "--frames", "50", "60", "--backbone", "classical"],
            3,
            r"frame 50 lies beyond its end, 12",
        ),
        (
            ["IMAGES", "OUT", "--compare", "dino", "--compare", "dino_vits8"],
            2,
            r"dino_vits8 is named twice",
        ),
        (
            ["IMAGES", "OUT", "--backbone", "classical", "--weights", "w.pth"],
            2,
            r"--backbone classical takes no weights",
        ),
    ],
)
def test_errors_name_the_value_and_the_way_out(
    arguments: list[str],
    code: int,
    message: str,
    images: Path,
    film: Path,
    weights: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    vit = ["--backbone", VIT, "--weights", str(weights[VIT]), "--input-size", "32"]
    places = {"IMAGES": str(images / "a.png"), "FILM": str(film)}
    given = []
    for text in arguments:
        if text.startswith("OUT"):
            given.append(str(tmp_path / f"out{text[3:]}"))
        else:
            given += vit if text == "VIT" else [places.get(text, text)]
    assert attend(*given) == code
    err = capsys.readouterr().err
    assert re.search(message, err)
    assert "Traceback" not in err
    assert "extract." not in err
    if code:
        assert not any(tmp_path.rglob("*.png"))
        assert not any(tmp_path.glob("out.*"))


def test_weights_out_of_reach_name_this_command_s_options(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("segpipe.nn.hub.cached", lambda repo: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert attend(images, tmp_path / "out") == 5
    err = capsys.readouterr().err
    assert "the weights of --backbone dino_vits16 are not on this machine" in err
    assert "--weights FILE" in err
    assert "--backbone classical" in err


def test_a_folder_of_other_files_and_the_video_itself_are_never_written_to(
    images: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mean").mkdir()
    (tmp_path / "mean" / "a.png").write_text("mine", "utf-8")
    assert attend(images / "a.png", tmp_path, "--backbone", "classical") == 2
    assert "holds other files (mean)" in capsys.readouterr().err
    assert (tmp_path / "mean" / "a.png").read_text("utf-8") == "mine"
    before = film.read_bytes()
    assert attend(film, film, "--backbone", "classical") == 2
    assert "is what is looked at" in capsys.readouterr().err
    assert film.read_bytes() == before


def test_the_function_writes_what_the_command_writes(images: Path, tmp_path: Path) -> None:
    options = ["--backbone", "classical", "--map", "mean", "--threshold", "0.5", "--resize", "40x32", "--scale", "8"]
    assert attend(images, tmp_path / "shell", *options) == 4
    found = segpipe.attend(
        images, tmp_path / "python", backbone="classical", maps=["mean"], threshold=0.5, resize=(40, 32), scale=8,
        device="cpu",
    )  # fmt: skip
    files = [
        {path.relative_to(tmp_path / name).as_posix(): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("shell", "python")
    ]
    facts = [json.loads(each.pop("attend.json")) for each in files]
    assert files[0] == files[1]
    assert facts[0] == facts[1]
    assert found["pictures"] == 2
    assert found["files"] == facts[0]["files"] == len(files[0].keys() - {"rejected.jsonl", ".segpipe"})
    assert list(found["rejected"]) == ["broken.jpg"]
    with pytest.raises(UsageError, match="scale=0: give own, shared, or a number"):
        segpipe.attend(images, tmp_path / "wrong", backbone="classical", scale=0, device="cpu")


def backbones(**options: object) -> list[tuple[str, Path | None]]:
    return make(AttendOptions, {"images": "in", "out": "out", **options}).backbones


def test_the_five_dino_networks_have_one_name() -> None:
    names = [name for name, _ in backbones(compare=["dino"])]
    assert names == ["dino_vits16", "dino_vits8", "dino_vitb16", "dino_vitb8", "dino_resnet50"]
    assert backbones(backbone="a", weights="w", compare=["b=c.pth"]) == [("a", Path("w")), ("b", Path("c.pth"))]
    assert backbones() == [("dino_vits16", None)]


def test_full_strength_is_one_value_for_all_pictures_where_it_is_shared(images: Path, tmp_path: Path) -> None:
    """The quantile 0.99 of every patch that shows image, in multiples of its picture's mean: by the arrays written."""
    given = {"images": str(images), "backbone": "classical", "input_size": 64, "npz": True}
    strengths = {}
    for scale in ("own", "shared", "2.5"):
        done = run.attend(make(AttendOptions, {**given, "out": tmp_path / scale, "scale": scale}), Runtime())
        assert (done.pictures, done.unit, done.film, len(done.rejected)) == (2, "images", False, 1)
        strengths[scale] = json.loads((tmp_path / scale / "attend.json").read_text("utf-8"))["full_strength"]
    assert (strengths["own"], strengths["2.5"]) == (None, 2.5)
    found = [np.load(path) for path in (tmp_path / "shared" / "npz").rglob("*.npz")]
    maps = [(each["activation_patches"].astype(float), each["valid_patches"]) for each in found]
    pooled = np.concatenate([(values / values.mean())[valid] for values, valid in maps])
    assert strengths["shared"] == {"classical activation": pytest.approx(np.quantile(pooled, 0.99), rel=1e-5)}


def test_frames_of_a_folder_are_some_of_its_images(images: Path, tmp_path: Path) -> None:
    given = {"images": str(images), "out": tmp_path, "backbone": "classical", "input_size": 32}
    done = run.attend(make(AttendOptions, {**given, "frames": (0, 1)}), Runtime())
    assert (done.pictures, [path.name for path in (tmp_path / "activation").iterdir()]) == (1, ["a.png"])
    with pytest.raises(UsageError, match=rf"^frames=5 9: {images} holds 3 images$"):
        run.attend(make(AttendOptions, {**given, "frames": (5, 9)}), Runtime())
