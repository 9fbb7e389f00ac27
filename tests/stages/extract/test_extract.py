"""The extract stage end to end, against one crop at a time computed plainly."""

import hashlib
import json
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import safetensors.torch
import timm
import torch

from segpipe.base.config import Section
from segpipe.base.cost import Work
from segpipe.base.errors import MachineError, UsageError
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.inference import extraction as describing
from segpipe.inference.encoder import reopen_encoder
from segpipe.inference.extraction import read_cuts
from segpipe.nn import classical, precision
from segpipe.nn.network import Network
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.stages import ARTEFACTS, extract
from segpipe.stages.extract import feature_work
from segpipe.store import features as store
from segpipe.store.corpus import load_corpus, save_corpus
from segpipe.store.features import FeatureStore
from segpipe.store.run_dir import RunDir

TINY = "vit_tiny_patch16_224"
SIZES = [(96, 128), (128, 96), (70, 70), (40, 100), (96, 128), (96, 128)]
RUNTIME = Runtime(workers=2)


pytestmark = pytest.mark.usefixtures("one_torch_thread")


def make_run(root, sizes=SIZES):
    """A run directory with a corpus of PNGs of mixed shapes; image 2 has a transparent half, image 4 two crops."""
    rng = np.random.default_rng(0)
    folder = root / "images"
    folder.mkdir(parents=True)
    images, crops = [], []
    for i, (height, width) in enumerate(sizes):
        coarse = rng.integers(0, 256, (4, 4, 3), np.uint8)
        bgr = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        if i == 2:
            alpha = np.full((height, width, 1), 255, np.uint8)
            alpha[:, width // 2 :] = 0
            bgr = np.concatenate([bgr, alpha], axis=-1)
        path = folder / f"{i}.png"
        cv2.imwrite(str(path), bgr)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        images.append(Image(str(i), path.name, Size(height, width), "uint8", digest, path.stat().st_size))
        boxes = [Box(0, 0, height, width)] if i != 4 else [Box(0, 0, 48, 64), Box(48, 64, 48, 64)]
        crops += [Crop(i, box) for box in boxes]
    corpus = Corpus(folder, tuple(images), tuple(crops))
    run_dir = RunDir(root / "run", ARTEFACTS)
    with run_dir.writing("corpus") as out:
        save_corpus(corpus, [], out)
    return run_dir, corpus


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    model = timm.create_model(TINY, num_classes=0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    safetensors.torch.save_file(model.state_dict(), path)
    return path


def config(file, **changes):
    return extract.Config(**({"backbone": TINY, "weights": file, "input_size": 64, "batch": 2} | changes))


def plain_crop(corpus, crop, grid):
    """Cut, scale and pad by hand."""
    raw = cv2.imread(str(corpus.path(corpus.images[crop.image])), cv2.IMREAD_UNCHANGED)
    rgb = np.ascontiguousarray(raw[..., 2::-1])
    if raw.shape[2] == 4:
        rgb[raw[..., 3] == 0] = 0
    box = crop.box
    part = rgb[box.top : box.top + box.height, box.left : box.left + box.width]
    if part.shape[:2] != (grid.content.height, grid.content.width):
        smaller = grid.content.height < part.shape[0]
        how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        part = cv2.resize(part, (grid.content.width, grid.content.height), interpolation=how)
    return np.pad(part, ((0, grid.input.height - part.shape[0]), (0, grid.input.width - part.shape[1]), (0, 0)), "edge")


def test_the_store_holds_what_one_crop_at_a_time_gives(tmp_path, weights):
    run_dir, corpus = make_run(tmp_path)
    summary = extract.run(config(weights, flip=True, precision="float32"), run_dir, RUNTIME)
    found = FeatureStore(run_dir.path("features"))
    found.check()
    model = timm.create_model(TINY, num_classes=0, dynamic_img_size=True).eval()
    model.load_state_dict(safetensors.torch.load_file(weights))
    mean, std = model.pretrained_cfg["mean"], model.pretrained_cfg["std"]

    def plain(rgb):
        x = torch.from_numpy(((rgb / 255.0 - mean) / std).transpose(2, 0, 1)[None].copy()).float()
        with torch.inference_mode():
            return model.forward_features(x)[0, 1:].numpy()

    vectors = found.vectors()
    for row, crop in enumerate(corpus.crops):
        grid = found.header.grid(crop.box.size)
        rgb = plain_crop(corpus, crop, grid)
        expected = plain(rgb).reshape(grid.rows, grid.cols, -1)
        np.testing.assert_allclose(found.patches(row), expected, atol=2e-3, rtol=2e-3)
        seen = expected[found.valid(row)]
        np.testing.assert_allclose(vectors[row], seen.mean(axis=0), atol=1e-4)
        mirrored = plain_crop(corpus, crop, grid)[: grid.content.height, : grid.content.width][:, ::-1]
        border = ((0, grid.input.height - grid.content.height), (0, grid.input.width - grid.content.width), (0, 0))
        expected = plain(np.pad(mirrored, border, "edge")).reshape(grid.rows, grid.cols, -1)
        np.testing.assert_allclose(found.patches(row, flipped=True), expected, atol=2e-3, rtol=2e-3)
    assert not found.valid(2)[:, -1].any(), "the transparent half is no image"
    assert found.valid(2)[:, 0].all()
    assert (summary.crops, summary.dim, summary.patch, summary.size) == (7, 192, 16, 64)
    assert summary.weights.startswith("tiny.safetensors sha256:")
    grids = found.grids[np.argsort(found.grids.prod(axis=1))]
    assert summary.grid.startswith(f"{grids[0][0]} x ")
    assert summary.grid.endswith(f" x {grids[-1][1]}")
    assert summary.bytes > 0


def test_cls_keys_and_several_blocks(tmp_path, weights):
    run_dir, _ = make_run(tmp_path, SIZES[:2])
    extract.run(config(weights, facet="key", blocks=(2, -1), pool="cls"), run_dir, RUNTIME)
    found = FeatureStore(run_dir.path("features"))
    assert found.header.dim == 384
    assert found.header.blocks == (2, -1)
    assert found.vectors().shape == (2, 384)
    assert np.abs(found.vectors()[0] - found.patches(0).mean(axis=(0, 1))).max() > 1e-3


class Killed(BaseException):
    pass


def arrays(path):
    return {p.relative_to(path): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


@pytest.mark.parametrize(("backbone", "codec"), [(TINY, "float16"), (TINY, "pca8"), ("classical", "int8")])
def test_interrupted_after_a_shard_and_resumed_the_bytes_are_the_same(tmp_path, weights, backbone, codec, monkeypatch):
    monkeypatch.setattr(store, "_SHARD_BYTES", 2 * 2 * 20 * 192)  # two or so crops a shard
    settings = config(weights if backbone == TINY else None, backbone=backbone, codec=codec)
    whole, _ = make_run(tmp_path / "whole")
    extract.run(settings, whole, RUNTIME)

    broken, _ = make_run(tmp_path / "broken")
    write, written = store.FeatureWriter.write, []

    def dying(self, rows, features):
        if len(written) == 1:
            raise Killed
        written.append(rows)
        write(self, rows, features)

    with monkeypatch.context() as patch:
        patch.setattr(store.FeatureWriter, "write", dying)
        with pytest.raises(Killed):
            extract.run(settings, broken, RUNTIME)
    assert not broken.has("features")
    with monkeypatch.context() as patch:
        patch.setattr(feature_work, "fit_codec", None)
        patch.setattr(classical, "fit_whitening", None)  # what was learned must be taken up, not learned again
        again = []

        def counting(self, rows, features):
            again.append(rows)
            write(self, rows, features)

        patch.setattr(store.FeatureWriter, "write", counting)
        extract.run(settings, broken, RUNTIME)
    assert written[0] not in again
    assert len(again) >= 1
    assert arrays(broken.path("features")) == arrays(whole.path("features"))


@pytest.mark.parametrize(("codec", "most"), [("int8", 0.01), ("pca8", None)])
def test_packed_features_are_near_the_plain_ones(tmp_path, weights, codec, most):
    """int8 within its steps; pca8 no farther than the components, found here in another way, leave out."""
    (plain, corpus), (packed, _) = make_run(tmp_path / "plain"), make_run(tmp_path / "packed")
    extract.run(config(weights, flip=True), plain, RUNTIME)
    summary = extract.run(config(weights, flip=True, codec=codec), packed, RUNTIME)
    assert summary.codec == codec
    before, after = FeatureStore(plain.path("features")), FeatureStore(packed.path("features"))
    assert after.header.dim == 192
    np.testing.assert_array_equal(after.vectors(), before.vectors())
    rows = range(len(corpus.crops))
    shown = np.concatenate([before.patches(row)[before.valid(row)] for row in rows]).astype(np.float64)
    mean = shown.mean(axis=0)
    _, _, directions = np.linalg.svd(shown - mean, full_matrices=False)
    for row in rows:
        for flipped in (False, True):
            x, y = (s.patches(row, flipped=flipped).astype(np.float64) for s in (before, after))
            if most is not None:
                assert np.abs(x - y).max() < most * np.ptp(x)
            else:
                kept = (x - mean) @ directions[:42].T @ directions[:42] + mean
                assert np.abs(y - kept).max() < 0.02 * np.ptp(x)


def test_the_bytes_do_not_depend_on_workers(tmp_path, weights):
    (one, _), (three, _) = make_run(tmp_path / "one"), make_run(tmp_path / "three")
    extract.run(config(weights, codec="pca8"), one, Runtime(workers=1))
    torch.set_num_threads(2)
    extract.run(config(weights, codec="pca8"), three, Runtime(workers=3))
    assert torch.get_num_threads() == 2, "the threads of others are left as they were"
    assert arrays(one.path("features")) == arrays(three.path("features"))


def test_auto_precision_follows_the_machine_and_a_begun_store_keeps_its_own(tmp_path, weights, monkeypatch):
    run_dir, _ = make_run(tmp_path, SIZES[:2])

    def dying(self, rows, features):
        raise Killed

    monkeypatch.setattr(precision, "_multiplies_bfloat16", lambda device: True)
    with monkeypatch.context() as patch:
        patch.setattr(store.FeatureWriter, "write", dying)
        with pytest.raises(Killed):
            extract.run(config(weights), run_dir, RUNTIME)
    monkeypatch.setattr(precision, "_multiplies_bfloat16", lambda device: False)
    assert extract.run(config(weights), run_dir, RUNTIME).precision == "bfloat16"
    assert FeatureStore(run_dir.path("features")).header.precision == "bfloat16"
    fresh, _ = make_run(tmp_path / "fresh", SIZES[:2])
    assert extract.run(config(weights), fresh, RUNTIME).precision == "float32"
    again, _ = make_run(tmp_path / "again", SIZES[:2])
    assert extract.run(config(weights, precision="bfloat16"), again, RUNTIME).precision == "bfloat16"


def test_auto_stays_with_float32_where_bfloat16_turns_features(tmp_path, weights, monkeypatch, caplog):
    caplog.set_level("INFO")
    run_dir, _ = make_run(tmp_path, SIZES[:2])
    features = Network._features

    def turning(self, x, *, half):
        patches, cls = features(self, x, half=half)
        # one patch in twenty by an angle whose cosine is below 0.999
        if half:
            patches[:, 0, 0] += (
                0.1
                * patches[:, 0, 0].norm(dim=-1, keepdim=True)
                * torch.nn.functional.one_hot(torch.tensor(0), patches.shape[-1])
            )
        return patches, cls

    monkeypatch.setattr(precision, "_multiplies_bfloat16", lambda device: True)
    with monkeypatch.context() as patch:
        patch.setattr(Network, "_features", turning)
        assert extract.run(config(weights), run_dir, RUNTIME).precision == "float32"
    assert "computes in float32: this device multiplies in bfloat16, and 99 of 100 patches" in caplog.text
    again, _ = make_run(tmp_path / "again", SIZES[:2])
    assert extract.run(config(weights), again, RUNTIME).precision == "bfloat16"


def test_new_images_are_described_as_the_store_hands_features_out(tmp_path, weights):
    run_dir, corpus = make_run(tmp_path, SIZES[:1])
    extract.run(config(weights, codec="pca8"), run_dir, RUNTIME)
    folder = run_dir.path("features")
    found = FeatureStore(folder)
    encoder = reopen_encoder(found.header, folder, RUNTIME)
    grid = found.header.grid(corpus.crops[0].box.size)
    patches, _ = encoder.describe(plain_crop(corpus, corpus.crops[0], grid)[None])
    np.testing.assert_allclose(patches[0], found.patches(0), atol=0.01, rtol=0.01)


def test_a_shard_is_described_while_another_is_written(tmp_path, weights, monkeypatch):
    """The first write ends only once crops beyond what waits for it anyway were described."""
    monkeypatch.setattr(store, "_SHARD_BYTES", 2 * 2 * 20 * 192)
    run_dir, _ = make_run(tmp_path)
    write, describe, ahead = store.FeatureWriter.write, describing.describe_crops, threading.Event()
    seen, order = [], []

    def counting(crops, *args, **kwargs):
        found = describe(crops, *args, **kwargs)
        seen.extend(found)
        if len(seen) >= 3:  # one is written, one done, one begun: a shard is one crop here
            ahead.set()
        return found

    def slow(self, rows, features):
        assert ahead.wait(60), "describing waited for writing"
        order.append(rows.start)
        write(self, rows, features)

    monkeypatch.setattr(describing, "describe_crops", counting)
    monkeypatch.setattr(store.FeatureWriter, "write", slow)
    extract.run(config(weights), run_dir, Runtime(workers=1))
    assert order == sorted(order)
    assert len(order) > 2


def test_classical_end_to_end(tmp_path):
    run_dir, corpus = make_run(tmp_path)
    summary = extract.run(config(None, backbone="classical"), run_dir, RUNTIME)
    found = FeatureStore(run_dir.path("features"))
    header = found.header
    assert (summary.weights, header.patch, header.dim) == ("embedded", 16, summary.dim)
    raws = []
    for crop in corpus.crops:
        grid = header.grid(crop.box.size)
        raws.append(classical.raw_features(plain_crop(corpus, crop, grid)))
    whitening = classical.fit_whitening(raw[found.valid(i)] for i, raw in enumerate(raws))
    for row, raw in enumerate(raws):
        expected = (raw - whitening.mean) @ whitening.projection
        np.testing.assert_allclose(found.patches(row), expected, atol=2e-3, rtol=2e-3)


def test_progress_counts_crops(tmp_path, weights):
    run_dir, corpus = make_run(tmp_path)
    seen = []

    def track(items, *, total, unit, done=0):
        seen.append((total, unit, done))
        yield from items

    extract.run(config(weights), run_dir, Runtime(workers=1, track=track))
    assert seen == [(len(corpus.crops), "crops", 0)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "dino_vits61", "weights": None}, r"did you mean dino_vits16.*segpipe backbones"),
        ({"backbone": "classical"}, r"extract\.weights=.*classical is no network"),
        ({"backbone": "classical", "weights": None, "facet": "key"}, r"extract\.facet=key"),
        ({"backbone": "classical", "weights": None, "pool": "cls"}, r"extract\.pool=cls"),
        ({"backbone": "classical", "weights": None, "positions": "dino"}, r"extract\.positions=dino: .*is no network"),
        ({"blocks": (12,)}, r"extract\.blocks=\[12\].*12: 0 to 11"),
        ({"weights": Path("/nowhere/x.pth")}, r"/nowhere/x\.pth: there is no such weights file"),
    ],
)
def test_wrong_settings_are_answered(tmp_path, weights, changes, message):
    run_dir, _ = make_run(tmp_path, SIZES[:1])
    with pytest.raises(UsageError, match=message):
        extract.run(config(weights, **changes), run_dir, RUNTIME)
    assert not run_dir.has("features")


