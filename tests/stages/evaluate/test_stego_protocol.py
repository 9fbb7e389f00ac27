"""The published protocol: on a set outside the run against torchvision and torch, and on crops of plain colors."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from scipy.io import savemat
from scipy.optimize import linear_sum_assignment
from torchvision import transforms

from segpipe.base.errors import CorpusError, MachineError, UsageError
from segpipe.base.geometry import Box, Size
from segpipe.base.guarded import Guards
from segpipe.base.runtime import Runtime
from segpipe.images.datasets import LabelledImage
from segpipe.inference.encoder import Encoder, reopen_encoder
from segpipe.inference.patch_sampler import open_sample
from segpipe.labels.ground_truth import Truth
from segpipe.nn.head import build_head, linear_head
from segpipe.ops.crf.dense_crf import Crf, refine_probabilities
from segpipe.ops.maps.smoothing import smooth
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.stages.evaluate import stego_protocol as published
from segpipe.stages.evaluate.baseline import fit_baseline
from segpipe.stages.evaluate.stego_views import crf_colors
from segpipe.store.checkpoints import load_tensors
from segpipe.store.clusters import load_clusters
from segpipe.store.features import FeatureStore
from segpipe.store.scores import load_confusion, load_image_scores
from tests.helpers.city_reef import judge


def by_hand(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Counts (27, k) of classes and baseline, stated once more: torchvision, torch, and the formulas of the paper."""
    run = root / "run"
    encoder = reopen_encoder(FeatureStore(run / "features").header, run / "features", Runtime())
    head = build_head(*load_tensors(run / "head" / "head.safetensors"))
    resize = transforms.Compose(
        [transforms.Resize(320, transforms.InterpolationMode.NEAREST), transforms.CenterCrop(320)]
    )
    sample = open_sample(FeatureStore(run / "features"), most=10**6, seed=0, track=Runtime().track)
    ours = load_clusters(run / "clusters" / "clusters.npz")
    models = [ours, fit_baseline(sample, k=ours.clusters, components=64, seed=0, runtime=Runtime())]
    tables = [np.zeros((27, model.clusters), np.int64) for model in models]
    for path in sorted((root / "set" / "leftImg8bit" / "val").rglob("*.png")):
        label_path = str(path).replace("leftImg8bit/", "gtFine/").replace("leftImg8bit.png", "gtFine_labelIds.png")
        rgb = np.asarray(resize(Pillow.open(path)))
        label = np.asarray(resize(Pillow.open(label_path))).astype(int) - 7
        both = [encoder.describe(np.ascontiguousarray(x)[None])[0][0] for x in (rgb, rgb[:, ::-1])]
        with torch.inference_mode():
            coded = [head(torch.from_numpy(part)).numpy() for part in both]
        coded = [smooth(part, np.ones(part.shape[:2], bool), ours.smooth) for part in coded]
        base = [(part - models[1].mean) @ models[1].components.T for part in both]
        for vectors, model, table in zip((coded, base), models, tables, strict=True):
            mean = torch.from_numpy((vectors[0] + vectors[1][:, ::-1]) / 2).permute(2, 0, 1)[None]
            up = torch.nn.functional.interpolate(mean, (320, 320), mode="bilinear", align_corners=False)
            cosines = torch.einsum(
                "bchw,kc->bkhw", torch.nn.functional.normalize(up, dim=1), torch.from_numpy(model.centers)
            )
            if model.members is not None:
                groups = [cosines[:, model.members == k].amax(dim=1) for k in range(model.clusters)]
                cosines = torch.stack(groups, dim=1)
            probabilities = torch.softmax(2 * cosines, dim=1)[0].numpy()
            colors = crf_colors(rgb)  # against torchvision: test_stego_views
            found = refine_probabilities(probabilities, colors, Crf(iterations=1), tolerance=0).argmax(axis=0)
            seen = label >= 0
            np.add.at(table, (label[seen], found[seen]), 1)
    return tables[0], tables[1]


def test_published_judges_the_other_split(city: Path) -> None:
    summary, scores = judge(city, "evaluate.split=val", "evaluate.protocol=published")
    assert (scores.protocol_name, summary.protocol) == ("published", "published")
    assert "320" in scores.protocol
    ours, baseline = by_hand(city)
    _, table = load_confusion(city / "run" / "scores")
    assert np.abs(table[:, :-1] - ours).sum() <= 1e-3 * ours.sum()  # where two classes are equal rounding decides
    assert not table[:, -1].any()
    assert scores.labelled_pixels == ours.sum()
    for counts, judged in ((ours, scores.unsupervised), (baseline, scores.baseline_kmeans)):
        rows, columns = linear_sum_assignment(counts, maximize=True)
        assert judged.accuracy == pytest.approx(counts[rows, columns].sum() / counts.sum(), abs=2e-3)
    names = [line.id for line in load_image_scores(city / "run" / "scores")]
    assert names == [f"leftImg8bit/val/bonn/bonn_{i:06}_000019_leftImg8bit" for i in (3, 4, 5)]
    assert scores.linear_probe.codes.accuracy > 0.3
    kept = (city / "run" / "scores" / "scores.json").read_bytes()
    judge(city, "evaluate.split=val", "evaluate.protocol=published", workers=2)
    assert (city / "run" / "scores" / "scores.json").read_bytes() == kept


