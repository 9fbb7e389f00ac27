"""A bundle gives, for the same image, the bytes that its run gave."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

import segpipe
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Box
from segpipe.cli.entry import run_cli
from segpipe.commands.demo.synthetic import write_reef_corpus
from segpipe.commands.model import predict as applying
from segpipe.store import masks

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SMALL = {
    "extract.input_size": 96,
    "train.method": "pca",
    "cluster.k": 4,
    "cluster.patches": 4000,
    "refine.crf_iterations": 2,
    "runtime.workers": 1,
}


@pytest.fixture(scope="module")
def reef(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reef")
    write_reef_corpus(folder, images=5, seed=3)  # sizes, folders, a turned JPEG and a PNG among them
    rng = np.random.default_rng(0)
    deep = rng.integers(200, 4000, (90, 120), np.uint16)
    Image.fromarray(deep).save(folder / "images" / "deep.png")
    return folder / "images"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "vit.safetensors"
    save_file(timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=0).state_dict(), path)
    return path


def finish(reef: Path, folder: Path, **more: object) -> tuple[Path, Path]:
    segpipe.run(reef, folder / "run", settings={**SMALL, **more}, stop="refine")
    segpipe.bundle(folder / "run", folder / "reef.segpipe")
    return folder / "run", folder / "reef.segpipe"


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


VARIANTS = {
    "whole": {"extract.backbone": "classical"},
    "windows, packed": {
        "extract.backbone": "classical",
        "extract.codec": "pca8",
        "index.crops": "windows",
        "index.window": 120,
    },
}


@pytest.mark.parametrize("more", VARIANTS.values(), ids=VARIANTS.keys())
def test_masks_of_a_bundle_are_those_of_its_run_byte_by_byte(
    reef: Path, tmp_path: Path, more: dict[str, object]
) -> None:
    run, model = finish(reef, tmp_path, **more)
    out = tmp_path / "out"
    assert run_cli(["apply", str(model), str(reef), str(out), "-q", "--set", "export.formats=overlay,classes"]) == 0
    expected = pictures(run / "masks")
    assert len(expected) == 6
    assert pictures(out / "masks") == expected
    assert (out / "masks" / "index.jsonl").read_text() == (run / "masks" / "index.jsonl").read_text()
    assert masks.load_header(out / "masks") == masks.load_header(run / "masks")
    assert len(list((out / "overlay").rglob("*.jpg"))) == 6
    assert {path.name for path in out.iterdir()} == {"masks", "overlay", "classes.csv", "model.json", "rejected.jsonl"}


def test_a_network_travels_in_the_bundle_and_one_image_alone_gives_the_same_mask(
    reef: Path, weights: Path, tmp_path: Path
) -> None:
    own = tmp_path / "weights.safetensors"
    own.write_bytes(weights.read_bytes())
    network = {"extract.backbone": "vit_tiny_patch16_224", "extract.weights": str(own), "extract.flip": True}
    run, model = finish(reef, tmp_path, **network, **{"refine.flip": True})
    own.unlink()
    expected = dict(segpipe.masks(run))
    chosen = next(reef.glob("reef*00*"))
    ((name, mask),) = segpipe.apply(model, chosen)
    assert name == chosen.stem
    np.testing.assert_array_equal(mask, expected[name])


def test_equal_models_make_equal_files_that_hold_no_path_and_no_pickle(reef: Path, tmp_path: Path) -> None:
    run, model = finish(reef, tmp_path, **VARIANTS["windows, packed"])
    segpipe.bundle(run, tmp_path / "again.segpipe")
    assert model.read_bytes() == (tmp_path / "again.segpipe").read_bytes()
    with zipfile.ZipFile(model) as archive:
        names = set(archive.namelist())
        assert names == {
            *("bundle.json", "LICENCES.txt", "head.safetensors", "clusters.npz", "whitening.safetensors", "codec.npz")
        }
        assert str(tmp_path) not in archive.read("bundle.json").decode()


def test_an_interrupted_call_goes_on_and_a_changed_file_is_done_again(
    reef: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, model = finish(reef, tmp_path, **VARIANTS["whole"])
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    for i in range(3):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (64, 80, 3), np.uint8)).save(images / f"{i}.png")
    refine, seen = applying.refine_tile, list[str]()

    def failing(inputs: applying.SegmentInputs, index: int, tile: Box) -> masks.Mask:
        image_id = inputs.corpus.images[index].id
        if image_id == "2" and "2" not in seen:
            seen.append("2")
            raise RuntimeError("the power went off")
        seen.append(image_id)
        return refine(inputs, index, tile)

    monkeypatch.setattr(applying, "refine_tile", failing)
    command = ["apply", str(model), str(images), str(out), "-q", "--set", "runtime.workers=1"]
    with pytest.raises(RuntimeError, match="power"):
        segpipe_main(command)
    assert not (out / "masks" / "index.jsonl").exists()
    Image.fromarray(np.zeros((64, 80, 3), np.uint8)).save(images / "1.png")
    seen[:] = ["2"]
    assert run_cli(command) == 0
    assert seen == ["2", "1", "2"]
    assert [line["id"] for line in masks.load_index(out / "masks")] == ["0", "1", "2"]


def segpipe_main(arguments: list[str]) -> None:
    from segpipe.cli.app import cli

    cli.main(args=arguments, standalone_mode=False)


def test_what_cannot_be_used_is_skipped_with_its_reason(reef: Path, tmp_path: Path) -> None:
    run, model = tmp_path / "run", tmp_path / "reef.segpipe"
    shallow = tmp_path / "shallow"
    shallow.mkdir()
    for path in reef.glob("reef*.jpg"):
        (shallow / path.name).write_bytes(path.read_bytes())
    segpipe.run(shallow, run, settings={**SMALL, "extract.backbone": "classical"}, stop="refine")
    segpipe.bundle(run, model)
    (shallow / "broken.jpg").write_bytes(b"\xff\xd8 no image")
    (shallow / "deep.png").write_bytes((reef / "deep.png").read_bytes())
    assert run_cli(["apply", str(model), str(shallow), str(tmp_path / "out"), "-q"]) == 4
    lines = map(json.loads, (tmp_path / "out" / "rejected.jsonl").read_text().splitlines())
    reasons = {line["path"]: line["reason"] for line in lines}
    assert set(reasons) == {"broken.jpg", "deep.png"}
    assert "uint16" in reasons["deep.png"]
    with pytest.raises(CorpusError, match=r"none of 1 files .* can be used"):
        segpipe_main(["apply", str(model), str(shallow / "broken.jpg"), str(tmp_path / "none"), "-q"])


def test_mistakes_are_said_with_the_way_out(reef: Path, tmp_path: Path) -> None:
    run, model = finish(reef, tmp_path, **VARIANTS["whole"])
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        segpipe_main(["apply", str(model), str(reef), str(out), "-q"])
    with pytest.raises(UsageError, match="no bundle"):
        segpipe_main(["apply", str(out / "thesis.txt"), str(reef), str(tmp_path / "new"), "-q"])
    damaged = bytearray(model.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    (tmp_path / "damaged.segpipe").write_bytes(damaged)
    with pytest.raises(UsageError, match="damaged"):
        segpipe_main(["apply", str(tmp_path / "damaged.segpipe"), str(reef), str(tmp_path / "new"), "-q"])
    with zipfile.ZipFile(model) as old, zipfile.ZipFile(tmp_path / "newer.segpipe", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"format": 1', b'"format": 99'))
    with pytest.raises(UsageError, match="format 99"):
        segpipe_main(["apply", str(tmp_path / "newer.segpipe"), str(reef), str(tmp_path / "new"), "-q"])
    segpipe.run(reef, run, settings={"cluster.k": 3}, stop="cluster")
    with pytest.raises(UsageError, match="refine is not up to date"):
        segpipe.bundle(run, tmp_path / "other.segpipe")
    assert not (tmp_path / "other.segpipe").exists()


def test_onnx_runtime_gives_the_same_codes(reef: Path, weights: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    network = {"extract.backbone": "vit_tiny_patch16_224", "extract.weights": str(weights), "extract.input_size": 64}
    run, _ = finish(reef, tmp_path, **network)
    from segpipe.commands.model.save import export_onnx
    from segpipe.inference.codes import open_head
    from segpipe.store.run_dir import RunDir

    assert export_onnx(RunDir(run, {}), tmp_path / "codes.onnx") <= 1e-3
    session = onnxruntime.InferenceSession(str(tmp_path / "codes.onnx"), providers=["CPUExecutionProvider"])
    rgb = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), np.uint8)
    (codes,) = session.run(None, {"rgb": rgb})
    # stated once more, without any of our networks' code
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=0, dynamic_img_size=True).eval()
    from safetensors.torch import load_file

    model.load_state_dict(load_file(weights))
    head = open_head(run / "head")
    with torch.inference_mode():
        x = torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(model.default_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
        tokens = model.forward_features((x - mean) / std)[:, 1:].reshape(3, 4, 4, -1)
        centered = tokens - head.mean
        expected = (head.linear(centered) + head.nonlinear(centered)).numpy()
    np.testing.assert_allclose(codes, expected, atol=1e-3 * np.abs(expected).max())