def test_a_full_disk_is_seen_before_the_work(tmp_path, weights, monkeypatch):
    run_dir, _ = make_run(tmp_path, SIZES[:1])
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(MachineError, match=r"features need 0\.0 GB and 0\.0 GB are free; set extract\.codec=pca8"):
        extract.run(config(weights), run_dir, RUNTIME)


def test_what_the_result_depends_on(weights):
    assert extract.input_files(config(weights)) == [weights]
    assert extract.input_files(config(None)) == []
    assert "batch" not in config(weights).identity()
    work = Work(images=10, crops=50, megapixels=3.0, workers=2, gflops=100.0)
    small, large = (
        extract.cost(extract.Config(backbone=name, input_size=224), work) for name in ("dino_vits16", "dino_vitb8")
    )
    assert 0 < small.seconds < large.seconds
    assert large.bytes == pytest.approx(50 * (28 * 28 * 768 * 2 + 768 * 4))
    packed = extract.cost(extract.Config(backbone="dino_vitb8", input_size=224, codec="pca8"), work)
    assert packed.bytes < large.bytes / 8
    seen = replace(work, channels=6)  # two views: what people see, and the other three
    twice = extract.cost(extract.Config(backbone="dino_vitb8", input_size=224), seen)
    assert twice.bytes == 2 * large.bytes
    assert 1.8 * large.seconds < twice.seconds < 2.1 * large.seconds
    one = extract.cost(extract.Config(backbone="dino_vitb8", input_size=224, views="b08+b04+b03"), seen)
    assert one.bytes == large.bytes


