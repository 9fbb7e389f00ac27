"""J, F and VC of films, on maps whose every score is computed another way."""

import numpy as np
import pytest

from segpipe.base.runtime import Runtime
from segpipe.images.sequences import LEAST
from segpipe.labels.ground_truth import read_truth
from segpipe.ops.metrics import video_objects as objects
from segpipe.ops.metrics.video_consistency import video_consistency
from segpipe.stages.evaluate.video_scores import score_films
from tests.helpers.film_run import film_corpus, write_labels, write_maps
from tests.helpers.textured import camera_frames

FRAMES, SHAPE = 20, (48, 64)
MATCHING = np.array([1, -1, 0])
"""Label of each cluster."""


def film(frames=FRAMES, seed=0):
    """Labels 0 and 1 with a block that moves, label 2 in no frame, a strip without label; and clusters, some wrong."""
    rng = np.random.default_rng(seed)
    labels, clusters = [], []
    for t in range(frames):
        truth = np.zeros(SHAPE, np.int64)
        truth[12:30, t : t + 20] = 1
        found = np.where(truth == 1, 0, 2)
        found[20:26, 4:18] = 1  # a cluster that is matched with nothing
        found[rng.random(SHAPE) < 0.02] = 0
        found[:, -3:] = 255
        truth[-6:] = -1
        labels.append(truth)
        clusters.append(found)
    return labels, clusters


def score(root, labels, clusters, *, video="dive.mp4", labelled=None, seed=0):
    corpus = film_corpus(root, camera_frames(len(labels)), video=video)
    write_maps(root / "masks", corpus, clusters, classes=3)
    write_labels(root / "labels", corpus, labels)
    for image in corpus.images[labelled:] if labelled else ():
        (root / "labels" / f"{image.id}.png").unlink()
    (root / "classes.txt").write_text("floor\nturtle\nnever\n")
    truth = read_truth(root / "labels", root / "classes.txt", corpus, Runtime())
    return score_films(corpus, truth, root / "masks", MATCHING, Runtime(), seed=seed)


def matched(clusters):
    table = np.full(256, -1)
    table[:3] = MATCHING
    return [table[found] for found in clusters]


def test_j_and_f_are_those_of_each_class_over_the_frames(tmp_path):
    labels, clusters = film()
    found = score(tmp_path, labels, clusters)
    (own,) = found.films
    assert (own.film, own.frames, own.labelled, own.seconds_apart) == ("dive.mp4", FRAMES, FRAMES, 1.0)
    assert list(own.classes) == ["floor", "turtle"]  # the third is in no label
    for name, label in (("floor", 0), ("turtle", 1)):
        truths = [truth == label for truth in labels]
        masks = [(got == label) & (truth >= 0) for got, truth in zip(matched(clusters), labels, strict=True)]
        expected = objects.score_object(zip(truths, masks, strict=True))
        assert (own.classes[name].j, own.classes[name].f) == pytest.approx((expected.j, expected.f))
        assert own.classes[name].jf == pytest.approx(expected.jf)
        assert 0.5 < expected.j < 0.97
    assert own.mean.j == pytest.approx((own.classes["floor"].j + own.classes["turtle"].j) / 2)
    assert found.mean == own.mean


def test_vc_is_of_the_clusters_themselves_and_of_their_labels(tmp_path):
    labels, clusters = film()
    (own,) = score(tmp_path, labels, clusters).films
    held = [np.where(maps == 255, -1, maps) for maps in clusters]
    rows = [(a, b, a == c) for a, b, c in zip(labels, held, matched(clusters), strict=True)]
    for vc, expected in zip((own.vc8, own.vc16), video_consistency(rows), strict=True):
        assert vc.windows == expected.windows
        assert (vc.steady, vc.right) == pytest.approx((expected.steady, expected.right))
        assert vc.right < vc.steady  # the cluster that is matched with nothing stands still
        assert vc.constant == 1
    assert own.note == ""


def test_chance_is_the_same_maps_in_another_order(tmp_path):
    labels, clusters = film()
    clusters = [np.full(SHAPE, t // 7) for t in range(FRAMES)]
    found = [score(tmp_path / str(seed), labels, clusters, seed=seed).films[0] for seed in (0, 0, 1)]
    assert found[0] == found[1]
    assert found[0].vc8.steady == 0  # no window of eight within seven frames of one class
    clusters = [np.full(SHAPE, t // 10) for t in range(FRAMES)]
    halves = score(tmp_path / "halves", labels, clusters).films[0].vc8
    assert halves.steady == pytest.approx(5 / 12)  # of twelve windows three begin in the first half, two in the second
    assert halves.chance < 0.2


def test_vc_needs_labels_on_every_frame(tmp_path):
    (own,) = score(tmp_path, *film(), labelled=12).films
    assert (own.labelled, own.vc8, own.vc16) == (12, None, None)
    assert own.note == "no VC: labels are on 12 of 20 frames, and it takes them on every frame"
    assert own.mean.j > 0.5


def test_a_short_film_has_no_windows(tmp_path):
    found = score(tmp_path, *film(10))
    (own,) = found.films
    assert own.vc8.windows == 2
    assert own.vc16 is None
    assert found.vc16 is None
    assert own.note == "no VC16: 10 frames are too few"


def test_numbered_pictures_are_a_film_in_the_order_of_their_numbers(tmp_path):
    labels, clusters = film(12)
    (own,) = score(tmp_path / "numbered", labels, clusters, video="").films
    (same,) = score(tmp_path / "video", labels, clusters).films
    assert (own.film, own.seconds_apart) == ("trip/f*", None)
    assert own.vc8 == same.vc8
    assert own.mean == same.mean


def test_images_that_are_no_film_have_no_such_scores(tmp_path):
    labels, clusters = film(LEAST - 1)
    assert score(tmp_path, labels, clusters, video="") is None


def test_numbered_pictures_that_are_gone_are_no_film_and_no_error(tmp_path, caplog):
    labels, clusters = film(12)
    assert score(tmp_path, labels, clusters, video="") is not None
    corpus = film_corpus(tmp_path, camera_frames(12), video="")
    (tmp_path / "images" / "trip" / "f1.png").unlink()
    truth = read_truth(tmp_path / "labels", tmp_path / "classes.txt", corpus, Runtime())
    assert score_films(corpus, truth, tmp_path / "masks", MATCHING, Runtime(), seed=0) is None
    assert "whether numbered pictures are a film cannot be seen" in caplog.text


def test_points_have_no_such_scores(tmp_path):
    corpus = film_corpus(tmp_path, camera_frames(9))
    (tmp_path / "points.csv").write_text(f"image,row,column,label\n{corpus.images[0].id},3,4,sand\n")
    truth = read_truth(tmp_path / "points.csv", None, corpus, Runtime())
    assert score_films(corpus, truth, tmp_path / "masks", MATCHING, Runtime(), seed=0) is None
