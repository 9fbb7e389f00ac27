from pathlib import Path

import pytest

from segpipe.base.errors import CorpusError
from segpipe.base.options import make
from segpipe.base.runtime import Runtime
from segpipe.commands.pretrain import image_cache, opening
from segpipe.commands.pretrain.opening import Photographs, open_source
from segpipe.commands.pretrain.options import PretrainOptions
from tests.helpers.photos import TINY, InProcess, draw_photos

NORM = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def source(photos: Path, **more: object) -> Photographs:
    found = open_source(make(PretrainOptions, {"images": str(photos), "out": photos / "own", **TINY, **more}), NORM)
    assert isinstance(found, Photographs)
    return found


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_cache, "Guards", InProcess)
    monkeypatch.setattr(opening, "photographs", lambda listing: listing)


def test_a_folder_becomes_a_method(tmp_path: Path) -> None:
    photos = draw_photos(tmp_path / "photos", 5)
    found = source(photos)
    prepared = found.prepare(tmp_path / "cache", Runtime())
    assert (prepared.count, prepared.rejected) == (5, ())
    method = prepared.method(8, 3, "cpu")
    assert len(method) == 5
    assert method.state()["center"].shape == (8,)
    assert found.bytes_needed() > 5 * 72 * 72 * 3


def test_images_in_out_are_not_learned_from(tmp_path: Path) -> None:
    photos = draw_photos(tmp_path / "photos", 2)
    key = source(photos).key
    draw_photos(photos / "own", 1)
    assert source(photos).key == key
    draw_photos(photos, 3)
    assert source(photos).key != key


def test_a_few_of_many(tmp_path: Path) -> None:
    found = source(draw_photos(tmp_path / "photos", 7)).few(3)
    assert found.prepare(tmp_path / "cache", Runtime()).count == 3
    assert source(tmp_path / "photos").few(30).prepare(tmp_path / "all", Runtime()).count == 7


def test_no_images(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="holds no images"):
        source(tmp_path / "empty")
