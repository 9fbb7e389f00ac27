"""Masks whole, in parts and cleaned, work that is shared among threads, and names that are no text."""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.records.corpus import Image
from segpipe.stages.export import FORMATS
from segpipe.stages.export.formats.source import Source
from tests.helpers.planted_export import LEFT_OUT, NAMES, in_tiles, named, plant, planted_mask


def test_names_that_are_no_text_do_not_stop_an_export(tmp_path: Path) -> None:
    raw = base64.b64decode("YWL/").decode("utf-8", "surrogateescape")  # "ab" and a byte that begins no character
    source = plant(tmp_path, names=("photo",))
    image = replace(named(source, "photo"), id=raw, path=f"{raw}.png")
    index = [{**source.index[0], "id": raw, "file": f"{raw}.png"}]
    renamed = replace(source, corpus=replace(source.corpus, images=(image,)), index=index)
    (tmp_path / "images/photo.png").rename(tmp_path / "images" / f"{raw}.png")
    (tmp_path / "masks/photo.png").rename(tmp_path / "masks" / f"{raw}.png")
    for name, export in FORMATS.items():
        if name not in ("points", "cog", "geojson", "certainty", "video"):  # of other images
            assert export(renamed, tmp_path / "out") >= 1
    assert (
        json.loads((tmp_path / "out/coco/annotations.json").read_text("utf-8"))["images"][0]["file_name"] == "ab?.png"
    )


@pytest.mark.parametrize("side", [None, 16])
def test_a_mask_is_the_same_whole_and_in_parts(tmp_path: Path, side: int | None) -> None:
    source = plant(tmp_path, names=("photo",), legend=LEFT_OUT)
    clusters = planted_mask(0, (58, 49))  # classes of the five clusters: 0, 1, 1, 2, none
    expected = np.select([clusters == k for k in range(4)], [0, 1, 1, 2], 255)
    source = source if side is None else in_tiles(source, "photo", side)
    image = named(source, "photo")
    np.testing.assert_array_equal(source.mask(image), expected)
    np.testing.assert_array_equal(source.mask(image, Box(7, 13, 30, 20)), expected[7:37, 13:33])
    strips = [*source.strips(image)]
    assert len(strips) == (1 if side is None else 4)
    np.testing.assert_array_equal(np.concatenate(strips), expected)
    boxes, seen = source.pieces(image), np.zeros(expected.shape, int)
    assert len(boxes) == (1 if side is None else 16)
    for box in boxes:
        seen[box.slices] += 1
    assert (seen == 1).all()
    # of 2 x 7 pixels each the one in their middle
    np.testing.assert_array_equal(source.reduced(image, Size(29, 7)), expected[1::2, 3::7])


@pytest.mark.parametrize("side", [None, 16])
def test_regions_smaller_than_wanted_join_others_and_nothing_is_lost(tmp_path: Path, side: int | None) -> None:
    exact = plant(tmp_path, names=("photo",))
    if side is not None:
        exact = in_tiles(exact, "photo", side)
    source = replace(exact, settings=exact.settings.model_copy(update={"min_area": 9}))
    image = named(source, "photo")

    def areas(mask: np.ndarray) -> list[int]:
        labels = (ndimage.label(mask == k)[0] for k in range(len(NAMES)))
        return sorted(int(area) for found in labels for area in np.bincount(found.ravel())[1:])

    before, after = exact.clean_mask(image), source.clean_mask(image)
    np.testing.assert_array_equal(before, exact.mask(image))
    assert areas(before)[0] == 1
    assert areas(after)[0] >= 9
    np.testing.assert_array_equal(after == 255, before == 255)
    assert sorted(source.regions(image).sizes) == areas(after) == sorted(source.connected(image).sizes)


def test_results_come_in_the_order_of_the_corpus_and_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, str]] = []

    def track(items: Iterable[Any], *, total: int, unit: str, done: int = 0) -> Iterator[Any]:
        told.append((total, unit))
        return iter(items)

    source = replace(plant(tmp_path), runtime=Runtime(workers=3, track=track))
    images = source.corpus.images
    pairs = [*source.map(lambda image: len(image.id), "things")]
    assert pairs == [(image, len(image.id)) for image in images]
    assert [image for image, _ in source.map(lambda image: 0, "few", images[4:1:-1])] == [*images[4:1:-1]]
    assert told == [(9, "things"), (3, "few")]


def test_each_image_gets_a_file_of_its_own_inside_the_folder(tmp_path: Path) -> None:
    source = plant(tmp_path, names=("photo", "rotated/ü 1"))

    def write(image: Image, path: Path) -> None:
        path.write_text(image.id, "utf-8")

    assert source.each(write, tmp_path / "out", ".txt") == 2
    assert (tmp_path / "out/photo.txt").read_text("utf-8") == "photo"
    assert (tmp_path / "out/rotated/ü 1.txt").read_text("utf-8") == "rotated/ü 1"
    assert source.each(write, tmp_path / "one", ".txt", source.corpus.images[:1]) == 1
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["photo.txt"]
    away: Source = replace(
        source,
        corpus=replace(
            source.corpus, images=(replace(source.corpus.images[0], id="../up"),), crops=source.corpus.crops[:1]
        ),
    )
    with pytest.raises(UsageError, match=r"'\.\./up\.txt' does not name a file inside .*; rename the file"):
        away.each(write, tmp_path / "out", ".txt")
    assert not (tmp_path / "up.txt").exists()
