"""Evaluate against published sets: a small reef, written down the way Cityscapes is."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import save_file
from sklearn import metrics as sk
from torchvision import transforms

from segpipe import pipeline
from segpipe.base.errors import CorpusError, UsageError
from segpipe.cli.entry import run_cli
from segpipe.commands.demo.synthetic import write_reef_corpus
from segpipe.inference.encoder import reopen_encoder
from segpipe.inference.patch_sampler import open_sample
from segpipe.ops.crf.dense_crf import Crf, refine_probabilities
from segpipe.ops.maps.smoothing import smooth
from segpipe.stages.evaluate.baseline import fit_baseline
from segpipe.store.clusters import load_clusters
from segpipe.store.features import FeatureStore
from segpipe.store.scores import load_confusion, load_image_scores, load_scores

NAMES = ("road", "building", "sky", "car", "person")
IDS = (7, 11, 23, 26, 24)  # label ids of these
SETTINGS = (
    *("extract.backbone=classical", "extract.input_size=96", "train.steps=3", "train.dim=8", "cluster.k=6"),
    *("refine.crf_iterations=1", "runtime.workers=1", "cluster.n_init=1"),
    *("index.layout=cityscapes27", "index.split=train", "evaluate.layout=cityscapes27", "evaluate.n_resamples=50"),
)


def write_set(root: Path) -> None:
    """Train and val of three images each; ids beside the 27 where the reef's labels have nothing."""
    write_reef_corpus(root / "reef", images=6, seed=5)
    labels = sorted((root / "reef" / "labels").rglob("*.png"))
    for i, path in enumerate(labels):
        stored = np.asarray(Pillow.open(path))
        ids = np.full(stored.shape, 3, np.uint8)
        for value, code in enumerate(IDS):
            ids[stored == value] = code
        (picture,) = (root / "reef" / "images").rglob(f"{path.stem}.*")
        with Pillow.open(picture) as image:
            rgb = image.convert("RGB").resize((stored.shape[1], stored.shape[0]))
        split, city = ("train", "ulm") if i < 3 else ("val", "bonn")
        for top, ending, array in (("leftImg8bit", "leftImg8bit", rgb), ("gtFine", "gtFine_labelIds", ids)):
            place = root / "set" / top / split / city / f"{city}_{i:06}_000019_{ending}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            (array if isinstance(array, Pillow.Image) else Pillow.fromarray(array)).save(place)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    write_set(root)
    sets = [part for pair in SETTINGS for part in ("--set", pair)]
    assert run_cli(["run", str(root / "set"), str(root / "run"), "--to", "refine", "-q", *sets]) == 0
    return root


def go(root: Path, *sets: str, workers: int = 1):
    run = pipeline.open_run(root / "run")
    settings = pipeline.resolve(run, sets=sets, more={"evaluate.labels": str(root / "set")})
    from dataclasses import replace

    runtime = replace(pipeline.make_runtime(settings), workers=workers)
    stage = pipeline.BY_NAME["evaluate"]
    return stage.run(settings["evaluate"], run, runtime), load_scores(run.path("scores"))


def test_index_takes_the_split_alone(made):
    rows = [json.loads(line) for line in (made / "run" / "corpus" / "corpus.jsonl").read_text().splitlines()]
    assert [row["path"] for row in rows] == [
        f"leftImg8bit/train/ulm/ulm_{i:06}_000019_leftImg8bit.png" for i in range(3)
    ]


def test_whole_images_of_the_runs_split(made):
    summary, scores = go(made, "evaluate.split=train")
    assert (scores.images, scores.protocol_name, summary.protocol) == (3, "whole", "whole")
    assert len(scores.classes) == 27
    assert scores.protocol.startswith("Whole images at their own size.")
    labels, masks = [], []
    for path in sorted((made / "set" / "gtFine" / "train").rglob("*.png")):
        ids = np.asarray(Pillow.open(path)).astype(int)
        name = path.name.replace("gtFine_labelIds", "leftImg8bit")
        mask = np.asarray(Pillow.open(made / "run" / "masks" / "leftImg8bit" / "train" / "ulm" / name))
        labels.append(ids[ids >= 7] - 7)
        masks.append(mask[ids >= 7])
    label, mask = np.concatenate(labels), np.concatenate(masks)
    assert scores.labelled_pixels == len(label)
    matching = {int(k): scores.classes.index(c) for k, c in scores.unsupervised.matching.items() if c is not None}
    found = np.array([matching.get(k, 99) for k in mask.tolist()])
    assert scores.unsupervised.accuracy == pytest.approx(sk.accuracy_score(label, found))
    assert {name for name, iou in scores.unsupervised.per_class_iou.items() if iou is not None} <= set(NAMES)


