"""What `segpipe bundle` takes out of a run."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

import segpipe
from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.commands.model.save import bundle, export_onnx
from segpipe.inference.codes import open_head
from segpipe.pipeline import existing_run
from segpipe.store.masks import load_header
from tests.helpers.bundled_run import VIT

pytestmark = pytest.mark.usefixtures("one_torch_thread")

Finished = tuple[Path, Path]


def test_equal_models_make_equal_files_that_hold_no_path_and_no_pickle(packed: Finished, tmp_path: Path) -> None:
    run, model = packed
    bundle(existing_run(run), tmp_path / "again.segpipe", Runtime())
    assert model.read_bytes() == (tmp_path / "again.segpipe").read_bytes()
    with zipfile.ZipFile(model) as archive:
        names = set(archive.namelist())
        assert names == {
            *("bundle.json", "LICENCES.txt", "head.safetensors", "clusters.npz", "whitening.safetensors", "codec.npz")
        }
        assert str(run.parent) not in archive.read("bundle.json").decode()


def test_it_holds_the_head_the_centers_and_the_settings_of_the_run(whole: Finished, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole[0], tmp_path / "run"))
    segpipe.name(run, merge=[(1, 0)])
    text = (run / "classes.yaml").read_text("utf-8")
    (run / "classes.yaml").write_text(text.replace('name: ""', 'name: "sand & ü"', 1), "utf-8")
    made = bundle(existing_run(run), tmp_path / "reef.segpipe", Runtime())
    with zipfile.ZipFile(tmp_path / "reef.segpipe") as archive:
        assert archive.read("head.safetensors") == (run / "head" / "head.safetensors").read_bytes()
        facts = json.loads(archive.read("bundle.json"))
        with archive.open("clusters.npz") as file, np.load(run / "clusters" / "clusters.npz") as own:
            np.testing.assert_array_equal(np.load(file)["centers"], own["centers"])
    assert facts["names"] == list(made.legend.names) == ["sand & ü", "cluster 2", "cluster 3"]
    assert facts["classes_of"] == [0, 0, 1, 2]
    assert facts["refine"]["crf"]["iterations"] == 2
    assert facts["refine"].items() <= load_header(run / "masks").items()
    assert list(facts["scaling"]) == ["uint16"]  # of the one deep image
    np.testing.assert_allclose(facts["scaling"]["uint16"], (219, 3981), atol=20)  # 0.5% and 99.5% of 200 to 3999


def test_a_run_that_is_not_up_to_date_is_refused(whole: Finished, reef: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole[0], tmp_path / "run"))
    segpipe.run(reef, run, settings={"cluster.k": 3}, stop="cluster")
    with pytest.raises(UsageError, match=r"refine is not up to date .* `segpipe run IMAGES .* --to refine`"):
        bundle(existing_run(run), tmp_path / "other.segpipe", Runtime())
    assert not (tmp_path / "other.segpipe").exists()


def test_weights_that_are_others_now_are_refused_though_size_and_time_are_the_same(
    network: Finished, weights: Path, tmp_path: Path
) -> None:
    whole, stat = weights.read_bytes(), weights.stat()
    other = load_file(weights)
    other["cls_token"] += 1
    try:
        save_file(other, weights)
        os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        with pytest.raises(UsageError, match=r"put the old ones back, or run `segpipe extract` again"):
            bundle(existing_run(network[0]), tmp_path / "run.segpipe", Runtime())
    finally:
        weights.write_bytes(whole)
        os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert not (tmp_path / "run.segpipe").exists()


def test_classical_features_have_no_onnx(whole: Finished, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"extract\.backbone=classical is no network.*leave out onnx=True"):
        export_onnx(existing_run(whole[0]), tmp_path / "codes.onnx")
    assert not (tmp_path / "codes.onnx").exists()


def test_onnx_runtime_gives_the_same_codes(network: Finished, weights: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    run, _ = network
    assert export_onnx(existing_run(run), tmp_path / "codes.onnx") <= 1e-3
    session = onnxruntime.InferenceSession(str(tmp_path / "codes.onnx"), providers=["CPUExecutionProvider"])
    rgb = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), np.uint8)
    (codes,) = session.run(None, {"rgb": rgb})
    # stated once more, without any of our networks' code
    model = timm.create_model(VIT, pretrained=False, num_classes=0, dynamic_img_size=True).eval()
    model.load_state_dict(load_file(weights))
    head = open_head(run / "head")
    with torch.inference_mode():
        x = torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(model.default_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
        tokens = model.forward_features((x - mean) / std)[:, 1:].reshape(3, 4, 4, -1)
        centered = tokens - head.mean
        expected = (head.linear(centered) + head.nonlinear(centered)).numpy()
    np.testing.assert_allclose(codes, expected, atol=1e-3 * np.abs(expected).max())


def test_a_bundle_takes_the_place_of_bundles_alone(whole: Finished, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8 mine")
    with pytest.raises(UsageError, match=r"photo\.jpg is there and no bundle"):
        bundle(existing_run(whole[0]), photo, Runtime())
    assert photo.read_bytes() == b"\xff\xd8 mine"
    device = Path("/dev/zero")  # it has no end to look for the directory of a zip at
    if device.exists():
        with pytest.raises(UsageError, match="/dev/zero is there and no bundle"):
            bundle(existing_run(whole[0]), device, Runtime())
    again = Path(shutil.copy(whole[1], tmp_path / "again.segpipe"))
    bundle(existing_run(whole[0]), again, Runtime())
    assert again.read_bytes() == whole[1].read_bytes()
