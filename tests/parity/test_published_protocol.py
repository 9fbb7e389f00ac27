"""The published protocol against values that STEGO's own code gave: its metric, and the image its CRF was shown.

Made by running github.com/mhamilton723/STEGO: `UnsupervisedMetrics` with and without its matching; `ClusterLookup` and
`dense_crf` (on pydensecrf2 1.1) in the order of `eval_segmentation.py`.
"""

import numpy as np
import pytest

from segpipe.base.geometry import Size, plan_grid
from segpipe.ops.crf.dense_crf import Crf
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.ops.metrics.cluster_scores import pair_of
from segpipe.ops.metrics.confusion import confusion, pooled, tally
from segpipe.records.scores import confusion_of
from segpipe.stages.evaluate import stego_views
from segpipe.stages.evaluate.scoring import score_clusters


def drawn(seed: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Labels and clusters of as many classes, some without a label, some without a pixel, some pixels without label."""
    rng = np.random.RandomState(seed)  # its stream never changes
    n = rng.randint(2, 8)
    size = rng.randint(4, 200)
    labels, clusters = rng.randint(-1, n, size), rng.randint(0, n, size)
    if rng.rand() < 0.7:
        labels[labels == rng.randint(n)] = -1
    if rng.rand() < 0.5:
        labels[labels == rng.randint(n)] = 0
    if rng.rand() < 0.5:
        clusters[clusters == rng.randint(n)] = rng.randint(n)
    if rng.rand() < 0.5:
        same = (rng.rand(size) < 0.6) & (labels >= 0)
        clusters[same] = (labels[same] + 1) % n
    return n, labels, clusters


# seed: mIoU and accuracy with STEGO's matching, and without (its linear probe's), in percent
STEGO = {
    3: (10.73771, 26.66667, 10.63967, 26.66667),
    5: (41.41802, 65.28926, 5.47685, 10.7438),
    8: (43.3889, 70.0, 1.97849, 3.33333),
    13: (24.06349, 39.81481, 17.30769, 31.48148),
    21: (28.33333, 44.44444, 12.22222, 22.22222),
    34: (25.64962, 41.23711, 18.16121, 30.92783),
    55: (15.78926, 28.09917, 5.70653, 11.57025),
    89: (30.30303, 56.52174, 4.89583, 13.04348),
    144: (12.50893, 26.80412, 5.77712, 14.43299),
    233: (42.01131, 63.95349, 4.61562, 8.13954),
}


@pytest.mark.parametrize("seed", STEGO)
def test_scores_are_those_of_stegos_metric(seed: int) -> None:
    n, labels, clusters = drawn(seed)
    counts = confusion_of(confusion(labels, clusters, n_classes=n, n_clusters=n))
    matched, _, _ = score_clusters(counts, "abcdefg"[:n], resamples=20, seed=0, absent=True)
    probe = pair_of(pooled(tally(counts, np.arange(n))), absent=True)
    found = (matched.miou, matched.accuracy, probe.miou, probe.accuracy)
    assert [100 * (value or 0) for value in found] == pytest.approx(STEGO[seed], abs=2e-5)


def test_a_cluster_matched_to_a_class_in_no_label_is_a_zero_there_alone() -> None:
    counts = confusion_of(confusion(np.array([0, 0]), np.array([0, 1]), n_classes=2, n_clusters=2))
    published, _, _ = score_clusters(counts, "ab", resamples=20, seed=0, absent=True)
    assert (published.accuracy, published.miou) == (0.5, 0.25)  # STEGO's metric: 50.0 and 25.0
    assert published.per_class_iou == {"a": 0.5, "b": 0.0}
    assert published.matching == {"0": "a", "1": "b"}
    whole, _, _ = score_clusters(counts, "ab", resamples=20, seed=0)
    assert (whole.accuracy, whole.miou) == (0.5, 0.5)
    assert whole.per_class_iou == {"a": 0.5, "b": None}
    assert whole.matching == {"0": "a", "1": None}


# levels of red, green and blue that come back one lower from STEGO's normalization: float32, decimals cut off
LOWER = (
    {*range(1, 62), 64, 65, 242} - {4, 60},
    {*range(1, 32), 55, 58, 244, 246, 248, 250, 252, 254},
    {*range(1, 32), 40, 43, 46, 220, 226},
)


def test_colors_are_those_that_stegos_crf_sees() -> None:
    levels = np.arange(256, dtype=np.uint8)
    seen = stego_views.crf_colors(np.stack([levels] * 3, axis=-1)[None])[0]
    for channel, lower in enumerate(LOWER):
        expected = [level - (level in lower) for level in range(256)]
        assert seen[:, 2 - channel].tolist() == expected


def textured() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A crop of 32 x 32, codes (4, 4, 5) of it and of its mirror image, and six directions (6, 5)."""
    rng = np.random.RandomState(1)
    codes, mirrored = (rng.normal(size=(4, 4, 5)).astype(np.float32) for _ in range(2))
    centers = rng.normal(size=(6, 5)).astype(np.float32)
    flat = np.kron(rng.randint(256, size=(4, 4, 3)), np.ones((8, 8, 1)))
    rgb = np.clip(flat + rng.randint(-12, 13, size=(32, 32, 3)), 0, 255).astype(np.uint8)
    return rgb, codes, mirrored, centers / np.linalg.norm(centers, axis=1, keepdims=True)


# of the same crop; where classes are closest they are 0.036 apart
CLASSES = """
00000000333333300000000000000000
00000000333333300000000000000000
00000000333333300000000000000000
00000000333333300000000000000044
00000000333333300000000000000004
00000000333333300000000000004444
00000000355533000000000000444444
00000000555555000000000000444444
00044445555555500000000004444444
44444445555555500000000044444444
44444445555555500000000444444444
54444455555555550000333444444444
44444454555555550333333314444444
44444444555550500333333314114444
44444444455555000333333311144444
44444444555450050333333311111414
44444444444400003333333311111111
44444444444440003333333311111111
44444444444444003333333311111111
44444444444440003333333311111111
44444444444444442333333311111111
44444444444444443333332221111111
44444444444444442233333222144444
44444444444444443333323224444444
44455544444444444444444444444444
55555554444444444444444444444444
55555544444444444444444444444444
55555544444444444444444444444444
55555544444444444444444444444444
55555544444444444444444444444444
55555544444444444444444444444444
55555544444444444444444444444444
"""


def classified() -> np.ndarray:
    rgb, codes, mirrored, centers = textured()
    grid = plan_grid(Size(32, 32), side=32, patch=8)
    return stego_views.classify_crop(codes, mirrored, grid, rgb, SegmentConfig(centers, crf=Crf()))


def test_classes_of_a_textured_crop_are_stegos(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = np.array([[int(digit) for digit in row] for row in CLASSES.split()])
    assert np.array_equal(classified(), expected)
    own = stego_views.crf_colors
    monkeypatch.setattr(stego_views, "crf_colors", lambda rgb: np.ascontiguousarray(own(rgb)[..., ::-1]))
    assert 0.01 < np.mean(classified() != expected) < 0.05  # RGB: the order of the channels matters
    monkeypatch.setattr(stego_views, "crf_colors", lambda rgb: np.ascontiguousarray(rgb[..., ::-1]))
    assert 0.01 < np.mean(classified() != expected) < 0.05  # and so does a gray level