@pytest.mark.parametrize(
    ("backbone", "positions", "rule"),
    [
        ("dino_vits16", "auto", "dino"),
        ("dino_vits16", "dino", "dino"),
        ("dino_vits16", "timm", None),
        ("vit_small_patch16_224.dino", "auto", None),
        ("vit_tiny_patch16_224", "auto", None),
        ("vit_tiny_patch16_224", "dino", "dino"),
        ("classical", "auto", None),
    ],
)
def test_the_rule_of_positions_counts_where_it_is_not_the_one_there_always_was(backbone, positions, rule):
    """So features of earlier versions are up to date where they were made by the rule that is asked for."""
    found = extract.Config(backbone=backbone, positions=positions).identity()
    assert found.pop("positions", None) == rule
    assert found == {
        name: value
        for name, value in Section.identity(extract.Config(backbone=backbone)).items()
        if name not in ("positions", "views")
    }


def test_the_store_says_by_which_rule_it_was_made_and_new_images_follow_it(tmp_path, weights):
    run_dir, _ = make_run(tmp_path, [(96, 160)])
    stored = {}
    for rule in ("auto", "timm", "dino"):
        extract.run(config(weights, positions=rule), run_dir, RUNTIME)
        folder = run_dir.path("features")
        found = FeatureStore(folder)
        said = json.loads((folder / "store.zarr" / "zarr.json").read_text("utf-8"))["attributes"].get("positions")
        assert (said, found.header.positions) == (("dino", "dino") if rule == "dino" else (None, "timm"))
        stored[rule] = found.patches(0)
        encoder = reopen_encoder(found.header, folder, RUNTIME)
        (item,) = read_cuts([0], corpus=load_corpus(run_dir.path("corpus")), header=found.header)
        np.testing.assert_allclose(encoder.describe(item.rgb[None])[0][0], stored[rule], atol=0.02)
    assert np.array_equal(stored["auto"], stored["timm"])
    assert np.abs(stored["dino"].astype(np.float32) - stored["timm"]).max() > 0.1
