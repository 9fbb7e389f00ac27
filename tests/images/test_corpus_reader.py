from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Box, Size
from segpipe.images.corpus_reader import read_original
from segpipe.records.corpus import Corpus, Crop, Image


def _corpus(root: Path, size: Size) -> Corpus:
    path = root / "a.png"
    image = Image("a", "a.png", size, "uint8", "0" * 64, path.stat().st_size)
    return Corpus(root, (image,), (Crop(0, Box(0, 0, size.height, size.width)),))


def test_an_unchanged_file_is_read(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Pillow.fromarray(rgb).save(tmp_path / "a.png")
    corpus = _corpus(tmp_path, Size(5, 7))
    np.testing.assert_array_equal(read_original(corpus, corpus.images[0]).rgb, rgb)


def test_a_file_that_is_gone_longer_damaged_or_of_another_size_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Pillow.new("RGB", (7, 5)).save(path)
    corpus, content = _corpus(tmp_path, Size(5, 7)), path.read_bytes()
    path.write_bytes(content + b"x")
    with pytest.raises(CorpusError, match=rf"a\.png has changed since .*{len(content)} bytes then, {len(content) + 1}"):
        read_original(corpus, corpus.images[0])
    path.write_bytes(content[:20] + bytes(len(content) - 20))
    with pytest.raises(CorpusError, match=r"a\.png has changed since"):
        read_original(corpus, corpus.images[0])
    path.unlink()
    with pytest.raises(CorpusError, match=r"a\.png cannot be opened any more"):
        read_original(corpus, corpus.images[0])
    Pillow.new("RGB", (5, 7)).save(path)
    turned = _corpus(tmp_path, Size(5, 7))
    with pytest.raises(CorpusError, match="7 x 5 pixels then, 5 x 7 now"):
        read_original(turned, turned.images[0])
