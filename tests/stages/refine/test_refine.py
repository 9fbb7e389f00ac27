import pickle
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from segpipe.base import guarded
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Box, Size, five_crops, windows
from segpipe.base.runtime import Runtime
from segpipe.nn.head import Head, describe_head
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.features import FeatureHeader
from segpipe.stages import ARTEFACTS, refine
from segpipe.store import masks
from segpipe.store.checkpoints import save_tensors
from segpipe.store.clusters import save_clusters
from segpipe.store.corpus import save_corpus
from segpipe.store.features import CropFeatures, FeatureWriter, create_features
from segpipe.store.run_dir import RunDir
from segpipe.store.shared_work import closed_after
from tests.helpers.digests import sha256_of

COLORS = np.array([(200, 40, 40), (40, 180, 60), (50, 70, 210)], np.uint8)  # a picture is made of these: its classes
DIM = 3


def _blobs(rng: np.random.Generator, size: Size) -> np.ndarray:
    """A map of three classes in large areas."""
    noise = cv2.GaussianBlur(rng.standard_normal((size.height, size.width, 3)).astype(np.float32), (0, 0), 14)
    return noise.argmax(-1)


def _save(path: Path, rgb: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(rgb).save(path, **options)


def make_run(root: Path, *, flipped: bool = False) -> tuple[RunDir, dict[str, np.ndarray]]:
    """A run up to `cluster` whose features are the colors of the patches, and the class map of every image."""
    rng, truth, images, crops = np.random.default_rng(7), {}, [], []
    rotated = Pillow.Exif()
    rotated[0x0112] = 6  # stored lying, shown standing
    for image_id, size in {
        "landscape": Size(72, 110),
        "sub dir/portrait ü": Size(118, 64),
        "exif": Size(96, 60),
        "holes": Size(64, 64),
        "dot": Size(1, 1),
    }.items():
        truth[image_id] = _blobs(rng, size)
        rgb, path = COLORS[truth[image_id]], root / "images" / f"{image_id}.png"
        if image_id == "exif":
            path = path.with_suffix(".jpg")
            _save(path, np.rot90(rgb), quality=95, subsampling=0, exif=rotated)
        elif image_id == "holes":
            alpha = np.full((64, 64, 1), 255, np.uint8)
            alpha[:20, :30] = 0
            _save(path, np.concatenate([rgb, alpha], -1))
        else:
            _save(path, rgb)
        relative = path.relative_to(root / "images").as_posix()
        images.append(Image(image_id, relative, size, "uint8", sha256_of(path), path.stat().st_size))
        boxes = [Box(0, 0, size.height, size.width)]
        if image_id == "landscape":
            boxes = windows(size, side=72, overlap=0.4)
        if image_id == "exif":
            boxes = five_crops(size)
        crops += [Crop(len(images) - 1, box) for box in boxes]
    corpus = Corpus(root / "images", tuple(images), tuple(crops))
    run = RunDir(root / "run", ARTEFACTS)
    (run.root / "corpus").mkdir(parents=True)
    save_corpus(corpus, [], run.root / "corpus")
    _save_features(run.root / "features", corpus, truth, flipped=flipped)
    _save_head(run.root / "head")
    (run.root / "clusters").mkdir()
    centers = COLORS - COLORS.mean(0)
    centers = (centers / np.linalg.norm(centers, axis=1, keepdims=True)).astype(np.float32)
    save_clusters(ClusterModel(centers, 0.9), run.root / "clusters" / "clusters.npz")
    return run, truth


def _save_features(path: Path, corpus: Corpus, truth: dict[str, np.ndarray], *, flipped: bool) -> None:
    header = FeatureHeader("color", "mean", (0,), side=96, patch=4, dim=DIM, pool="mean", flipped=flipped)
    grids = [header.grid(crop.box.size) for crop in corpus.crops]
    create_features(path, header, np.array([(grid.rows, grid.cols) for grid in grids]))
    writer = FeatureWriter(path)

    def patches(rgb: np.ndarray, i: int) -> np.ndarray:
        grid = grids[i]
        seen = np.zeros((grid.input.height, grid.input.width, 3), np.float32)
        content = cv2.resize(rgb, (grid.content.width, grid.content.height), interpolation=cv2.INTER_LINEAR)
        seen[: grid.content.height, : grid.content.width] = content
        blocks = seen.reshape(grid.rows, grid.patch, grid.cols, grid.patch, 3)
        return blocks.mean(axis=(1, 3)) - COLORS.mean(0)

    for rows in writer.pending():
        found = []
        for i in rows:
            rgb = COLORS[truth[corpus.images[corpus.crops[i].image].id]][corpus.crops[i].box.slices]
            valid = np.ones((grids[i].rows, grids[i].cols), bool)
            mirror = patches(np.ascontiguousarray(rgb[:, ::-1]), i) if flipped else None
            found.append(CropFeatures(patches(rgb, i), np.zeros(DIM), valid, mirror))
        writer.write(rows, found)


def _save_head(path: Path) -> None:
    """A head that passes colors through: its nonlinear branch is silent, its linear one the identity."""
    head = Head(DIM, DIM, 0.0)
    tensors = {name: torch.zeros_like(tensor) for name, tensor in head.state_dict().items()}
    path.mkdir()
    save_tensors(path / "head.safetensors", {**tensors, "linear.weight": torch.eye(DIM)}, describe_head(head))


def _tree(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_every_image_gets_its_classes_at_its_displayed_size(tmp_path: Path) -> None:
    run, truth = make_run(tmp_path)
    summary = refine.run(refine.Config(), run, Runtime())
    out = run.path("masks")
    for image_id, expected in truth.items():
        mask = masks.read_mask(out / f"{image_id}.png")
        assert mask.shape == expected.shape
        shown = mask != 255
        assert shown.sum() == expected.size - (600 if image_id == "holes" else 0)
        assert (mask[shown] == expected[shown]).mean() > 0.95, image_id
    assert masks.read_mask(out / "holes.png")[:20, :30].min() == 255
    assert summary.images == 5
    assert summary.classes == 3
    assert summary.nodata == 600
    assert summary.pixels == sum(t.size for t in truth.values()) - 600
    assert sum(summary.shares) == pytest.approx(1, abs=1e-5)
    assert summary.empty_classes == []
    header = masks.load_header(out)
    assert header["crf"]["bilateral_sxy"] == 67
    assert {key: header[key] for key in ("format", "classes", "nodata", "side", "sharpness", "flip")} == {
        "format": 1,
        "classes": 3,
        "nodata": 255,
        "side": refine.Config().canvas_size,
        "sharpness": 2.0,
        "flip": False,
    }
    index = masks.load_index(out)
    assert [entry["id"] for entry in index] == list(truth)
    for entry in index:
        mask = masks.read_mask(out / entry["file"])
        assert entry == masks.describe_mask(entry["id"], mask, classes=3)


def test_two_workers_and_a_resumed_run_give_the_same_files(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path)
    seen: list[Any] = []

    def track(items: Iterable[Any], *, total: int, unit: str, done: int = 0) -> Iterator[Any]:
        seen.append((total, unit))
        return iter(items)

    first = refine.run(refine.Config(), run, Runtime(workers=1, track=track))
    one = _tree(run.path("masks"))
    assert seen == [(5, "images")]
    assert len(one) == 10  # five masks, four files that say what they are, and their checksums
    run.path("masks").rename(run.root / "masks.partial")  # as a killed attempt would leave it
    partial = run.root / "masks.partial"
    for name in ("landscape.png", "holes.png", "index.jsonl", "header.json"):
        (partial / name).unlink()
    untouched = (partial / "exif.png").stat().st_mtime_ns
    assert refine.run(refine.Config(), run, Runtime(workers=2)) == first
    assert _tree(run.path("masks")) == one
    assert (run.path("masks") / "exif.png").stat().st_mtime_ns == untouched


@pytest.mark.parametrize(("workers", "wanted"), [(1, (1, 1)), (5, (5, 1)), (9, (5, 1)), (10, (5, 2)), (16, (5, 3))])
def test_workers_without_an_image_of_their_own_become_threads(
    workers: int, wanted: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = make_run(tmp_path)
    seen: list[tuple[int, int]] = []
    given = workers

    def inline(
        function: Any, items: Any, *, workers: int, initializer: Any, arguments: Any, processes: Any
    ) -> Iterator[Any]:
        assert (processes is not None) == (1 < workers == given)
        seen.append((workers, arguments[0].args[2].threads))
        initializer(*arguments)
        return map(function, items)

    monkeypatch.setattr(refine.parallel, "process_map", inline)
    refine.run(refine.Config(crf_iterations=1), run, Runtime(workers=workers))
    assert seen == [wanted]
    assert wanted[0] * wanted[1] <= workers


def test_parts_of_a_process_share_its_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = make_run(tmp_path)
    begun, real = list[object](), guarded.Guard.__init__

    def count(self: guarded.Guard, *arguments: Any) -> None:
        begun.append(self)
        real(self, *arguments)

    monkeypatch.setattr(guarded.Guard, "__init__", count)
    out = run.root / "masks.partial"
    out.mkdir()
    with closed_after(refine.Refinement(refine.Config(crf=False), run, out, Runtime(workers=2))) as work:
        work.lay_out()
        for units in (range(3), range(3, 5)):
            work.write(units)
    assert len(begun) == 2
    assert refine.run(refine.Config(crf=False), run, Runtime()).images == 5
    assert len(begun) == 2


def test_threads_are_as_before_when_the_stage_ends(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path)
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(2)
    try:
        refine.run(refine.Config(crf=False), run, Runtime())
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (2, before[1])
    finally:
        torch.set_num_threads(before[0])


def test_flip_averaging_needs_mirrored_features_and_agrees_with_the_plain_masks(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path / "plain")
    with pytest.raises(UsageError, match=r"refine\.flip=true .* set extract\.flip=true, or refine\.flip=false"):
        refine.run(refine.Config(flip=True), run, Runtime())
    run, truth = make_run(tmp_path / "both", flipped=True)
    refine.run(refine.Config(flip=True, crf=False), run, Runtime())
    assert masks.load_header(run.path("masks"))["flip"] is True
    assert masks.load_header(run.path("masks"))["crf"] is None
    for image_id, expected in truth.items():
        mask = masks.read_mask(run.path("masks") / f"{image_id}.png")
        shown = mask != 255
        assert (mask[shown] == expected[shown]).mean() > 0.9, image_id


def test_an_image_that_changed_since_index_stops_the_stage_with_its_name(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path)
    with (tmp_path / "images/sub dir/portrait ü.png").open("ab") as file:
        file.write(b"more")
    with pytest.raises(CorpusError, match=r"portrait ü\.png has changed since it was indexed") as raised:
        refine.run(refine.Config(crf=False), run, Runtime())
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)  # it crosses process borders
    assert not run.has("masks")
    assert (run.root / "masks.partial/landscape.png").exists()  # what was finished is kept


def test_certainty_leaves_masks_as_they_are(tmp_path: Path) -> None:
    run_dir, _ = make_run(tmp_path)
    config = {"canvas_size": 60, "crf_iterations": 2}
    refine.run(refine.Config(**config), run_dir, Runtime())
    plain = _tree(run_dir.root / "masks")
    refine.run(refine.Config(**config, certainty=True), run_dir, Runtime(workers=2))
    both = _tree(run_dir.root / "masks")
    pictures = {name for name in plain if name.endswith(".png")}
    assert {name: both[name] for name in pictures} == {name: plain[name] for name in pictures}
    added = {f"certainty/{kind}/{name}" for kind in ("margin", "entropy") for name in pictures}
    assert set(both) == set(plain) | added
    for entry in masks.load_index(run_dir.path("masks")):
        mask = masks.read_mask(run_dir.path("masks") / entry["file"])
        margin, entropy = (
            np.asarray(Pillow.open(run_dir.path("masks") / "certainty" / kind / entry["file"]), np.float64) / 255
            for kind in ("margin", "entropy")
        )
        assert margin.shape == mask.shape
        held = mask != 255
        assert (margin[~held] == 0).all()
        for name, mean in entry["margin"].items():
            assert mean == pytest.approx(margin[mask == int(name)].mean(), abs=1e-5)
        assert set(entry["margin"]) == set(entry["pixels"])
        assert entry["entropy"] == pytest.approx(entropy[held].mean(), abs=1e-5)
    assert not any("margin" in line for line in map(str, plain["index.jsonl"].splitlines()))


def test_certainty_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_dir, _ = make_run(tmp_path)
    config = refine.Config(canvas_size=60, crf=False, certainty=True)
    refine.run(config, run_dir, Runtime())
    whole = _tree(run_dir.root / "masks")
    made: list[int] = []
    original = refine.refine_tile

    def counted(inputs: refine.SegmentInputs, index: int, tile: Any) -> Any:
        made.append(index)
        if len(made) == 3:
            raise KeyboardInterrupt
        return original(inputs, index, tile)

    monkeypatch.setattr(refine, "refine_tile", counted)
    with pytest.raises(KeyboardInterrupt):
        refine.run(config, run_dir, Runtime())
    refine.run(config, run_dir, Runtime())
    assert len(made) == 6  # five images, one of them twice
    assert _tree(run_dir.root / "masks") == whole


def test_images_in_a_folder_of_that_name_are_refused(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path, (Image("certainty/a", "certainty/a.png", Size(2, 2), "uint8", "0" * 64, 1),),
                    (Crop(0, Box(0, 0, 2, 2)),))  # fmt: skip
    with pytest.raises(UsageError, match=r"also that of the image certainty/a\.png; rename"):
        refine._refuse_certainty_folder(corpus)