def test_published_judges_labelled_images_of_the_run(city: Path, tmp_path: Path) -> None:
    for path in (city / "set" / "gtFine" / "train").rglob("*.png"):
        place = tmp_path / "train" / "ulm" / path.name.replace("gtFine_labelIds", "leftImg8bit")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    folder = ("evaluate.layout=folder", f"evaluate.labels={tmp_path}", "evaluate.protocol=published")
    _, scores = judge(city, *folder)
    assert (scores.images, scores.protocol_name) == (3, "published")
    _, again = judge(city, "evaluate.split=train", "evaluate.protocol=published")
    # the plain folder takes 3 for a class too; the pixels of the others are the same
    assert again.labelled_pixels <= scores.labelled_pixels == 3 * 320 * 320
    points = tmp_path / "points.csv"
    points.write_text("image,row,column,label\nulm_000000_000019_leftImg8bit.png,1,1,sky\n")
    with pytest.raises(UsageError, match=r"scales label maps, which points have not; set evaluate\.protocol=whole"):
        judge(city, "evaluate.layout=folder", f"evaluate.labels={points}", "evaluate.protocol=published")


def test_labels_that_do_not_fit_are_told_and_left_out(city: Path, caplog: pytest.LogCaptureFixture) -> None:
    (label,) = (city / "set" / "gtFine" / "val").rglob("bonn_000003*")
    kept = label.read_bytes()
    try:
        Pillow.fromarray(np.full((20, 30), 7, np.uint8)).save(label)
        _, scores = judge(city, "evaluate.split=val", "evaluate.protocol=published")
        assert (scores.images, scores.unmatched.labels) == (2, 1)
        assert "labels of 30 x 20 pixels" in scores.unmatched.examples[0]
        assert "labels fit no image" in caplog.text
        Pillow.fromarray(np.zeros((256, 256), np.uint8)).save(label)
        _, scores = judge(city, "evaluate.split=val", "evaluate.protocol=published")
        assert (scores.images, scores.unmatched.labels, scores.unmatched.empty) == (2, 0, 1)
    finally:
        label.write_bytes(kept)


def test_every_kind_of_file_is_read_for_the_published_protocol(tmp_path: Path) -> None:
    seen = np.random.default_rng(0).integers(256, size=(4, 6, 3), dtype=np.uint8)
    labels = np.arange(24).reshape(4, 6) % 3
    colors = np.array([(0, 0, 0), (0, 0, 255), (0, 255, 0)], np.uint8)[labels]
    Pillow.fromarray(seen).save(tmp_path / "a.bmp")
    Pillow.fromarray(colors).save(tmp_path / "a_mask.bmp")
    (found,) = published.cases_of_set(tmp_path, [LabelledImage("a.bmp", "a_mask.bmp")], layout="suim")
    rgb, decoded = found.read()
    assert np.array_equal(rgb, seen)
    assert np.array_equal(decoded, labels)
    savemat(tmp_path / "1.mat", {"img": np.dstack([seen, seen[..., :1]])})
    savemat(tmp_path / "gt.mat", {"gt": np.array([4, 5, 3], np.uint8)[labels]})
    (found,) = published.cases_of_set(tmp_path, [LabelledImage("1.mat", "gt.mat")], layout="potsdam3")
    rgb, decoded = found.read()
    assert (found.name, found.path) == ("1", tmp_path / "1.mat")
    assert np.array_equal(rgb, seen)
    assert np.array_equal(decoded, labels)


def test_a_view_is_the_middle_of_an_image_and_labels_must_fit_it() -> None:
    rgb = np.arange(320 * 480 * 3).reshape(320, 480, 3).astype(np.uint8)
    labels = np.arange(320 * 480, dtype=np.int32).reshape(320, 480)
    case = published.Case("bay/a", Path("a.png"), lambda: (rgb, labels))
    view = published.read_view((7, case), Guards(None))
    assert isinstance(view, published.CropView)
    assert view.index == 7
    np.testing.assert_array_equal(view.rgb, rgb[:, 80:400])
    np.testing.assert_array_equal(view.labels, labels[:, 80:400])
    reason = published.read_view((7, replace(case, read=lambda: (rgb, labels[:20, :30]))), Guards(None))
    assert reason == "bay/a (labels of 30 x 20 pixels for an image of 480 x 320)"


