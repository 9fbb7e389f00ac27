"""Runs of a small drawn reef and their bundles, made once for all tests of this folder."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from segpipe.commands.demo.synthetic import write_reef_corpus
from tests.helpers.bundled_run import PACKED, VIT, finish
from tests.helpers.quick_run import CLASSICAL


@pytest.fixture(scope="package")
def reef(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reef")
    write_reef_corpus(folder, images=5, seed=3)  # sizes, folders, a turned JPEG and a PNG among them
    rng = np.random.default_rng(0)
    deep = rng.integers(200, 4000, (90, 120), np.uint16)
    Image.fromarray(deep).save(folder / "images" / "deep.png")
    return folder / "images"


@pytest.fixture(scope="package")
def whole(reef: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run of classical features, and its bundle; not to be changed."""
    return finish(reef, tmp_path_factory.mktemp("whole"), CLASSICAL)


@pytest.fixture(scope="package")
def packed(reef: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same with images seen in windows and features packed."""
    return finish(reef, tmp_path_factory.mktemp("packed"), PACKED)


@pytest.fixture(scope="package")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "vit.safetensors"
    save_file(timm.create_model(VIT, pretrained=False, num_classes=0).state_dict(), path)
    return path


@pytest.fixture(scope="package")
def network(reef: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run of a network's features, and its bundle; not to be changed."""
    settings = {"extract.backbone": VIT, "extract.weights": str(weights), "extract.input_size": 64}
    flipped = {"extract.flip": True, "refine.flip": True}
    return finish(reef, tmp_path_factory.mktemp("network"), {**settings, **flipped})
