import os

import cv2
import pytest

from segpipe.images.muting import mute, quiet_opencv


def test_nothing_is_printed_meanwhile(capfd: pytest.CaptureFixture[str]) -> None:
    with mute():
        os.write(2, b"from C code")
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_opencv_s_level_comes_back() -> None:
    before = cv2.utils.logging.getLogLevel()
    with quiet_opencv():
        assert cv2.utils.logging.getLogLevel() == cv2.utils.logging.LOG_LEVEL_SILENT
    assert cv2.utils.logging.getLogLevel() == before
