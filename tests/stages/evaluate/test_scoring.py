"""Scores of counts that are worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from segpipe.ops.metrics.cluster_scores import score_images
from segpipe.ops.metrics.probes import linear_probe
from segpipe.records.scores import Confusion, Pair, confusion_of, join
from segpipe.stages.evaluate.scoring import Evidence, ScoreConfig, score, score_clusters, score_probe

CLASSES = ("sand", "coral", "absent")
CONFIG = ScoreConfig(drawn=9, folds=4, resamples=200, seed=0)


def counted(*tables: list[list[int]]) -> Confusion:
    """Images by their tables of classes and clusters; the last column is no data."""
    return join([confusion_of(np.array(table)) for table in tables])


def made() -> Evidence:
    """Two images; cluster 2 is sand too, no pixel is absent, two of coral lie in no data."""
    masks = counted([[8, 0, 0, 0], [0, 6, 0, 2], [0, 0, 0, 0]], [[1, 0, 3, 0], [0, 4, 0, 0], [0, 0, 0, 0]])
    baseline = counted([[8, 0], [8, 0], [0, 0]], [[4, 0], [4, 0], [0, 0]])
    labels = np.tile([0, 0, 0, 1], 40)  # 20 neighbors vote: there are so many of coral in an image
    codes = np.eye(2, dtype=np.float32)[labels]
    lengths = np.array([(1, 0), (3, 0)], np.float32)[labels]
    return Evidence(masks, baseline, codes, lengths, labels, np.repeat([0, 1], 80))


def test_scores_of_two_images_are_those_found_by_hand() -> None:
    scores, images = score(made(), CLASSES, CONFIG, labels_without_image=[f"{i}" for i in range(25)], empty=3)
    assert (scores.images, scores.labelled_pixels, scores.classes) == (2, 24, list(CLASSES))
    found = scores.unsupervised
    assert found.matching == {"0": "sand", "1": "coral", "2": None}
    assert found.weak == ["0"]  # nine pixels; coral has ten, all of them in its cluster
    assert found.per_class_iou == {"sand": pytest.approx(9 / 12), "coral": pytest.approx(10 / 12), "absent": None}
    assert (found.accuracy, found.miou) == (pytest.approx(19 / 24), pytest.approx((9 / 12 + 10 / 12) / 2))
    assert found.accuracy_ci == (0, 1)  # of two images nobody knows how much others would differ
    assert scores.many_to_one.accuracy == pytest.approx(22 / 24)
    assert scores.many_to_one.miou == pytest.approx((1 + 10 / 12) / 2)
    assert (scores.baseline_kmeans.accuracy, scores.baseline_kmeans.miou) == (0.5, 0.25)
    assert scores.linear_probe.codes == scores.knn_probe.codes == Pair(accuracy=1, miou=1)
    assert scores.linear_probe.features == Pair(accuracy=1, miou=1)
    assert scores.knn_probe.features.accuracy <= 0.75  # they differ in length alone, which cosines do not see
    assert (scores.unmatched.labels, scores.unmatched.empty) == (25, 3)
    assert scores.unmatched.examples == [f"{i}" for i in range(20)]
    assert scores.unmatched.absent_classes == ["absent"]
    lines = score_images(["a", "bay/b"], images)
    assert [(line.id, line.labelled_pixels) for line in lines] == [("a", 16), ("bay/b", 8)]
    assert [line.accuracy for line in lines] == [14 / 16, 5 / 8]
    assert [line.miou for line in lines] == [(1 + 6 / 8) / 2, (1 / 4 + 1) / 2]


def test_by_the_published_protocol_a_class_in_no_label_is_matched_and_counts() -> None:
    """Cluster 2, which stood for nothing, is left for it: three pixels and no hit."""
    published = replace(CONFIG, protocol="published")
    scores, images = score(made(), CLASSES, published, labels_without_image=[], empty=0)
    found = scores.unsupervised
    assert found.matching == {"0": "sand", "1": "coral", "2": "absent"}
    assert found.per_class_iou == {"sand": pytest.approx(9 / 12), "coral": pytest.approx(10 / 12), "absent": 0}
    assert (found.accuracy, found.miou) == (pytest.approx(19 / 24), pytest.approx((9 / 12 + 10 / 12) / 3))
    assert found.miou_ci == (0, 1)
    assert (scores.baseline_kmeans.matching, scores.baseline_kmeans.miou) == ({"0": "sand"}, 0.25)
    assert scores.unmatched.absent_classes == ["absent"]
    lines = score_images(["a", "bay/b"], images)
    assert [line.miou for line in lines] == [(1 + 6 / 8) / 2, (1 / 4 + 1) / 2]  # over the classes of their labels


@pytest.mark.parametrize(
    ("protocol", "words"), [("whole", "Whole images at their own size."), ("published", "As STEGO (Hamilton et al.")]
)
def test_the_protocol_is_told_with_its_numbers(protocol: str, words: str) -> None:
    scores, _ = score(made(), CLASSES, replace(CONFIG, protocol=protocol), labels_without_image=[], empty=0)
    assert scores.protocol_name == protocol
    assert scores.protocol.startswith(words)
    assert "(up to 9 per image), cross-validated by image in up to 4 folds" in scores.protocol
    assert "20 neighbours" in scores.protocol


def test_images_of_one_scene_have_no_interval() -> None:
    alone, _ = score(replace(made(), together=np.array([5, 5])), CLASSES, CONFIG, labels_without_image=[], empty=0)
    apart, _ = score(made(), CLASSES, CONFIG, labels_without_image=[], empty=0)
    assert alone.unsupervised.accuracy_ci is alone.unsupervised.miou_ci is alone.baseline_kmeans.accuracy_ci is None
    assert alone.unsupervised.accuracy == apart.unsupervised.accuracy


def test_scores_of_a_scene_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    tables = [rng.integers(1, 50, (3, 4)) for _ in range(6)]
    alone = score_clusters(join([confusion_of(table) for table in tables]), "abc", resamples=200, seed=0)[0]
    film = join([confusion_of(table) for table in tables for _ in range(3)])
    together, _, images = score_clusters(film, "abc", resamples=200, seed=0, together=np.arange(18) // 3)
    assert together.accuracy_ci == pytest.approx(alone.accuracy_ci)
    assert together.miou_ci == pytest.approx(alone.miou_ci)
    assert len(images.tp) == 18  # scores of single frames stay


def test_pixels_of_unmatched_clusters_and_of_nodata_are_errors() -> None:
    """Eight pixels of one class; half in its cluster, the rest in clusters without class and in no data."""
    matched, many, images = score_clusters(counted([[4, 2, 1, 1]]), ["reef"], resamples=100, seed=0)
    assert (matched.accuracy, matched.miou) == (0.5, 0.5)
    assert matched.matching == {"0": "reef", "1": None, "2": None}
    assert (many.accuracy, many.miou) == (7 / 8, 7 / 8)
    assert images.accuracy() == [0.5]
    assert matched.accuracy_ci is None  # the spread between images is unknown with one image


def test_an_absent_class_is_left_out_of_the_mean() -> None:
    matched, _, _ = score_clusters(counted([[0, 2, 0], [0, 0, 0], [1, 1, 0]]), ["a", "b", "c"], resamples=100, seed=0)
    assert matched.per_class_iou == {"a": pytest.approx(2 / 3), "b": None, "c": 0.5}
    assert matched.miou == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_one_image_gives_no_numbers_but_a_reason() -> None:
    labels = np.arange(60) % 3
    vectors = np.eye(3, dtype=np.float32)[labels]
    images = np.zeros(60, np.int64)
    both = {"codes": vectors, "features": vectors}
    probe = score_probe(linear_probe, both, labels, images, n_classes=3, folds=5, seed=0)
    assert probe.codes == probe.features == Pair(accuracy=None, miou=None)
    assert probe.reason == "cross-validation by image needs two labelled images"
