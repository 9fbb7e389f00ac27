import csv
import json

import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.ops.metrics.cluster_scores import score_images
from segpipe.records.scores import LabelCounts, confusion_of, join
from segpipe.stages.evaluate import scoring
from segpipe.store.scores import (
    load_confusion,
    load_counts,
    load_image_scores,
    load_scores,
    save_counts,
    save_scores,
)

CLASSES = ["sand, fine", "Lophelia pertusa", 'the "third"', "absent"]


def made():
    rng = np.random.default_rng(0)
    tables = rng.integers(0, 50, (3, 4, 6))
    tables[:, 3] = 0
    counts = join([confusion_of(table) for table in tables])
    vectors = rng.normal(size=(60, 5)).astype(np.float32)
    evidence = scoring.Evidence(counts, counts, vectors, vectors, rng.integers(3, size=60), np.arange(60) % 3)
    config = scoring.ScoreConfig(drawn=9, folds=5, resamples=100, seed=0)
    scores, images = scoring.score(evidence, CLASSES, config, labels_without_image=["x"], empty=1)
    return scores, score_images(["a", "b/ö", "c"], images), counts.total()


def test_scores_come_back(tmp_path):
    scores, images, table = made()
    save_scores(scores, images, table, tmp_path)
    assert load_scores(tmp_path) == scores
    assert load_image_scores(tmp_path) == images
    names, counts = load_confusion(tmp_path)
    assert names == CLASSES
    assert np.array_equal(counts, table)


def test_counts_come_back_and_older_runs_give_theirs_without_images(tmp_path):
    rng = np.random.default_rng(1)
    counts = join([confusion_of(table) for table in rng.integers(0, 9, (3, 4, 6))])
    save_counts(LabelCounts(counts, np.array([0, 0, 1]), 50, 3), tmp_path)
    found = load_counts(tmp_path)
    assert np.array_equal(found.counts.total(), counts.total())
    assert found.counts.image.tolist() == counts.image.tolist()
    assert (found.together.tolist(), found.resamples, found.seed) == ([0, 0, 1], 50, 3)
    (tmp_path / "counts.npz").unlink()
    save_scores(*made()[:2], counts.total(), tmp_path)
    older = load_counts(tmp_path)
    assert older.counts.images == 1
    assert np.array_equal(older.counts.total(), counts.total())
    (tmp_path / "counts.npz").write_bytes(b"PK damaged")
    with pytest.raises(UsageError, match="segpipe evaluate"):
        load_counts(tmp_path)


def test_scores_json_has_the_layout_that_was_promised(tmp_path):
    save_scores(*made(), tmp_path)
    text = (tmp_path / "scores.json").read_text("utf-8")
    scores = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert list(scores) == [
        *("images", "labelled_pixels", "classes", "unsupervised", "many_to_one", "linear_probe", "knn_probe"),
        *("baseline_kmeans", "protocol_name", "protocol", "unmatched", "guided", "guide_images"),
    ]
    fields = {"accuracy", "miou", "accuracy_ci", "miou_ci", "per_class_iou", "matching"}
    assert set(scores["unsupervised"]) == fields | {"weak"}
    assert set(scores["baseline_kmeans"]) == fields | {"weak", "many_to_one"}
    assert scores["unsupervised"]["per_class_iou"]["absent"] is None
    assert set(scores["unsupervised"]["matching"]) == set("01234")
    low, high = scores["unsupervised"]["miou_ci"]
    assert 0 <= low <= scores["unsupervised"]["miou"] <= high <= 1
    for probe in ("linear_probe", "knn_probe"):
        for kind in ("codes", "features"):
            assert set(scores[probe][kind]) == {"accuracy", "miou"}
    assert scores["unmatched"] == {"labels": 1, "examples": ["x"], "empty": 1, "absent_classes": ["absent"]}
    header = (tmp_path / "confusion.csv").read_text("utf-8").splitlines()[:1]
    assert next(csv.reader(header)) == ["label", *(f"cluster {k}" for k in range(5)), "no data"]


@pytest.mark.parametrize("load", [load_scores, load_image_scores, load_confusion])
def test_damaged_files_say_what_to_do(load, tmp_path):
    with pytest.raises(UsageError, match="segpipe evaluate"):
        load(tmp_path)
    for name in ("scores.json", "images.jsonl", "confusion.csv"):
        (tmp_path / name).write_text("{\n1,x")
    with pytest.raises(UsageError, match="segpipe evaluate"):
        load(tmp_path)


def test_names_of_classes_are_no_formulas_in_the_confusion_and_come_back(tmp_path):
    scores, images, confusion = made()
    names = ["=1+1", "-", "'@a", *scores.classes[3:]]
    save_scores(scores.model_copy(update={"classes": names}), images, confusion, tmp_path)
    lines = (tmp_path / "confusion.csv").read_text("utf-8").splitlines()[1:4]
    assert [line.split(",")[0] for line in lines] == ["'=1+1", "'-", "''@a"]
    assert load_confusion(tmp_path)[0] == names


def test_a_line_separator_in_a_name_ends_no_line(tmp_path):
    scores, images, confusion = made()
    odd = [image.model_copy(update={"id": f"{image.id}\u2028 \x85"}) for image in images]
    save_scores(scores, odd, confusion, tmp_path)
    assert load_image_scores(tmp_path) == odd
