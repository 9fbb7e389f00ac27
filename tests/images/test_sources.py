"""Images of a folder and frames of a video, in order, cropped and resized."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, Size
from segpipe.images import sources
from segpipe.images.listing import Listing, list_images
from segpipe.images.sources import ImageSource, SourceImage, VideoSource, in_frame_order
from segpipe.images.transform import CropResize
from segpipe.images.video import BadVideo
from segpipe.records.corpus import Rejected
from tests.helpers import misbehaving
from tests.helpers.films import scene_frames, write_film


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(10):
        Image.fromarray(np.full((20, 30, 3), 20 * i, np.uint8)).save(tmp_path / f"{i}.png")
    Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(tmp_path / "3.png")
    return tmp_path


def test_a_folder_in_order_with_what_cannot_be_cropped(folder: Path) -> None:
    source = ImageSource(list_images(str(folder)), CropResize(Box(2, 4, 10, 12), Size(5, 6)), workers=3)
    entries = list(source)
    assert len(source) == len(entries) == 10
    for i, entry in enumerate(entries):
        if i == 3:
            assert isinstance(entry, Rejected)
            assert (entry.path, "reaches outside its 5 rows" in entry.reason) == ("3.png", True)
        else:
            assert isinstance(entry, SourceImage)
            assert (entry.name, entry.size, entry.valid) == (str(i), Size(5, 6), None)
            assert (entry.rgb == 20 * i).all()


def test_a_range_and_a_spread_sample(folder: Path) -> None:
    listing = list_images(str(folder))
    some = ImageSource(listing, CropResize(), workers=1, chosen=slice(6, 8))
    assert [entry.name for entry in some if isinstance(entry, SourceImage)] == ["6", "7"]
    whole = ImageSource(listing, CropResize(Box(0, 0, 10, 10)), workers=1)
    assert [image.name for image in whole.sample(5)] == ["1", "5", "7", "9"]  # "3" is too small


def test_frames_are_ordered_by_their_numbers() -> None:
    listing = Listing(Path(), ("f10.png", "f9.png", "e/f2.png", "f1.png"), ())
    assert in_frame_order(listing).paths == ("e/f2.png", "f1.png", "f9.png", "f10.png")


def test_frames_of_a_video(tmp_path: Path) -> None:
    film = write_film(tmp_path / "dive.avi", [4, 4])
    source = VideoSource(film, CropResize(resize=32), start=2, stop=6)
    found = [entry for entry in source if isinstance(entry, SourceImage)]
    assert [image.name for image in found] == [f"dive/{i:06}" for i in range(2, 6)]
    assert source.fps == pytest.approx(10)
    assert {image.size for image in found} == {Size(24, 32)}
    for image, rgb in zip(found, scene_frames([4, 4])[2:6], strict=True):
        assert image.rgb[-1, 0].astype(int) == pytest.approx(rgb[-1, 0].astype(int), abs=12)
    assert len(list(source.sample(2))) == 2


def test_a_video_too_small_for_the_crop_and_one_that_ends_before_its_range(tmp_path: Path) -> None:
    film = write_film(tmp_path / "dive.avi", [4])
    with pytest.raises(UsageError, match="reaches outside its 48 rows and 64 columns"):
        VideoSource(film, CropResize(Box(0, 0, 50, 10)))
    (entry,) = VideoSource(film, CropResize(), start=9)
    assert isinstance(entry, Rejected)
    assert entry.reason == "frame 9 lies beyond its end, 4 could be read"


def test_an_image_that_kills_its_decoder_is_left_out_and_the_others_go_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ImageSource(list_images(str(folder)), CropResize(), workers=2)
    with monkeypatch.context() as patch:
        patch.setattr(sources, "_read", misbehaving.crash_at)
        for entry in source:
            assert isinstance(entry, Rejected)
            assert entry.reason == "the decoder crashed (SIGSEGV)"
    monkeypatch.setattr(sources, "memory_for", lambda pixels: 4 << 20)
    Image.fromarray(np.zeros((3000, 3000, 3), np.uint8)).save(folder / "4.png")
    entries = list(source)
    assert [entry.path for entry in entries if isinstance(entry, Rejected)] == ["4.png"]
    assert "GiB of memory to decode" in next(entry.reason for entry in entries if isinstance(entry, Rejected))


def test_a_video_that_kills_its_decoder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = write_film(tmp_path / "dive.avi", [4])
    source = VideoSource(film, CropResize())
    monkeypatch.setattr(source, "_open", partial(misbehaving.crash_at, film))
    with pytest.raises(BadVideo, match=r"dive\.avi: the decoder crashed"):
        list(source)