def test_a_mosaic_is_refused_and_told_of_the_other_protocol() -> None:
    mosaic = Image("mosaic", "mosaic.tif", Size(4, 6), "uint8", "", 1, mosaic=True)
    corpus = Corpus(Path(), (mosaic,), (Crop(0, Box(0, 0, 4, 6)),))
    truth = Truth({0: Path("mosaic.png")}, ("sand",), np.arange(1, dtype=np.int32), [], 0)
    with pytest.raises(UsageError, match=r"a mosaic such as mosaic\.tif; set evaluate\.protocol=whole"):
        published.cases_of_run(corpus, truth)


COLORS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255)], np.uint8)
PATCH = 16


def describe_colors(images: np.ndarray) -> tuple[np.ndarray, None]:
    """The mean color of every patch."""
    n, height, width, _ = images.shape
    parts = images.reshape(n, height // PATCH, PATCH, width // PATCH, PATCH, 3) / np.float32(255)
    return parts.mean(axis=(2, 4), dtype=np.float32), None


def case_of(name: str, classes: np.ndarray, labels: np.ndarray) -> published.Case:
    return published.Case(name, Path(f"{name}.png"), lambda: (COLORS[classes], labels.astype(np.int32)))


def gathered(
    cases: list[published.Case], describe: Callable[[np.ndarray], tuple[np.ndarray, None]] = describe_colors
) -> published.CropResult:
    """Judged by an encoder of colors: clusters of codes are blue, red and green, those of the baseline red or not."""
    head = linear_head(np.eye(3)[[2, 0, 1]], np.zeros(3))
    clusters = ClusterModel(np.eye(3, dtype=np.float32), 1.0)
    redness, nothing = np.array([[1, -1, -1]], np.float32), np.zeros(3, np.float32)
    baseline = ClusterModel(np.array([[1], [-1]], np.float32), 1.0, mean=nothing, components=redness)
    setup = published.plan(PATCH, clusters, baseline, None, classes=3)
    encoder = Encoder(describe, PATCH, 3, "colors")
    return published.gather(cases, setup, encoder, head, Runtime(workers=1), quota=40, seed=3)


def test_crops_of_plain_colors_are_counted_exactly() -> None:
    """No crop is its own mirror image, and colors meet where patches do: every pixel is right or its mean is wrong."""
    stripes = np.repeat([0, 1], (96, 224))[None].repeat(320, axis=0)
    rows = np.repeat([1, 2], (64, 256))[:, None].repeat(320, axis=1)
    partly = np.where(np.arange(320) < 160, stripes, -1)
    found = gathered(
        [
            case_of("stripes", stripes, partly),
            case_of("small", stripes, partly[:9, :8]),
            case_of("rows", rows, rows),
            case_of("nothing", rows, np.full_like(rows, -1)),
        ]
    )
    assert list(found.names) == ["stripes", "rows"]
    assert list(found.unmatched) == ["small (labels of 8 x 9 pixels for an image of 320 x 320)"]
    assert found.empty == 1
    evidence = found.evidence
    red, green, blue = 96 * 320, 64 * 320 + 64 * 320, 256 * 320
    np.testing.assert_array_equal(evidence.masks.total(), [[0, red, 0, 0], [0, 0, green, 0], [blue, 0, 0, 0]])
    np.testing.assert_array_equal(evidence.baseline.total(), [[red, 0, 0], [0, green, 0], [0, blue, 0]])
    assert evidence.masks.images == 2
    assert evidence.images.tolist() == [0] * 40 + [2] * 40  # their places among the cases
    np.testing.assert_array_equal(evidence.features.argmax(axis=1), evidence.labels)
    np.testing.assert_array_equal(evidence.codes.argmax(axis=1), (evidence.labels + 1) % 3)
    assert set(evidence.labels[:40].tolist()) == {0, 1}


def test_crops_without_a_label_or_a_finite_feature_are_told() -> None:
    plain = np.zeros((320, 320), int)
    nothing = [case_of("a", plain, plain - 1), case_of("b", plain, plain - 1)]
    with pytest.raises(
        CorpusError, match=r"none of the 2 labelled images .* middle 320 x 320 pixels; check the labels"
    ):
        gathered(nothing)

    def broken(images: np.ndarray) -> tuple[np.ndarray, None]:
        patches, _ = describe_colors(images)
        patches[-1, 3, 5, 0] = np.nan
        return patches, None

    with pytest.raises(MachineError, match=r"^b\.png: .* not finite; take out the image"):
        gathered([nothing[0], case_of("b", plain, plain)], broken)
