import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from segpipe.images import heic
from segpipe.images.label_masks import groups_of_a_name, is_label_mask, photographs
from segpipe.images.listing import list_images
from tests.images.test_views import indexed

RNG = np.random.default_rng(0)
CLASSES = RNG.integers(0, 5, (30, 40)).astype(np.uint8)


def save(path: Path, values: np.ndarray, *, palette: bool = False, mode: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Pillow.fromarray(values)
    if palette:
        image.putpalette(RNG.integers(0, 256, 768).tolist())
    (image.convert(mode) if mode else image).save(path)


def photograph(path: Path) -> None:
    save(path, RNG.integers(0, 256, (30, 40, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("values", "palette", "mode", "expected"),
    [
        (CLASSES, False, "", True),
        (np.where(CLASSES == 1, 255, CLASSES).astype(np.uint8), False, "", True),  # 255: no label
        (np.where(CLASSES > 2, 255, 0).astype(np.uint8), False, "", True),
        (np.where(CLASSES > 2, 255, 0).astype(np.uint8), False, "1", True),
        (CLASSES * 40, True, "", True),
        (CLASSES * 40, False, "", False),  # few grays are a drawing, not numbers of classes
        (RNG.integers(0, 256, (30, 40)).astype(np.uint8), False, "", False),
        (RNG.integers(0, 256, (30, 40)).astype(np.uint8), True, "", False),
        (np.dstack([CLASSES] * 3), False, "", False),
    ],
)
@pytest.mark.parametrize("ending", ["png", "tif", "bmp"])
def test_what_looks_like_a_label_mask(
    tmp_path: Path, values: np.ndarray, palette: bool, mode: str, expected: bool, ending: str
) -> None:
    save(tmp_path / f"a.{ending}", values, palette=palette, mode=mode)
    assert is_label_mask(tmp_path / f"a.{ending}") is expected


def test_a_jpeg_is_no_label_mask(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", np.zeros((20, 20), np.uint8))
    assert not is_label_mask(tmp_path / "a.jpg")


@given(st.lists(st.from_regex(r"([ab]/)?[xyz](_mask|_labelIds|\.gt)?\.(png|jpg|mp4)", fullmatch=True), unique=True))
def test_groups_share_a_name_and_hold_no_film(paths: list[str]) -> None:
    groups = groups_of_a_name(paths)
    assert all(len({path.split("/")[-1][0] for path in group}) == 1 < len(group) for group in groups)
    alone = set(paths) - {path for group in groups for path in group}
    images = [path for path in alone if not path.endswith("mp4")]
    assert len({path.split("/")[-1][0] for path in images}) == len(images)


def test_a_datasets_own_labels_are_seen_said_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tmp_path / "images"
    for i in range(4):
        photograph(root / f"images/{i}.jpg")
        save(root / f"labels/{i}.png", CLASSES)
    save(root / "labels/other.png", CLASSES)  # pairs with nothing, so it may be what the person means
    photograph(root / "second/0.jpg")
    with caplog.at_level(logging.INFO):
        corpus, summary = indexed(root)
    assert [image.path for image in corpus.images] == [
        *(f"images/{i}.jpg" for i in range(4)),
        "labels/other.png",
        "second/0.jpg",
    ]
    (note,) = summary.notes
    assert note.startswith("4 images (labels/0.png, labels/1.png, ...) are label masks by the name of a photograph")
    assert note in caplog.text
    corpus, summary = indexed(root, labels_too=True)
    assert len(corpus.images) == 10
    assert summary.notes == []


def test_a_folder_of_masks_alone_is_what_it_is(tmp_path: Path) -> None:
    for name in ("a/0.png", "b/0.png"):
        save(tmp_path / "images" / name, CLASSES)
    corpus, summary = indexed(tmp_path / "images")
    assert len(corpus.images) == 2
    assert summary.notes == []


def test_pictures_that_are_not_read_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heic, "installed", lambda: False)
    root = tmp_path / "images"
    photograph(root / "a.jpg")
    photograph(root / "b.jpg")
    (root / "b.jpg").rename(root / "b.JFIF")
    for name in (*(f"{i}.HEIC" for i in range(20)), "c.gif", "d.avif", "e.jp2", "notes.txt"):
        (root / name).write_bytes(b"x")
    corpus, summary = indexed(root)
    assert [image.path for image in corpus.images] == ["a.jpg", "b.JFIF"]
    assert summary.notes[0].startswith("1 .avif, 1 .gif, 20 .heic, 1 .jp2 passed over")
    assert "magick IN OUT.jpg" in summary.notes[0]


def test_commands_without_a_corpus_leave_them_out_and_say_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for name in ("a", "b"):
        photograph(tmp_path / "images" / f"{name}.jpg")
        save(tmp_path / "labels" / f"{name}.png", CLASSES)
    kept = photographs(list_images(str(tmp_path)))
    assert kept.paths == ("images/a.jpg", "images/b.jpg")
    assert "2 files such as labels/a.png: label masks by the name of a photograph, left out" in caplog.text
    alone = photographs(list_images(str(tmp_path / "labels")))
    assert alone.paths == ("a.png", "b.png")  # no photographs beside them: they are what is asked for
