"""Scores under a settled matching, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, jaccard_score

from segpipe.ops.metrics.cluster_scores import pair_of, rate, rate_names, score_images
from segpipe.ops.metrics.confusion import confusion, pooled
from segpipe.ops.metrics.matching import NO_CLASS
from segpipe.records.legend import Legend, plain_legend
from segpipe.records.scores import Confusion, LabelCounts, Pair, confusion_of, join

CLASSES = ("Sand", "coral", "algae")


def drawn(images: int, *, seed: int) -> tuple[Confusion, np.ndarray, np.ndarray]:
    """Labels of three classes and clusters of five, pixel by pixel, and their counts."""
    rng = np.random.default_rng(seed)
    labels, clusters = rng.integers(0, 3, (images, 400)), rng.integers(0, 5, (images, 400))
    pairs = zip(labels, clusters, strict=True)
    counts = join([confusion_of(confusion(a, b, n_classes=3, n_clusters=5)) for a, b in pairs])
    return counts, labels, clusters


def legend(names: tuple[str, ...], classes_of: list[int]) -> Legend:
    return Legend(names, np.zeros((len(names), 3), np.uint8), np.array(classes_of))


def test_a_named_map_is_judged_as_scikit_learn_judges_its_classes() -> None:
    counts, labels, clusters = drawn(6, seed=0)
    # cluster 2 is left out of the map, `rock` is no label: their pixels are errors, not dropped
    own = legend(("sand", "CORAL", "rock"), [0, 1, -1, 1, 2])
    found = rate_names(LabelCounts(counts, np.arange(6), 300, 0), CLASSES, own)
    assert found is not None
    named, images = found
    said = np.array([0, 1, 9, 1, 9])[clusters]
    ious = jaccard_score(labels.ravel(), said.ravel(), labels=[0, 1, 2], average=None, zero_division=0)
    assert named.accuracy == pytest.approx(accuracy_score(labels.ravel(), said.ravel()))
    assert [named.per_class_iou[name] for name in CLASSES] == pytest.approx(ious.tolist())
    assert named.miou == pytest.approx(ious.mean())
    assert named.matching == {"sand": "Sand", "CORAL": "coral", "rock": None}
    assert images.accuracy() == pytest.approx([accuracy_score(a, b) for a, b in zip(labels, said, strict=True)])
    assert named.accuracy_ci is not None
    assert named.accuracy_ci[0] < named.accuracy < named.accuracy_ci[1]


def test_the_one_to_one_scores_are_those_of_a_map_named_by_its_matching() -> None:
    counts, _, _ = drawn(4, seed=1)
    matching = np.array([2, NO_CLASS, 0, 1, NO_CLASS])
    rated, images = rate(counts, CLASSES, matching, resamples=300, seed=7)
    own = legend(("algae", "sand", "coral"), [0, -1, 1, 2, -1])
    found = rate_names(LabelCounts(counts, np.arange(4), 300, 7), CLASSES, own)
    assert found is not None
    assert found[0].model_dump(exclude={"matching"}) == rated.model_dump()
    assert found[1].tp.tolist() == images.tp.tolist()


@pytest.mark.parametrize("names", [("rock", "mud", "grass"), ("class 0", "class 1", "class 2")])
def test_names_that_no_label_has_give_no_scores(names: tuple[str, ...]) -> None:
    counts, _, _ = drawn(2, seed=2)
    found = LabelCounts(counts, np.arange(2), 100, 0)
    assert rate_names(found, CLASSES, legend(names, [0, 1, 2, 0, 1])) is None
    assert rate_names(found, ("class 0", "b", "c"), plain_legend(5)) is None  # numbers are no names


def test_one_image_has_scores_and_no_interval() -> None:
    counts = confusion_of(np.array([[6, 2, 0], [1, 3, 0]]))
    rated, images = rate(counts, ("a", "b"), np.array([0, 1]), resamples=0, seed=0)
    assert (rated.accuracy, rated.accuracy_ci, rated.miou_ci) == (9 / 12, None, None)
    (line,) = score_images(["bay/b"], images)
    assert (line.id, line.labelled_pixels, line.accuracy) == ("bay/b", 12, 9 / 12)
    assert line.miou == pytest.approx((6 / 9 + 3 / 6) / 2)


def test_nothing_labelled_has_no_scores() -> None:
    nothing = confusion_of(np.zeros((2, 3), np.int64))
    rated, images = rate(nothing, ("a", "b"), np.array([0, 1]), resamples=100, seed=0)
    assert (rated.accuracy, rated.miou, rated.per_class_iou) == (None, None, {"a": None, "b": None})
    assert np.isnan(images.accuracy()).all()
    assert pair_of(pooled(images)) == Pair(accuracy=None, miou=None)
