import hashlib
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from segpipe.base.geometry import Size
from segpipe.base.guarded import Guards
from segpipe.images.frames import Choice
from segpipe.images.listing import BandScene, Listing, list_images
from segpipe.images.stack_plan import StackPlan
from segpipe.images.validate import Item, Limits, check, expect_frames, expect_images, find_images
from segpipe.records.corpus import Image, Rejected, frame_path
from tests.helpers.films import scene_frames, write_film

LIMITS = Limits(window=64, bands=(), max_pixels=10_000)


def checked(root: Path, home: Path, choice: Choice, limits: Limits = LIMITS) -> list[Image | Rejected]:
    with Guards(limits.memory) as guards:
        items = find_images(list_images(str(root), videos=True), choice, limits, guards)
        return [check(item, root=root, corpus_dir=home, limits=limits, guards=guards) for item in items]


def test_photographs_and_frames_become_images_and_the_rest_is_told(tmp_path: Path) -> None:
    root, home = tmp_path / "photos", tmp_path / "corpus"
    root.mkdir()
    Pillow.fromarray(np.zeros((20, 30, 3), np.uint8)).save(root / "a.png")
    (root / "b.jpg").write_bytes(b"\xff\xd8 no photograph")
    Pillow.fromarray(np.zeros((200, 300, 3), np.uint8)).save(root / "c.png")
    write_film(root / "d.mp4", [25])
    (root / "e.mp4").write_bytes(b"no video")
    a, b, c, *frames, e = checked(root, home, Choice(every=10))
    assert isinstance(a, Image)
    content = (root / "a.png").read_bytes()
    assert (a.id, a.path, a.size, a.depth, a.bytes) == ("a", "a.png", Size(20, 30), "uint8", len(content))
    assert a.sha256 == hashlib.sha256(content).hexdigest()
    for found, name in ((b, "b.jpg"), (c, "c.png"), (e, "e.mp4")):
        assert isinstance(found, Rejected)
        assert found.path == name
        assert found.reason
    assert "300 x 200 pixels are more than index.max_pixels=10000" in c.reason
    assert [image.moment.index for image in frames] == [0, 10, 20]
    for image, rgb in zip(frames, scene_frames([25])[::10], strict=True):
        assert (image.moment.video, image.size) == ("d.mp4", Size(48, 64))
        with Pillow.open(frame_path(home, image.id)) as picture:
            shown = np.asarray(picture).astype(int)
        assert np.abs(shown - rgb).mean() < 12  # the video is compressed
        assert hashlib.sha256(frame_path(home, image.id).read_bytes()).hexdigest() == image.sha256


def test_a_video_of_large_frames_is_told_once(tmp_path: Path) -> None:
    write_film(tmp_path / "in" / "d.mp4", [5])
    (found,) = checked(tmp_path / "in", tmp_path / "corpus", Choice(every=1), Limits(64, (), 48 * 64 - 1))
    assert isinstance(found, Rejected)
    assert "64 x 48 pixels are more than" in found.reason


def test_what_is_expected_is_what_is_taken(tmp_path: Path) -> None:
    film = write_film(tmp_path / "in" / "d.mp4", [25])
    Pillow.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "e.mp4").write_bytes(b"no video")
    choice = Choice(every=10)
    assert expect_images(list_images(str(tmp_path / "in"), videos=True), choice) == 1 + 3
    expected = expect_frames([film, tmp_path / "in" / "e.mp4"], choice)
    assert expected.frames == 3
    np.testing.assert_allclose(expected.megapixels, 3 * 48 * 64 / 1e6)
    assert expected.decoded + 1e-9 >= 21 * 48 * 64 / 1e6
    assert expected.decoded <= 25 * 48 * 64 / 1e6 + 1e-9


def test_a_video_is_skipped_unopened_where_images_have_channels(tmp_path: Path) -> None:
    limits = Limits(448, (), 1 << 20, stack=StackPlan(("red", "nir")))
    listing = Listing(tmp_path, ("a.tif", "dive.mp4"), (), scenes={"a.tif": BandScene("a.tif", ("=", "nir=a_nir.tif"))})
    with Guards(1 << 30) as guards:
        image, video = find_images(listing, Choice(), limits, guards)
    assert image == Item("a.tif", "a", layers=("=", "nir=a_nir.tif"))
    assert isinstance(video, Rejected)
    assert "a video is red, green and blue" in video.reason