def test_a_split_outside_the_run_cannot_be_judged_whole(made):
    with pytest.raises(CorpusError, match=r"none of the 3 labels .* belongs to an image.*evaluate\.protocol=publ"):
        go(made, "evaluate.split=val")


def by_hand(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Counts (27, k) of classes and baseline, stated once more: torchvision, torch, and the formulas of the paper."""
    from segpipe.base.runtime import Runtime
    from segpipe.nn.head import build_head
    from segpipe.store.checkpoints import load_tensors

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
            found = refine_probabilities(probabilities, rgb, Crf(iterations=1)).argmax(axis=0)
            seen = label >= 0
            np.add.at(table, (label[seen], found[seen]), 1)
    return tables[0], tables[1]


def test_published_judges_the_other_split(made):
    summary, scores = go(made, "evaluate.split=val", "evaluate.protocol=published")
    assert (scores.protocol_name, summary.protocol) == ("published", "published")
    assert "320" in scores.protocol
    ours, baseline = by_hand(made)
    _, table = load_confusion(made / "run" / "scores")
    assert np.abs(table[:, :-1] - ours).sum() <= 1e-3 * ours.sum()  # where two classes are equal rounding decides
    assert not table[:, -1].any()
    assert scores.labelled_pixels == ours.sum()
    for counts, judged in ((ours, scores.unsupervised), (baseline, scores.baseline_kmeans)):
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(counts, maximize=True)
        assert judged.accuracy == pytest.approx(counts[rows, columns].sum() / counts.sum(), abs=2e-3)
    names = [line.id for line in load_image_scores(made / "run" / "scores")]
    assert names == [f"leftImg8bit/val/bonn/bonn_{i:06}_000019_leftImg8bit" for i in (3, 4, 5)]
    assert scores.linear_probe.codes.accuracy > 0.3
    kept = (made / "run" / "scores" / "scores.json").read_bytes()
    go(made, "evaluate.split=val", "evaluate.protocol=published", workers=2)
    assert (made / "run" / "scores" / "scores.json").read_bytes() == kept


def test_published_judges_labelled_images_of_the_run(made, tmp_path):
    for path in (made / "set" / "gtFine" / "train").rglob("*.png"):
        place = tmp_path / "train" / "ulm" / path.name.replace("gtFine_labelIds", "leftImg8bit")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    folder = ("evaluate.layout=folder", f"evaluate.labels={tmp_path}", "evaluate.protocol=published")
    _, scores = go(made, *folder)
    assert (scores.images, scores.protocol_name) == (3, "published")
    _, again = go(made, "evaluate.split=train", "evaluate.protocol=published")
    # the plain folder takes 3 for a class too; the pixels of the others are the same
    assert again.labelled_pixels <= scores.labelled_pixels == 3 * 320 * 320
    points = tmp_path / "points.csv"
    points.write_text("image,row,column,label\nulm_000000_000019_leftImg8bit.png,1,1,sky\n")
    with pytest.raises(UsageError, match=r"scales label maps, which points have not; set evaluate\.protocol=whole"):
        go(made, "evaluate.layout=folder", f"evaluate.labels={points}", "evaluate.protocol=published")


def test_labels_that_do_not_fit_are_told_and_left_out(made, caplog):
    (label,) = (made / "set" / "gtFine" / "val").rglob("bonn_000003*")
    kept = label.read_bytes()
    try:
        Pillow.fromarray(np.full((20, 30), 7, np.uint8)).save(label)
        _, scores = go(made, "evaluate.split=val", "evaluate.protocol=published")
        assert (scores.images, scores.unmatched.labels) == (2, 1)
        assert "labels of 30 x 20 pixels" in scores.unmatched.examples[0]
        assert "labels fit no image" in caplog.text
        Pillow.fromarray(np.zeros((256, 256), np.uint8)).save(label)
        _, scores = go(made, "evaluate.split=val", "evaluate.protocol=published")
        assert (scores.images, scores.unmatched.labels, scores.unmatched.empty) == (2, 0, 1)
    finally:
        label.write_bytes(kept)
    (label,) = (made / "set" / "gtFine" / "train").rglob("ulm_000001*")
    kept = label.read_bytes()
    try:
        Pillow.fromarray(np.full((20, 30), 7, np.uint8)).save(label)
        _, scores = go(made, "evaluate.split=train")
        assert (scores.images, scores.unmatched.labels) == (2, 1)
        assert "30 x 20 pixels where leftImg8bit/train" in scores.unmatched.examples[0]
        with Pillow.open(
            str(label).replace("gtFine/", "leftImg8bit/").replace("gtFine_labelIds", "leftImg8bit")
        ) as rgb:
            Pillow.new("L", rgb.size).save(label)
        _, scores = go(made, "evaluate.split=train")
        assert (scores.images, scores.unmatched.labels, scores.unmatched.empty) == (2, 0, 1)
    finally:
        label.write_bytes(kept)


def test_what_a_user_sees(made, capsys):
    run = str(made / "run")
    arguments = ["evaluate", run, "--labels", str(made / "set"), "-q", "--set", "evaluate.protocol=published"]
    assert run_cli([*arguments, "--set", "evaluate.split=val"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "3 labelled images" in shown
    assert "protocol published: As STEGO" in shown
    assert run_cli(["report", run, "-q"]) == 0
    page = (made / "run" / "report" / "index.html").read_text("utf-8")
    assert "Protocol <b>published</b>. As STEGO" in page
    assert "Lowest accuracy" not in page
    for sets, message in (
        (["evaluate.split=valid"], "evaluate.split=valid is no split of cityscapes27; choose train or val or test"),
        (["evaluate.split=''"], "evaluate.split is not set for cityscapes27; choose train or val or test"),
        (["evaluate.layout=cityscapes"], "evaluate.layout='cityscapes' is no layout; choose folder, cocostuff27"),
        (["evaluate.layout=folder", "evaluate.split=val"], "evaluate.split=val: a plain folder has no splits"),
        (
            ["evaluate.layout=cityscapes27", "evaluate.split=val", "evaluate.classes=classes.txt"],
            "names its own classes; leave --classes out",
        ),
        (["evaluate.classes=null", "evaluate.split=test"], "expects leftImg8bit/test/ in there and it is missing"),
    ):
        assert run_cli([*arguments, *(part for pair in sets for part in ("--set", pair))]) == 2
        error = capsys.readouterr().err
        assert message in " ".join(error.split())


def test_the_files_the_scores_depend_on(made):
    config = pipeline.SECTIONS["evaluate"](labels=made / "set", layout="cityscapes27", split="val")
    input_files = pipeline.BY_NAME["evaluate"].input_files
    assert [path.parts[-4] for path in input_files(config)] == ["gtFine"] * 3
    published = config.model_copy(update={"protocol": "published"})
    assert [path.parts[-4] for path in input_files(published)] == ["gtFine"] * 3 + ["leftImg8bit"] * 3
    gone = made / "set" / "gtFine" / "val" / "bonn" / "bonn_000004_000019_gtFine_labelIds.png"
    kept = gone.read_bytes()
    gone.unlink()
    try:
        with pytest.raises(UsageError, match=r"gtFine_labelIds\.png: the layout .* \(1 of 3 labels are\); add it"):
            input_files(config)
    finally:
        gone.write_bytes(kept)


def test_the_network_must_be_the_one_of_the_features(made, tmp_path):
    import timm

    from segpipe.base.runtime import Runtime
    from segpipe.inference.encoder import open_encoder
    from segpipe.records.features import FeatureHeader

    model = timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=0, dynamic_img_size=True)
    path = tmp_path / "tiny.safetensors"
    save_file(model.state_dict(), path)
    header = FeatureHeader("vit_tiny_patch16_224", "token", (-1,), 64, 16, 192, "mean", False, weights=str(path))
    with pytest.raises(UsageError, match="made by an earlier version and does not name its network"):
        reopen_encoder(header, tmp_path, Runtime())
    source = open_encoder(header, tmp_path, Runtime()).weights
    named = FeatureHeader(*("vit_tiny_patch16_224", "token", (-1,), 64, 16, 192, "mean", False), True, "float32",
                          str(path), source)  # fmt: skip
    assert reopen_encoder(named, tmp_path, Runtime()).weights == source
    with torch.no_grad():
        model.norm.weight.add_(1)
    save_file(model.state_dict(), path)
    with pytest.raises(UsageError, match=r"was made with the weights tiny\.safetensors sha256:\w+, found are tiny"):
        reopen_encoder(named, tmp_path, Runtime())
