import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Box, Size
from segpipe.images import corpus_reader
from segpipe.images.corpus_reader import read_original
from segpipe.records.corpus import Corpus, Crop, Image
from tests.helpers.digests import sha256_of


def _corpus(root: Path, size: Size) -> Corpus:
    path = root / "a.png"
    image = Image("a", "a.png", size, "uint8", sha256_of(path), path.stat().st_size)
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
    with pytest.raises(CorpusError, match=r"a\.png has changed since .*as many bytes, but others.* --force"):
        read_original(corpus, corpus.images[0])
    path.unlink()
    with pytest.raises(CorpusError, match=r"a\.png cannot be opened any more"):
        read_original(corpus, corpus.images[0])
    Pillow.new("RGB", (5, 7)).save(path)
    turned = _corpus(tmp_path, Size(5, 7))
    with pytest.raises(CorpusError, match="7 x 5 pixels then, 5 x 7 now"):
        read_original(turned, turned.images[0])


def test_another_file_of_the_same_size_and_time_is_not_even_opened_by_a_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    Pillow.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)).save(path)
    corpus, before = _corpus(tmp_path, Size(50, 70)), path.stat()
    read_original(corpus, corpus.images[0])
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)  # 10 GB of pixels
    bomb = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(1_000_000)))
    end = _chunk(b"IEND", b"")
    bomb += _chunk(b"tEXt", bytes(before.st_size - len(bomb) - len(end) - 12)) + end
    assert len(bomb) == before.st_size
    path.write_bytes(bomb)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    monkeypatch.setattr(corpus_reader, "read_image", None)  # any use of it would be an error of another kind
    with pytest.raises(CorpusError, match=r"as many bytes, but others\); put the old file back, or index .* --force"):
        read_original(corpus, corpus.images[0])


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def test_a_file_is_hashed_once_while_nothing_touches_it(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    Pillow.new("RGB", (7, 5)).save(path)
    size = Size(5, 7)
    image = Image("a", "a.bmp", size, "uint8", sha256_of(path), path.stat().st_size, mosaic=False)
    corpus = Corpus(tmp_path, (image,), (Crop(0, Box(0, 0, 5, 7)),))
    corpus_reader._sha256.cache_clear()
    for _ in range(3):
        read_original(corpus, image)
    assert corpus_reader._sha256.cache_info().misses == 1
