"""WebM of key frames: bytes of their own, any size and rate, read by FFmpeg (OpenCV's) and by a browser."""

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.images.webm import WebmWriter, key_frame
from tests.helpers import chromium


def picture(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A smooth picture that says its number by its brightness."""
    ramp = np.linspace(0, 40, width, dtype=np.float32)[None, :, None].repeat(height, 0)
    return (ramp + np.array([20 + 5 * number, 90, 200 - 5 * number], np.float32)).astype(np.uint8)


def written(path: Path, pictures: list[np.ndarray], *, fps: float, times: list[int] | None = None) -> Path:
    height, width = pictures[0].shape[:2]
    writer = WebmWriter(path, fps=fps, height=height, width=width)
    for rgb, count in zip(pictures, times or [1] * len(pictures), strict=True):
        writer.append(rgb, count)
    writer.finish()
    writer.close()
    return path


def read(path: Path) -> list[tuple[float, np.ndarray]]:
    capture = cv2.VideoCapture(str(path))
    found = []
    while True:
        done, bgr = capture.read()
        if not done:
            return found
        found.append((capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)))


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 140),
    height=st.integers(1, 40).map(lambda n: 2 * n),
    width=st.integers(1, 40).map(lambda n: 2 * n),
    fps=st.sampled_from([0.05, 0.3, 1.0, 12.5, 24000 / 1001, 25.0, 120.0]),
)
def test_every_frame_comes_back_at_its_time(
    tmp_path_factory: pytest.TempPathFactory, count: int, height: int, width: int, fps: float
) -> None:
    path = tmp_path_factory.mktemp("film") / "a.webm"
    pictures = [picture(i % 30, height, width) for i in range(count)]

    found = read(written(path, pictures, fps=fps))

    assert [time for time, _ in found] == pytest.approx([i / fps for i in range(count)], abs=0.0011)
    for (_, rgb), given_rgb in zip(found, pictures, strict=True):
        assert rgb.shape == given_rgb.shape
        assert np.abs(rgb.mean((0, 1)) - given_rgb.mean((0, 1))).max() < 6


def test_what_it_says_of_itself(tmp_path: Path) -> None:
    capture = cv2.VideoCapture(str(written(tmp_path / "a.webm", [picture(i) for i in range(75)], fps=12.5)))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(12.5)
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 75
    assert capture.set(cv2.CAP_PROP_POS_FRAMES, 60)
    assert np.abs(capture.read()[1].mean((0, 1))[::-1] - picture(60).mean((0, 1))).max() < 6


def test_frames_are_near_what_was_given(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    rgb = cv2.resize(rgb, (320, 240), interpolation=cv2.INTER_CUBIC)
    (_, found), *_ = read(written(tmp_path / "a.webm", [rgb], fps=10))
    assert (
        np.abs(cv2.cvtColor(found, cv2.COLOR_RGB2GRAY).astype(int) - cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)).mean() < 3
    )


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    pictures = [picture(i) for i in range(9)]
    one, two = (written(tmp_path / f"{name}.webm", pictures, fps=10).read_bytes() for name in "ab")
    assert one == two


def test_a_matroska_file_says_so(tmp_path: Path) -> None:
    assert b"matroska" in written(tmp_path / "a.mkv", [picture(0)], fps=10).read_bytes()[:64]


def test_a_key_frame_is_one_of_vp8() -> None:
    content = key_frame(picture(0))
    assert content[3:6] == b"\x9d\x01\x2a"  # start code of a key frame, RFC 6386, 9.1
    assert int.from_bytes(content[6:8], "little"), int.from_bytes(content[8:10], "little") == (64, 48)


@pytest.mark.skipif(chromium.find() is None, reason="there is no chromium")
def test_a_browser_plays_it_and_finds_a_frame(tmp_path: Path) -> None:
    path = written(tmp_path / "a.webm", [picture(i) for i in range(20)], fps=10, times=[1] * 19 + [3])
    film = base64.b64encode(path.read_bytes()).decode()
    (tmp_path / "page.html").write_text(f"<video muted src='data:video/webm;base64,{film}'></video>", "utf-8")
    script = """(async () => {
      const video = document.querySelector('video');
      await new Promise((done) => (video.readyState ? done() : (video.onloadedmetadata = done)));
      await new Promise((done) => { video.onseeked = done; video.currentTime = 1.25; });
      const context = new OffscreenCanvas(64, 48).getContext('2d');
      context.drawImage(video, 0, 0);
      const { data } = context.getImageData(32, 24, 1, 1);
      return JSON.stringify([video.duration, video.videoWidth, video.videoHeight, data[0]]);
    })()"""

    program = chromium.find()
    assert program is not None
    with chromium.open_tab(program) as tab:
        tab.send("Page.navigate", url=(tmp_path / "page.html").as_uri())
        tab.wait("Page.loadEventFired")
        duration, width, height, red = json.loads(tab.evaluate(script))

    assert (duration, width, height) == (2.2, 64, 48)
    assert abs(red - picture(12)[24, 32, 0]) < 6
