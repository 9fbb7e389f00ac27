"""Pictures that are their own masks: what must survive survives, whatever the network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from scipy import ndimage

from segpipe.base.geometry import Box, Size
from segpipe.commands.robustness import measure as probe_run
from segpipe.commands.robustness.measure import CorruptionSetup, choose_images, corrupt_and_segment, read_picture
from segpipe.ops.corruptions.registry import CORRUPTIONS
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.corruption import CorruptedImage, Corruption
from segpipe.records.legend import Legend, plain_legend
from tests.helpers.digests import sha256_of

CLASSES = 4


def by_brightness(segmenter: object, rgb: np.ndarray, valid: np.ndarray | None, *, name: str) -> np.ndarray:
    """The class of a pixel is its brightness in quarters."""
    mask = rgb[..., 0] // 64
    return mask if valid is None else np.where(valid, mask, 255).astype(np.uint8)


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    monkeypatch.setattr(probe_run, "segment_picture", by_brightness)
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((120, 160)), 12)
    gray = np.clip(128 + 70 * noise / noise.std(), 0, 255).astype(np.uint8)
    alpha = np.full_like(gray, 255)
    alpha[:30, :50] = 0
    for name, channels in (("a", [gray] * 3), ("b", [gray, gray, gray, alpha])):
        Pillow.fromarray(np.stack(channels, axis=-1)).save(tmp_path / f"{name}.png")
    images = tuple(
        Image(
            name,
            f"{name}.png",
            Size(120, 160),
            "uint8",
            sha256_of(tmp_path / f"{name}.png"),
            (tmp_path / f"{name}.png").stat().st_size,
        )
        for name in "ab"
    )
    boxes = (Crop(0, Box(0, 0, 120, 160)), Crop(1, Box(0, 0, 120, 160)))
    return Corpus(tmp_path, images, boxes)


def kept(corpus: Corpus, index: int, *disturbances: Corruption, **more: Any) -> np.ndarray:
    """Share of pixels kept for every disturbance and level."""
    setup = CorruptionSetup(None, plain_legend(CLASSES), disturbances, side=960, seed=0)  # type: ignore[arg-type]
    counts = corrupt_and_segment(setup, corpus, index, show=False, **more).counts
    return np.asarray(counts[:, 0].sum(axis=1) / counts[:, 1].sum(axis=1))


def plain(name: str, change: Any) -> Corruption:
    return Corruption(name, "light", (1,), "", lambda rgb, level, rng: CorruptedImage(change(rgb)))


@pytest.mark.parametrize("index", [0, 1])
def test_what_changes_nothing_scores_exactly_one(corpus: Corpus, index: int) -> None:
    stays = Corruption("stays", "geometry", (1,), "", lambda rgb, level, rng: CorruptedImage(rgb, back=np.eye(3)))
    assert kept(corpus, index, plain("nothing", lambda rgb: rgb), stays).tolist() == [1.0, 1.0]


def test_what_swaps_the_classes_scores_nothing(corpus: Corpus) -> None:
    assert kept(corpus, 0, plain("negative", lambda rgb: 255 - rgb)).tolist() == [0.0]


@pytest.mark.parametrize("index", [0, 1])
def test_what_moves_the_picture_moves_the_mask(corpus: Corpus, index: int) -> None:
    """Off the borders of classes nothing changes; there are about 3% of border pixels."""
    for name in ("rotation", "viewpoint", "zoom-in", "zoom-out"):
        assert kept(corpus, index, CORRUPTIONS[name]).min() > (0.9 if name == "zoom-out" else 0.96), name


def test_pixels_that_something_lies_on_are_not_judged(corpus: Corpus) -> None:
    for name in ("scratches", "text", "lines", "occlusion", "clutter"):
        assert (kept(corpus, 0, CORRUPTIONS[name]) == 1.0).all(), name


def test_transparent_pixels_are_never_counted(corpus: Corpus) -> None:
    setup = CorruptionSetup(None, plain_legend(CLASSES), [CORRUPTIONS["bright"]], side=960, seed=0)  # type: ignore[arg-type]
    assert (
        corrupt_and_segment(setup, corpus, 1, show=False).counts[:, 1].sum(axis=1).tolist() == [120 * 160 - 30 * 50] * 3
    )


def test_clusters_of_one_name_are_one_class(corpus: Corpus) -> None:
    """Brightness shifted by a quarter changes all clusters; where two and two are one class, half the pixels stay."""
    shifted = plain("shift", lambda rgb: np.clip(rgb.astype(int) + 64, 0, 255).astype(np.uint8))
    legend = Legend(("dark", "light"), np.zeros((2, 3), np.uint8), np.array([0, 0, 1, 1]))
    setup = CorruptionSetup(None, legend, [shifted], side=960, seed=0)  # type: ignore[arg-type]
    counts = corrupt_and_segment(setup, corpus, 0, show=False).counts[0]
    assert 0.2 < counts[0].sum() / counts[1].sum() < 0.8
    assert counts[0, 1] == counts[1, 1]  # what was light is light


def test_pictures_are_shown_only_where_wanted(corpus: Corpus) -> None:
    setup = CorruptionSetup(None, plain_legend(CLASSES), [CORRUPTIONS["dark"]], side=100, seed=0)  # type: ignore[arg-type]
    assert corrupt_and_segment(setup, corpus, 0, show=False).shown == ()
    shown = corrupt_and_segment(setup, corpus, 0, show=True).shown
    assert [each.shape for each in shown] == [(75, 100, 3)] * 4


def test_a_photograph_is_scaled_and_a_window_is_not(corpus: Corpus) -> None:
    rgb, valid = read_picture(corpus, 0, side=80, seed=0)
    assert rgb.shape == (60, 80, 3)
    assert valid is None
    assert read_picture(corpus, 1, side=80, seed=0)[1] is not None
    windows = tuple(Crop(0, Box(top, left, 64, 64)) for top in (0, 56) for left in (0, 48, 96))
    windowed = Corpus(corpus.root, corpus.images[:1], windows)
    whole = np.asarray(Pillow.open(corpus.root / "a.png"))
    found = [read_picture(windowed, 0, side=32, seed=seed)[0] for seed in range(12)]
    cuts = [whole[crop.box.slices] for crop in windows]
    places = [next(i for i, cut in enumerate(cuts) if (cut == rgb).all()) for rgb in found]
    assert len(set(places)) > 1


def test_images_are_spread_over_the_corpus() -> None:
    assert choose_images(5, 0, seed=0) == choose_images(5, 7, seed=0) == [0, 1, 2, 3, 4]
    for seed in range(5):
        chosen = choose_images(100, 10, seed=seed)
        assert [place // 10 for place in chosen] == list(range(10))
        assert chosen == choose_images(100, 10, seed=seed)
    assert choose_images(100, 10, seed=0) != choose_images(100, 10, seed=1)
