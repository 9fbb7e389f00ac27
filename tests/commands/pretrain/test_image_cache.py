"""Images decoded once: gray, deep, transparent, tiny, damaged ones; a cache that was cut off or is of other files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpipe.base.errors import CorpusError, MachineError
from segpipe.base.runtime import Runtime
from segpipe.commands.pretrain import image_cache
from segpipe.commands.pretrain.image_cache import ImageCache, cache_bytes, listing_key, needed_side, open_cache, peek
from segpipe.images.listing import list_images
from tests.helpers.full_disk import room_for
from tests.helpers.photos import InProcess, draw_photos

RUNTIME = Runtime(workers=1)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_cache, "Guards", InProcess)


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    folder, rng = tmp_path / "odd", np.random.default_rng(0)
    folder.mkdir()
    Image.fromarray(rng.integers(0, 256, (90, 70), dtype=np.uint8)).save(folder / "gray.png")
    Image.fromarray(rng.integers(0, 65536, (60, 70), dtype=np.uint16)).save(folder / "deep.png")
    Image.fromarray(rng.integers(0, 256, (50, 70, 4), dtype=np.uint8) | 128).save(folder / "rgba.png")
    Image.fromarray(rng.integers(0, 256, (1, 2, 3), dtype=np.uint8)).save(folder / "tiny.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    return folder


def test_every_kind_becomes_rgb_no_larger_than_needed(odd: Path, tmp_path: Path) -> None:
    cache = open_cache(tmp_path / "cache", list_images(str(odd)), 40, RUNTIME)
    assert cache.paths == ["deep.png", "gray.png", "rgba.png", "tiny.png"]
    assert [cache.read(i).shape for i in range(4)] == [(40, 47, 3), (51, 40, 3), (40, 56, 3), (1, 2, 3)]
    assert cache.read(0).std() > 10
    assert [item.path for item in cache.rejected] == ["broken.jpg"]
    with pytest.raises(ValueError, match="read-only"):
        cache.read(0)[0] = 1


@pytest.mark.usefixtures("in_process")
def test_pixels_are_the_images_own_where_they_are_small(tmp_path: Path) -> None:
    photos = draw_photos(tmp_path / "photos", 3)
    cache = open_cache(tmp_path / "cache", list_images(str(photos)), 500, RUNTIME)
    for i, name in enumerate(cache.paths):
        np.testing.assert_array_equal(cache.read(i), np.asarray(Image.open(photos / name)))


@pytest.mark.usefixtures("in_process")
def test_a_whole_cache_is_used_again_and_another_is_made_anew(tmp_path: Path) -> None:
    photos, home = draw_photos(tmp_path / "photos", 3), tmp_path / "cache"
    listing = list_images(str(photos))
    open_cache(home, listing, 40, RUNTIME)
    made = (home / "pixels.bin").stat().st_mtime_ns
    open_cache(home, listing, 40, RUNTIME)
    assert (home / "pixels.bin").stat().st_mtime_ns == made
    draw_photos(photos, 4)
    assert len(open_cache(home, list_images(str(photos)), 40, RUNTIME)) == 4
    assert listing_key(listing, 40) != listing_key(listing, 41)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("damage", ["no index", "cut", "no json"])
def test_a_cache_that_was_cut_off_is_made_anew(tmp_path: Path, damage: str) -> None:
    photos, home = draw_photos(tmp_path / "photos", 2), tmp_path / "cache"
    listing = list_images(str(photos))
    whole = open_cache(home, listing, 40, RUNTIME).read(1).copy()
    if damage == "no index":
        (home / "index.json").unlink()
    elif damage == "cut":
        (home / "pixels.bin").write_bytes((home / "pixels.bin").read_bytes()[:-5])
    else:
        (home / "index.json").write_text("{", "utf-8")
    assert peek(home) is None
    np.testing.assert_array_equal(open_cache(home, listing, 40, RUNTIME).read(1), whole)


@pytest.mark.usefixtures("in_process")
def test_not_one_image_and_no_room(tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"nothing")
    with pytest.raises(CorpusError, match=r"no image can be used: a\.jpg"):
        open_cache(tmp_path / "cache", list_images(str(folder)), 40, RUNTIME)
    photos = draw_photos(tmp_path / "photos", 4)
    with room_for(10_000), pytest.raises(MachineError, match="ulimit -f"):
        open_cache(tmp_path / "cache", list_images(str(photos)), 72, RUNTIME)
    with pytest.raises(FileNotFoundError):
        ImageCache(tmp_path / "nothing")


def test_no_crop_has_to_be_enlarged() -> None:
    assert needed_side([(224, 0.4)]) == 355
    assert needed_side([(224, 0.4), (96, 0.05)]) == 430
    assert cache_bytes(1000, 430) == pytest.approx(832e6, rel=0.01)
