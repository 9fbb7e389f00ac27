"""The health of a backbone on images: planted features, and whole commands."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

import segpipe
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.options import make
from segpipe.base.runtime import Runtime
from segpipe.cli.entry import run_cli
from segpipe.commands.demo.samples import write_dive, write_photos
from segpipe.commands.doctor import DoctorOptions
from segpipe.commands.doctor.block_features import BlockFeatures
from segpipe.commands.doctor.health import backbone_health, measure_blocks

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("photos")
    write_photos(home, count=6, seed=0)
    return home / "images"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a small ViT of timm, by chance."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(timm.create_model("test_vit", num_classes=0).state_dict(), path)
    return path


def planted() -> BlockFeatures:
    """Three blocks: noise, ten things that all images show, and those with a loud component and long tokens."""
    rng = np.random.default_rng(0)
    thing, images = rng.integers(10, size=3000), np.repeat(np.arange(30), 100)
    noise = rng.normal(size=(3000, 20))
    things = 4 * np.linalg.qr(rng.normal(size=(20, 20)))[0][thing] + 0.3 * rng.normal(size=(3000, 20))
    loud = things.copy()
    loud[:, 0] += 30 * rng.normal(size=3000)
    norms = [np.abs(rng.normal(50, 2, 3000)).astype(np.float32) for _ in range(3)]
    norms[2][:60] = 500
    blocks = tuple(part.astype(np.float16) for part in (noise, things, loud))
    return BlockFeatures(blocks, tuple(norms), rng.random((3000, 2)), images)


def test_planted_blocks_are_told_apart() -> None:
    noise, things, loud = measure_blocks((2, 5, 8), planted(), seed=0)
    assert [row.block for row in (noise, things, loud)] == [2, 5, 8]
    assert things.agreement > noise.agreement + 1
    assert loud.agreement > noise.agreement + 0.5  # whitened, the loud component does not drown the things
    assert noise.first < 0.1
    assert loud.first > 0.9
    assert all(abs(row.position) < 0.05 for row in (noise, things, loud))
    assert (noise.outliers, things.outliers, loud.outliers) == (0, 0, 60 / 3000)


def test_a_vit_by_a_file_of_weights(photos: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--backbone", "test_vit", "--weights", str(weights), "--input-size", "96", "--device", "cpu"]
    assert run_cli(["doctor", str(photos), *asked]) == 0
    out = capsys.readouterr().out
    depth = len(timm.create_model("test_vit", num_classes=0).blocks)
    assert "test_vit (tiny.safetensors), 6 images" in out
    rows = [line.split() for line in out.splitlines() if line[:1].isdigit()]
    assert [int(row[0]) for row in rows] == list(range(depth))
    assert all(len(row) == 6 for row in rows)
    assert f"lock {depth - 1}" in out.splitlines()[-1]


def test_python_callers_get_the_table(photos: Path) -> None:
    found = segpipe.doctor(photos, backbone="classical", input_size=96, max_images=4)
    assert (found.backbone, found.weights, found.images, found.drawn) == ("classical", "embedded", 4, False)
    (row,) = found.blocks
    assert 0 < row.first < row.first8 < 1
    assert row.agreement > 0.05
    assert row.outliers is None
    assert found.highest is None
    assert segpipe.doctor(photos, backbone="classical", input_size=96, max_images=4, workers=2) == found
    other = segpipe.doctor(photos, backbone="classical", input_size=96, max_images=4, seed=1)
    assert other.blocks != found.blocks


def test_without_images_some_are_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["doctor", "--backbone", "classical", "--input-size", "96", "--max-images", "3"]) == 0
    out = capsys.readouterr().out
    assert "3 drawn images" in out
    assert "give a folder of yours as IMAGES" in out


def test_a_video(tmp_path: Path) -> None:
    write_dive(tmp_path, seed=0, frames=20)
    options = make(DoctorOptions, {"images": str(tmp_path / "dive.webm"), "backbone": "classical", "input_size": 96})
    found = backbone_health(options.model_copy(update={"max_images": 5}), Runtime())
    assert 2 <= found.images <= 5


def test_a_damaged_image_is_named_and_the_others_are_used(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(2):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.random.default_rng(i).integers(0, 256, (64, 64, 3), np.uint8))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert run_cli(["doctor", str(tmp_path), "--backbone", "classical", "--input-size", "64"]) == 4
    said = capsys.readouterr()
    assert "2 images" in said.out
    assert "broken.png" in said.err


def test_one_image_is_too_few(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), np.full((32, 32, 3), 9, np.uint8))
    with pytest.raises(CorpusError, match=r"1 images can be used.*give at least 2"):
        segpipe.doctor(tmp_path, backbone="classical", input_size=32)


def test_images_or_weights_without_a_backbone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["doctor", "photos"]) == 2
    assert "photos is for the health of a backbone; name one, such as --backbone dino_vits16" in capsys.readouterr().err
    assert run_cli(["doctor", "--weights", "mine.pth"]) == 2
    assert "--weights mine.pth is for the health of a backbone" in capsys.readouterr().err
    with pytest.raises(UsageError, match="backbone is missing; give it, such as backbone=dino_vits16"):
        segpipe.doctor()
