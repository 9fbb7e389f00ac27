"""From images to features of their crops, by encoders whose answers are known."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.errors import CorpusError, MachineError
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.inference import extraction
from segpipe.inference.encoder import Encoder
from segpipe.inference.extraction import describe_crops, describe_shards, read_cuts, sample_patches, sample_rows
from segpipe.ops.maps.crops import Cut
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.features import FeatureHeader
from segpipe.store.features import CropFeatures
from tests.helpers.digests import sha256_of
from tests.helpers.striped_corpus import COLORS, MOSAIC, Striped, plant

HEADER = FeatureHeader("colors", "token", (-1,), 64, 8, 3, "mean", flipped=False)
Described = tuple[np.ndarray, np.ndarray | None]
Describe = Callable[[np.ndarray], Described]


@pytest.fixture(scope="module")
def striped(tmp_path_factory: pytest.TempPathFactory) -> Striped:
    return plant(tmp_path_factory.mktemp("striped"))


def colors(images: np.ndarray) -> Described:
    """The mean color of every patch, and for CLS the color at the top left."""
    n, height, width, _ = images.shape
    patches = images.reshape(n, height // 8, 8, width // 8, 8, 3).mean(axis=(2, 4)).astype(np.float32)
    return patches, images[:, 0, 0].astype(np.float32)


def shards_of(
    corpus: Corpus,
    describe: Callable[[np.ndarray], Described],
    pending: Sequence[range],
    header: FeatureHeader = HEADER,
) -> list[tuple[range, list[CropFeatures]]]:
    return list(describe_shards(corpus, header, pending, describe=describe, batch=4, lanes=2, workers=2))


def seen(striped: Striped, row: int) -> np.ndarray:
    """The colors in the middle of the patches of a crop; where the file says nodata they are black."""
    crop = striped.corpus.crops[row]
    rows, cols = crop.box.top + np.arange(4, 64, 8), crop.box.left + np.arange(4, 64, 8)
    shown = striped.valid[crop.image][np.ix_(rows, cols)]
    return COLORS[striped.truth[crop.image][np.ix_(rows, cols)]] * shown[..., None]


def test_shards_come_in_order_with_the_features_of_their_rows(striped: Striped) -> None:
    found = shards_of(striped.corpus, colors, [range(3), range(5, 11)])
    assert [rows for rows, _ in found] == [range(3), range(5, 11)]
    for rows, features in found:
        for row, item in zip(rows, features, strict=True):
            expected = seen(striped, row)
            shown = expected.any(axis=-1)
            assert item.patches.dtype == np.float16
            np.testing.assert_array_equal(item.valid, shown)
            np.testing.assert_array_equal(item.patches[shown], expected[shown])
            np.testing.assert_allclose(item.vector, expected[shown].mean(axis=0) if shown.any() else 0, rtol=1e-6)
            assert item.flipped is None


def test_the_mirrored_crop_is_described_beside_it_where_wanted(striped: Striped) -> None:
    ((_, features),) = shards_of(striped.corpus, colors, [range(3)], replace(HEADER, flipped=True))
    for item in features:
        assert item.flipped is not None
        np.testing.assert_array_equal(item.flipped, item.patches[:, ::-1])
    assert not np.array_equal(features[0].patches, features[0].patches[:, ::-1])


def cut_of(row: int, color: int, valid: np.ndarray) -> Cut:
    rgb = np.full((16, 16, 3), color, np.uint8)
    rgb[:8, :8] = 7
    return Cut(row, rgb, None, valid)


def test_a_crop_is_pooled_over_patches_that_show_image_or_by_cls() -> None:
    half = np.array([[False, True], [True, True]])
    crops = [cut_of(5, 40, half), cut_of(9, 60, np.zeros((2, 2), bool))]
    mean, cls = (describe_crops(crops, colors, pool=pool, name=str) for pool in ("mean", "cls"))
    assert list(mean) == list(cls) == [5, 9]
    np.testing.assert_allclose(mean[5].vector, 40)
    np.testing.assert_allclose(mean[9].vector, (7 + 3 * 60) / 4)  # nothing shows image: all count
    np.testing.assert_allclose(cls[5].vector, 7)
    plain = describe_crops(crops, lambda images: (colors(images)[0], None), pool="cls", name=str)
    np.testing.assert_allclose(plain[5].vector, 40)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 70_000.0, -70_000.0])
@pytest.mark.parametrize("where", ["patches", "cls"])
def test_features_that_16_bits_cannot_hold_name_the_image(striped: Striped, bad: float, where: str) -> None:
    def describe(images: np.ndarray) -> Described:
        patches, cls = colors(images)
        (patches if where == "patches" else cls)[-1, ..., 0] = bad  # type: ignore[index]
        return patches, cls

    header = replace(HEADER, pool="cls")
    with pytest.raises(MachineError, match=r"photo\.png: .*not finite, or too large for 16 bits; take out the image"):
        shards_of(striped.corpus, describe, [range(2)], header)


def test_an_image_that_changed_since_index_is_named(tmp_path: Path) -> None:
    corpus = plant(tmp_path).corpus
    (corpus.root / "photo.png").write_bytes(b"short")
    with pytest.raises(CorpusError, match=r"photo\.png has changed since it was indexed"):
        shards_of(corpus, colors, [range(2)])


def test_crops_are_cut_where_their_boxes_lie(striped: Striped) -> None:
    rows = striped.corpus.crops_of[MOSAIC]
    cuts = read_cuts(rows, corpus=striped.corpus, header=replace(HEADER, flipped=True))
    assert [item.row for item in cuts] == list(rows)
    for item in cuts:
        box = striped.corpus.crops[item.row].box
        shown = striped.valid[MOSAIC][box.slices]
        np.testing.assert_array_equal(item.rgb[shown], COLORS[striped.truth[MOSAIC][box.slices]][shown])
        assert item.mirrored is not None
        np.testing.assert_array_equal(item.mirrored, item.rgb[:, ::-1])


def test_a_photograph_is_opened_once_a_shard_and_a_mosaic_for_some_windows_at_a_time(
    striped: Striped, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, original = list[str](), extraction.open_original

    @contextmanager
    def counting(corpus: Corpus, image: Image) -> Iterator[Any]:
        opened.append(image.id)
        with original(corpus, image) as read:
            yield read

    monkeypatch.setattr(extraction, "open_original", counting)
    monkeypatch.setattr(extraction, "_WINDOWS", 4)
    shards_of(striped.corpus, colors, [range(11)])
    assert sorted(opened) == ["mosaic"] * 3 + ["photo"]  # nine windows


def many(crops: int) -> Corpus:
    image = Image("a", "a.png", Size(8, 8), "uint8", "", 1)
    return Corpus(Path(), (image,), (Crop(0, Box(0, 0, 8, 8)),) * crops)


@pytest.mark.parametrize("crops", [1, 256, 257, 3000])
def test_a_sample_holds_at_most_256_crops_in_order_and_is_always_the_same(crops: int) -> None:
    rows = sample_rows(many(crops))
    assert len(rows) == len(set(rows)) == min(crops, 256)
    assert rows == sorted(rows) == sample_rows(many(crops))
    assert 0 <= rows[0] <= rows[-1] < crops
    if crops == 3000:  # from all of it; a mean of 256 even draws lies within 4 standard errors
        assert abs(np.mean(rows) - 1500) < 4 * 3000 / np.sqrt(12 * 256)


def test_a_sample_of_patches_leaves_out_those_without_image(striped: Striped) -> None:
    told = []

    def track(items: Iterable[Any], *, total: int, unit: str, done: int = 0) -> Iterator[Any]:
        told.append((total, unit))
        yield from items

    found = list(sample_patches(striped.corpus, HEADER, describe=colors, batch=4, workers=1, track=track))
    assert told == [(11, "sample crops")]
    for row, patches in enumerate(found):
        expected = seen(striped, row)
        shown = expected.any(axis=-1)
        if shown.any():
            np.testing.assert_array_equal(patches, expected[shown])
        else:
            assert patches.shape == (64, 3)  # better these than none
    assert [len(patches) for patches in found[:2]] == [60, 64]


@pytest.mark.parametrize(
    ("cosine", "share", "keeps"),
    [(1.0, 1.0, True), (0.9995, 1.0, True), (0.998, 1.0, False), (0.5, 0.005, True), (0.5, 0.02, False)],
)
def test_bfloat16_may_turn_one_patch_of_a_hundred(
    striped: Striped, monkeypatch: pytest.MonkeyPatch, cosine: float, share: float, keeps: bool
) -> None:
    """Features of float32 lie along one axis; those of bfloat16 are longer, and some are turned by a known angle."""
    assert keeps == verdict(striped, monkeypatch, cosine, share)


def test_bfloat16_that_is_no_number_is_not_kept(striped: Striped, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not verdict(striped, monkeypatch, np.nan, 1.0)


def verdict(striped: Striped, monkeypatch: pytest.MonkeyPatch, cosine: float, share: float) -> bool:
    count = 0

    def open_planted(header: FeatureHeader, folder: Path, runtime: Runtime) -> Encoder:
        def describe(images: np.ndarray) -> Described:
            nonlocal count
            found = np.zeros((1, 8, 8, 2), np.float32)
            found[..., 0] = 1.0
            if header.precision == "bfloat16":
                turned = (count + np.arange(64)) % round(1 / share) == 0
                count += 64
                found.reshape(-1, 2)[turned] = (3 * cosine, 3 * np.sqrt(1 - cosine**2))
            return found, None

        return Encoder(describe, 8, 2, "planted", precision=header.precision)

    monkeypatch.setattr(extraction, "open_encoder", open_planted)
    return extraction.bfloat16_cosine(striped.corpus, HEADER, Path(), Runtime()) >= 0.999


def test_slivers_have_no_say_in_the_classes(tmp_path: Path) -> None:
    """A picture of one row beside a photograph: the network sees streaks, which took classes of their own."""
    images = []
    for name, size in (("photo", (64, 64)), ("sliver", (1, 64))):
        picture = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
        Pillow.fromarray(picture).save(tmp_path / f"{name}.png")
        path = tmp_path / f"{name}.png"
        images.append(Image(name, path.name, Size(*size), "uint8", sha256_of(path), path.stat().st_size))
    crops = (Crop(0, Box(0, 0, 64, 64)), Crop(1, Box(0, 0, 1, 64)))
    both = extraction.read_cuts([0], corpus=Corpus(tmp_path, tuple(images), crops), header=HEADER)
    both += extraction.read_cuts([1], corpus=Corpus(tmp_path, tuple(images), crops), header=HEADER)
    assert [bool(item.valid.any()) for item in both] == [True, False]
    alone = Corpus(tmp_path, (images[1],), (Crop(0, Box(0, 0, 1, 64)),))
    assert extraction.read_cuts([0], corpus=alone, header=HEADER)[0].valid.any()
