"""Confusion, matching and scores against brute force, scikit-learn and torchmetrics."""

import itertools

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torchmetrics.functional.classification import multiclass_jaccard_index

from segpipe.ops.metrics import bootstrap, matching
from segpipe.ops.metrics import confusion as metrics
from segpipe.ops.metrics.skewed_interval import jackknife_skewness, one_sample
from segpipe.records.scores import confusion_of, join

NODATA = 255


def scene(rng, *, classes, clusters, shape=(9, 11), ignored=0.2, nodata=0.1):
    labels = rng.integers(classes, size=shape)
    found = rng.integers(clusters, size=shape)
    labels[rng.random(shape) < ignored] = -1
    found[rng.random(shape) < nodata] = NODATA
    return labels, found.astype(np.uint8)


def count(labels, found, classes, clusters):
    return metrics.confusion(labels, found, n_classes=classes, n_clusters=clusters, nodata=NODATA)


@pytest.mark.parametrize(("classes", "clusters"), [(4, 4), (3, 7), (6, 2), (1, 1)])
def test_confusion_agrees_with_sklearn_and_loses_nothing(classes, clusters):
    labels, found = scene(np.random.default_rng(1), classes=classes, clusters=clusters)
    table = count(labels, found, classes, clusters)
    kept = labels >= 0
    columns = np.where(found == NODATA, clusters, found)[kept]
    wanted = sk.confusion_matrix(labels[kept], columns, labels=range(max(classes, clusters + 1)))
    assert np.array_equal(table, wanted[:classes, : clusters + 1])
    assert table.sum() == kept.sum()


def test_confusion_refuses_values_outside_their_range():
    with pytest.raises(ValueError, match="label 3 with 3 classes"):
        metrics.confusion(np.array([3]), np.array([0]), n_classes=3, n_clusters=1)
    with pytest.raises(ValueError, match="clusters from 2 to 2"):
        metrics.confusion(np.array([0]), np.array([2]), n_classes=3, n_clusters=1)
    with pytest.raises(ValueError, match=r"labels are \(1,\)"):
        metrics.confusion(np.array([0]), np.array([0, 1]), n_classes=3, n_clusters=1)
    nothing = metrics.confusion(np.array([-1]), np.array([7]), n_classes=3, n_clusters=1)
    assert nothing.shape == (3, 2)
    assert nothing.sum() == 0


def brute_force(table):
    """The most pixels that any one-to-one pairing of clusters and classes can get right."""
    wide = table if table.shape[0] <= table.shape[1] else table.T
    rows = range(wide.shape[0])
    return max(
        wide[rows, list(columns)].sum() for columns in itertools.permutations(range(wide.shape[1]), wide.shape[0])
    )


@pytest.mark.parametrize("clusters", [3, 5, 8])
def test_scores_agree_with_torchmetrics_and_sklearn(clusters):
    """Clusters are renamed to their classes; unmatched ones and no data become one more class, always wrong."""
    classes = 5
    rng = np.random.default_rng(clusters)
    scenes = [scene(rng, classes=classes, clusters=clusters) for _ in range(3)]
    counts = join([confusion_of(count(labels, found, classes, clusters)) for labels, found in scenes])
    one = matching.match_one_to_one(counts.total()[:, :-1])
    names = np.full(256, classes)
    names[:clusters] = np.where(one < 0, classes, one)
    labels = np.concatenate([labels[labels >= 0] for labels, _ in scenes])
    found = np.concatenate([names[found[labels >= 0]] for labels, found in scenes])
    whole = metrics.pooled(metrics.tally(counts, one))
    assert whole.accuracy() == pytest.approx(sk.accuracy_score(labels, found))
    reference = multiclass_jaccard_index(torch.tensor(found), torch.tensor(labels), classes + 1, average="none")
    np.testing.assert_allclose(whole.iou(), reference[:classes], rtol=1e-6)
    assert whole.miou() == pytest.approx(
        sk.jaccard_score(labels, found, labels=range(classes), average="macro", zero_division=0)
    )


def test_tally_of_images_is_what_each_image_alone_gives():
    rng = np.random.default_rng(3)
    scenes = [scene(rng, classes=4, clusters=6) for _ in range(5)]
    singles = [confusion_of(count(labels, found, 4, 6)) for labels, found in scenes]
    counts = join(singles)
    one = matching.match_one_to_one(counts.total()[:, :-1])
    images = metrics.tally(counts, one)
    for i, single in enumerate(singles):
        alone = metrics.pooled(metrics.tally(single, one))
        assert images.support[i].sum() == single.pixels == (scenes[i][0] >= 0).sum()
        assert images.accuracy()[i] == pytest.approx(alone.accuracy())
        assert images.miou()[i] == pytest.approx(alone.miou())


def test_bootstrap_agrees_with_a_plain_loop():
    """Scores of images put together, a draw at a time, and the interval of such draws; the same again by seed."""
    rng = np.random.default_rng(0)
    scenes = [scene(rng, classes=3, clusters=3, ignored=share) for share in rng.random(30)]
    for labels, found in scenes:  # make images differ in quality
        right = rng.random(labels.shape) < rng.random()
        found[right & (labels >= 0)] = labels[right & (labels >= 0)]
    counts = join([confusion_of(count(labels, found, 3, 3)) for labels, found in scenes])
    images = metrics.tally(counts, np.arange(3))
    fields = np.stack([images.tp, images.support, images.predicted])
    found = metrics.bootstrap(images, resamples=4000, seed=1)
    assert found == metrics.bootstrap(images, resamples=4000, seed=1)
    draws = []
    for _ in range(400):
        chosen = rng.integers(len(scenes), size=len(scenes))
        labels = np.concatenate([scenes[i][0].ravel() for i in chosen])
        guess = np.concatenate([scenes[i][1].ravel() for i in chosen])[labels >= 0]
        labels = labels[labels >= 0]
        draws.append(
            (sk.accuracy_score(labels, guess), sk.jaccard_score(labels, guess, labels=range(3), average="macro"))
        )
    whole = metrics.pooled(images)
    rest = [metrics.pooled(metrics.ClassCounts(*np.delete(fields, i, axis=1))) for i in range(len(scenes))]
    skew = jackknife_skewness(np.array([(each.accuracy(), each.miou()) for each in rest]))
    found_whole = np.array([whole.accuracy(), whole.miou()])
    ends = one_sample(np.array(draws), found_whole, len(scenes), ends=(0, 1), skew=skew)
    np.testing.assert_allclose(found, np.transpose(ends), atol=0.03)
    assert found[0][0] < metrics.pooled(images).accuracy() < found[0][1]


def test_bootstrap_in_blocks_is_the_same(monkeypatch):
    images = metrics.ClassCounts(*np.random.default_rng(0).integers(1, 9, (3, 4, 2)).astype(float))
    whole = metrics.bootstrap(images, resamples=100, seed=0)
    monkeypatch.setattr(bootstrap, "AT_ONCE", 28)
    assert metrics.bootstrap(images, resamples=100, seed=0) == whole
