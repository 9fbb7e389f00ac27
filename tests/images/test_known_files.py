"""Files that were decoded before, under other names."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from segpipe.base.geometry import Box
from segpipe.images.known_files import count_known, known_files
from segpipe.images.validate import Item, Limits, check
from segpipe.records.corpus import Corpus, Crop, Image, Rejected


def save(path: Path, seed: int, dtype: type = np.uint8) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (20, 30, 3)).astype(dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture)


def checked(root: Path, *names: str) -> list[Image]:
    found = []
    for name in names:
        image = check(Item(name, name), root=root, corpus_dir=root, limits=Limits(448, (), 10**6))
        assert isinstance(image, Image)
        found.append(image)
    return found


def corpus_of(root: Path, images: list[Image]) -> Corpus:
    whole = tuple(Crop(i, Box(0, 0, 20, 30)) for i in range(len(images)))
    deep = {image.depth: (0.0, 65535.0) for image in images if image.depth != "uint8"}
    return Corpus(root, tuple(images), whole, deep)


def refuse(item: Item | Rejected) -> Image:
    raise AssertionError(item)


def test_a_file_is_known_under_another_name(tmp_path: Path) -> None:
    save(tmp_path / "a.png", 1)
    known = known_files(corpus_of(tmp_path, checked(tmp_path, "a.png")))
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "sub" / "b.PNG")
    found = known.check(Item("sub/b.PNG", "sub/b"), root=tmp_path, look=refuse)
    (fresh,) = checked(tmp_path, "sub/b.PNG")
    assert found == Image("sub/b", "sub/b.PNG", fresh.size, fresh.depth, fresh.sha256, fresh.bytes)
    assert count_known(known, [fresh]) == 1


@pytest.mark.parametrize("name", ["b.png", "a.jpg", "gone.png", "deep.png", "a.tif"])
def test_what_is_not_known_is_looked_at(tmp_path: Path, name: str) -> None:
    save(tmp_path / "a.png", 1)
    save(tmp_path / "b.png", 2)
    save(tmp_path / "a.tif", 1)
    save(tmp_path / "deep.png", 1, np.uint16)
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.png").read_bytes())  # another reader may be asked by the ending
    known = known_files(corpus_of(tmp_path, checked(tmp_path, "a.png", "deep.png", "a.tif")))
    reason = Rejected(name, "looked at")
    assert known.check(Item(name, name), root=tmp_path, look=lambda item: reason) is reason
    assert known.check(reason, root=tmp_path, look=lambda item: reason) is reason


def test_nothing_is_known_of_no_corpus() -> None:
    assert not known_files(None).images
