"""What is shown of a run, against slow statements of the same choice."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from segpipe.ops import gallery
from segpipe.records.gallery import Patch


def test_assign_is_the_largest_cosine() -> None:
    rng = np.random.default_rng(0)
    codes, centers = rng.normal(size=(4, 5, 7)), rng.normal(size=(6, 7)).astype(np.float32)
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    labels, cosines = gallery.assign(codes, centers)
    for place in np.ndindex(4, 5):
        slow = [float(codes[place] @ c / np.linalg.norm(codes[place])) for c in centers]
        assert labels[place] == int(np.argmax(slow))
        assert cosines[place] == pytest.approx(max(slow), abs=1e-6)
    labels, cosines = gallery.assign(np.zeros((2, 2, 7)), centers)
    assert (cosines == 0).all()


def test_best_patches_are_the_best_with_at_most_two_of_an_image() -> None:
    rng = np.random.default_rng(1)
    crops = [
        (image, crop, rng.integers(3, size=(9, 9)), rng.random((9, 9))) for crop, image in enumerate([0, 0, 1, 2, 3, 3])
    ]
    valid = rng.random((9, 9)) > 0.2
    kept = gallery.BestPatches(classes=4, keep=5)
    for image, crop, labels, cosines in crops:
        kept.add(labels, cosines, valid, image=image, crop=crop)
    best = kept.best()
    assert best[3] == []
    for label in range(3):
        found = best[label]
        assert len(found) == 5
        assert [p.cosine for p in found] == sorted((p.cosine for p in found), reverse=True)
        assert max(Counter(p.image for p in found).values()) <= 2
        for patch in found:
            _, _, labels, cosines = crops[patch.crop]
            assert labels[patch.row, patch.col] == label
            assert valid[patch.row, patch.col]
            assert cosines[patch.row, patch.col] == patch.cosine
        first = {
            image: max(float(c[(lb == label) & valid].max()) for i, _, lb, c in crops if i == image)
            for image in range(4)
        }
        assert {p.cosine for p in found} >= set(
            first.values()
        )  # every image's best one is there: five places, four images


def test_one_image_gives_two_patches_that_lie_apart() -> None:
    kept = gallery.BestPatches(classes=1, keep=8)
    cosines = np.zeros((8, 8))
    cosines[2, 2], cosines[2, 3], cosines[6, 6] = 0.9, 0.8, 0.5
    kept.add(np.zeros((8, 8), int), cosines, np.ones((8, 8), bool), image=0, crop=0)
    assert [(p.row, p.col) for p in kept.best()[0]] == [(2, 2), (6, 6)]


def test_along_scale_takes_both_ends_and_the_middle() -> None:
    values = np.random.default_rng(2).permutation(21).astype(float)
    groups = {name: [values[i] for i in chosen] for name, chosen in gallery.along_scale(values, 6).items()}
    assert groups == {"worst": [0, 1], "median": [9, 10], "best": [19, 20]}
    assert {name: len(g) for name, g in gallery.along_scale(values, 12).items()} == {"worst": 4, "median": 4, "best": 4}


@pytest.mark.parametrize("n", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 12])
def test_along_scale_never_shows_an_image_twice(n: int, count: int) -> None:
    groups = gallery.along_scale(np.random.default_rng(3).random(n), count)
    chosen = [i for group in groups.values() for i in group]
    assert len(chosen) == len(set(chosen)) == min(n, count)
    assert all(groups.values())


def test_choose_crops_takes_everything_of_a_small_corpus() -> None:
    crops_of = (range(0, 2), range(2, 3))
    assert gallery.choose_crops([], crops_of, count=3, seed=0) == [(0, 0), (0, 1), (1, 2)]


def test_choose_crops_is_bounded_and_takes_the_rare_classes_first() -> None:
    crops_of = tuple(range(5 * i, 5 * i + 5) for i in range(1000))
    chosen = gallery.choose_crops([[7, 8], [900], []], crops_of, count=50, seed=1)
    assert len(chosen) == len(set(chosen)) == 50
    assert chosen == sorted(chosen)
    assert Counter(image for image, _ in chosen)[900] >= 4
    assert all(crop in crops_of[image] for image, crop in chosen)
    assert chosen == gallery.choose_crops([[7, 8], [900], []], crops_of, count=50, seed=1)
    assert chosen != gallery.choose_crops([[7, 8], [900], []], crops_of, count=50, seed=2)
    crowded = gallery.choose_crops([[i] for i in range(300)], crops_of, count=50, seed=0)
    assert len(crowded) == 50


def test_top_images_are_those_that_a_class_covers_most() -> None:
    rng = np.random.default_rng(4)
    index = [
        {
            "seen": 200,
            "pixels": {str(k): int(rng.integers(1, 50)) for k in range(3) if rng.random() > 0.3},
        }
        for _ in range(40)
    ]
    wide = gallery.top_images(index, classes=4, keep=3)
    assert wide[3] == []
    for k in range(3):
        slow = sorted(((e["pixels"].get(str(k), 0) / 200, -i) for i, e in enumerate(index)), reverse=True)[:3]
        assert [(c.share, -c.image) for c in wide[k]] == slow


def test_the_border_of_a_mosaic_takes_no_share() -> None:
    (found,) = gallery.top_images([{"height": 10, "width": 10, "nodata": 60, "pixels": {"0": 40}}], classes=1, keep=1)
    assert found[0].share == 1


@pytest.mark.parametrize("shape", [(200, 16), (200, 2), (1, 5)])
def test_color_axes_are_the_principal_components(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    features = rng.normal(size=shape) * np.linspace(3, 1, shape[1])
    axes = gallery.color_axes(features)
    assert axes.paint(features.reshape(-1, 1, shape[1])).shape == (shape[0], 1, 3)
    if shape[0] > 1:
        _, _, slow = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
        for mine, other in zip(axes.directions, slow[:3], strict=False):
            assert abs(mine @ other) == pytest.approx(1, abs=1e-4)
        painted = axes.paint(features)
        assert painted[:, 0].min() == 0
        assert painted[:, 0].max() == 255


def patches_of(cosines: list[float], image: int) -> list[Patch]:
    return [Patch(image, image, 0, i, cosine) for i, cosine in enumerate(cosines)]


def test_clusters_of_a_class_are_shown_by_their_share() -> None:
    large, small, none = patches_of([0.5, 0.4, 0.3, 0.2], 0), patches_of([0.9, 0.8, 0.7, 0.6], 1), list[Patch]()
    found = gallery.by_share([large, small, none], [900, 100, 50], 4)
    assert [patch.image for patch in found] == [1, 0, 0, 0]
    assert [patch.cosine for patch in found] == [0.9, 0.5, 0.4, 0.3]
    assert [p.image for p in gallery.by_share([large, small, none], [500, 500, 0], 4)] == [1, 1, 0, 0]
    assert [p.image for p in gallery.by_share([large[:1], small], [900, 100], 4)] == [1, 1, 1, 0]  # it has no more
    assert gallery.by_share([large, small], [1, 2], 1) == small[:1]
    assert gallery.by_share([none], [3], 4) == []
