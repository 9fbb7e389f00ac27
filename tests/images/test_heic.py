"""HEIC photographs: two of 64 x 48 pixels that libheif's own encoder made, four colors in quarters."""

import base64
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import CorpusError
from segpipe.images import heic
from segpipe.images.headers import BadImage, inspect
from segpipe.images.listing import list_images
from segpipe.images.readers import probe_image, read_image

_PLAIN = """
AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAAAAAERA
AAEAAQAAAAABoQABAAAAAAAAAQkAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAA
AHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq
5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAA
MAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAARFtZGF0AAABBSgBrwa45VDEjP+hB///
9FV+h/RNGduo0+8hY7N/i7/ffkQr//r553xR7P6yb9gero7vRCtjR5R5oc9+Y2y5nTUCCs+CCOyy7115iFWB//a5SHwavEzW/3Wjv/LvrHezuSPtG1/8
u659EVFlof9djQP9LcxayUvFG5rc2ro0CuNbx58MnoAlKYHVA1zH8UknVICfFDlTfGIZ2lVrX3Hv+KvykAde70Zjtq9IutH/8UtKXQ+c3Ebtzfc1sMko
Q64FRwYk1niVfJnTLM6u86nw0fBw94zURT6avw+N+B7oJYkGgfbR7lt/mKadlRlOsUR9yO7W5FC/6JNsDVdKuZjn38E88FFIQA==
"""
_TURNED = """
AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAAAAAERA
AAIAAQAAAAAB7AABAAAAAAAAAQkAAgAAAAAC9QABAAAAAAAAACQAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAQAC
AABFeGlmAAAAAA5waXRtAAAAAAABAAABB2lwcnAAAADmaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAA
AAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaA
AAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAAAlpcm90AwAA
ABlpcG1hAAAAAAAAAAEAAQaBAgMFhIYAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAATVtZGF0AAABBSgBrwa45VDEjP+hB///9FV+h/RNGduo0+8h
Y7N/i7/ffkQr//r553xR7P6yb9gero7vRCtjR5R5oc9+Y2y5nTUCCs+CCOyy7115iFWB//a5SHwavEzW/3Wjv/LvrHezuSPtG1/8u659EVFlof9djQP9
LcxayUvFG5rc2ro0CuNbx58MnoAlKYHVA1zH8UknVICfFDlTfGIZ2lVrX3Hv+KvykAde70Zjtq9IutH/8UtKXQ+c3Ebtzfc1sMkoQ64FRwYk1niVfJnT
LM6u86nw0fBw94zURT6avw+N+B7oJYkGgfbR7lt/mKadlRlOsUR9yO7W5FC/6JNsDVdKuZjn38E88FFIQAAAAAZFeGlmAABNTQAqAAAACAABARIAAwAA
AAEABgAAAAAAAA==
"""
_QUARTERS = np.array([[[200, 40, 30], [30, 160, 60]], [[20, 60, 190], [230, 230, 230]]])

needs_reader = pytest.mark.skipif(importlib.util.find_spec("pi_heif") is None, reason="pi-heif is not installed")


def written(path: Path, text: str) -> Path:
    path.write_bytes(base64.b64decode(text))
    return path


@needs_reader
def test_pixels_are_those_that_were_encoded(tmp_path: Path) -> None:
    path = written(tmp_path / "IMG_0001.HEIC", _PLAIN)
    info = probe_image(path, max_pixels=10**6)
    assert (info.size.height, info.size.width, info.depth) == (48, 64, "uint8")
    found = read_image(path, depth="uint8", scaling={})
    assert found.valid is None
    assert found.rgb.shape == (48, 64, 3)
    np.testing.assert_allclose(found.rgb[12:48:24, 16:64:32], _QUARTERS, atol=6)


@needs_reader
def test_a_turned_one_is_the_right_way_up(tmp_path: Path) -> None:
    path = written(tmp_path / "turned.heic", _TURNED)  # by 90 degrees to the right, EXIF 6
    assert (inspect(path).size.height, inspect(path).size.width, inspect(path).orientation) == (64, 48, 1)
    rgb = read_image(path, depth="uint8", scaling={}).rgb
    np.testing.assert_allclose(rgb[16:64:32, 12:48:24], np.rot90(_QUARTERS, -1), atol=6)


@needs_reader
def test_cut_ones_are_refused_at_every_byte(tmp_path: Path) -> None:
    whole = base64.b64decode(_PLAIN)
    path = tmp_path / "cut.heic"
    for length in range(12, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(BadImage, match=r"truncated|damaged|cannot be decoded"):
            probe_image(path, max_pixels=10**6)


@needs_reader
def test_a_folder_of_them_is_listed(tmp_path: Path) -> None:
    written(tmp_path / "IMG_0001.HEIC", _PLAIN)
    listing = list_images(str(tmp_path))
    assert listing.paths == ("IMG_0001.HEIC",)
    assert not listing.told_of_others()


def test_without_the_reader_they_are_counted_and_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heic, "installed", lambda: False)
    path = written(tmp_path / "IMG_0001.HEIC", _PLAIN)
    with pytest.raises(BadImage, match=r'pip install "segpipe\[heic\]"'):
        inspect(path)
    with pytest.raises(CorpusError, match=r"1 \.heic passed over: .*segpipe\[heic\]"):
        list_images(str(tmp_path))


def test_avif_is_another_kind() -> None:
    assert not heic.is_heic(b"\0\0\0\x1cftypavif")
    assert heic.is_heic(b"\0\0\0\x1cftypheic")
