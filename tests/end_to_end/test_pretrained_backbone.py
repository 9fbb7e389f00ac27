"""A backbone of `segpipe pretrain` where backbones are named: run, changed file, bundle without it, attend."""

import os
from pathlib import Path

import pytest

import segpipe
from segpipe import pipeline
from segpipe.cli.entry import run_cli
from segpipe.commands.pretrain import image_cache
from segpipe.nn.pretrained import FILE
from segpipe.store.bundle import open_bundle
from segpipe.store.masks import read_mask
from tests.helpers.photos import TINY, InProcess, draw_photos
from tests.helpers.quick_run import SMALL

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrained")
    draw_photos(folder / "photos", 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_cache, "Guards", InProcess)
        patch.chdir(folder)
        for name, seed in (("own", 0), ("other", 1)):
            segpipe.pretrain("photos", name, **{**TINY, "steps": 1}, seed=seed, licence="CC0-1.0")
        settings = {**SMALL, "extract.input_size": 64, "runtime.device": "cpu"}
        segpipe.run("photos", "run", backbone="own", settings=settings, stop="refine")
        segpipe.bundle("run", "own.segpipe")
    return folder


def test_a_run_keeps_where_the_backbone_lies(home: Path) -> None:
    run_dir = pipeline.existing_run(home / "run")
    settings = pipeline.resolve(run_dir)["extract"]
    assert settings.backbone == str(home / "own")  # type: ignore[attr-defined]
    assert run_dir.manifest().stages["extract"].summary["licence"] == "CC0-1.0"


def test_a_bundle_holds_the_weights_and_no_path(home: Path, tmp_path: Path) -> None:
    made = open_bundle(home / "own.segpipe", tmp_path)
    assert (made.header.backbone, made.licence) == ("test_vit", "CC0-1.0")
    hidden = home / "hidden"
    (home / "own").rename(hidden)
    try:
        typed = ["apply", home / "own.segpipe", home / "photos", tmp_path / "maps", "--device", "cpu", "-q"]
        assert run_cli([str(each) for each in typed]) == 0
    finally:
        hidden.rename(home / "own")
    for name in ("photo00", "photo01", "photo02"):
        wanted = read_mask(home / "run" / "masks" / f"{name}.png")
        assert (read_mask(tmp_path / "maps" / "masks" / f"{name}.png") == wanted).all()


def test_a_run_notices_a_changed_file(home: Path) -> None:
    own, other = home / "own" / FILE, home / "other" / FILE
    run_dir = pipeline.existing_run(home / "run")

    def step() -> pipeline.Step:
        planned = pipeline.plan(pipeline.resolve(run_dir), run_dir)
        return next(each for each in planned if each.stage.NAME == "extract")

    before, state = own.read_bytes(), own.stat()
    assert step().action == "skip"
    try:
        own.write_bytes(other.read_bytes())
        assert step().reason == pipeline.FILES_CHANGED
    finally:
        own.write_bytes(before)
        os.utime(own, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_two_of_them_side_by_side_write_inside_out_alone(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "seen"
    segpipe.attend(
        home / "photos" / "photo00.png", out, backbone=str(home / "own"), compare=[str(home / "other")],
        maps=["mean"], input_size=64, device="cpu",
    )  # fmt: skip
    folders = sorted(path.name.rsplit("-", 1)[0] for path in out.iterdir() if path.is_dir() and path.name != "sheets")
    assert folders == ["other", "own"]
    assert {path.name for path in (home / "own").iterdir()} >= {FILE, "card.md"}
    assert not (home / "own" / "mean").exists()
