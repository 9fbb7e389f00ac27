"""Images beside their labels: a link, a copy, or none."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from segpipe.base.errors import CorpusError
from segpipe.records.corpus import FrameInfo, Image, frame_path
from segpipe.stages.export.formats.image_links import put_image
from segpipe.stages.export.formats.source import Source
from tests.helpers.planted_export import named, plant

NAME = "rotated/ü 1"


def test_a_link_leads_to_the_image_and_a_copy_holds_its_bytes(tmp_path: Path) -> None:
    original = tmp_path / "images" / f"{NAME}.png"
    for images in ("link", "copy"):
        source = plant(tmp_path, names=(NAME,), images=images)
        assert put_image(source, named(source, NAME), tmp_path / images) == 1
        put = tmp_path / images / f"{NAME}.png"
        assert put.is_symlink() == (images == "link")
        assert put.samefile(original) == (images == "link")
        assert put.read_bytes() == original.read_bytes()


def test_a_link_leads_to_the_image_from_wherever_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = plant(Path(), names=("photo",))
    put_image(source, named(source, "photo"), Path("out"))
    monkeypatch.chdir("/")
    assert (tmp_path / "out/photo.png").samefile(tmp_path / "images/photo.png")


def test_no_image_is_made_where_none_is_wanted_even_if_it_is_gone(tmp_path: Path) -> None:
    source = plant(tmp_path, names=("photo",), images="none")
    (tmp_path / "images/photo.png").unlink()
    assert put_image(source, named(source, "photo"), tmp_path / "out") == 0
    assert not (tmp_path / "out").exists()


def test_images_that_are_gone_are_named(tmp_path: Path) -> None:
    source = plant(tmp_path, names=("photo",))
    (tmp_path / "images/photo.png").unlink()
    with pytest.raises(CorpusError, match=r"photo\.png does not exist any more; .*export\.images=none"):
        put_image(source, named(source, "photo"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def frame(root: Path) -> tuple[Source, Image, Path]:
    """A frame of a video, which `index` keeps."""
    source = plant(root, names=("photo",))
    image = replace(named(source, "photo"), id="dive.mp4/000003", moment=FrameInfo("dive.mp4", 3, 0.1, 0.1))
    path = frame_path(root / "corpus", image.id)
    path.parent.mkdir(parents=True)
    (root / "images/photo.png").rename(path)
    return replace(source, corpus=replace(source.corpus, images=(image,), corpus_dir=root / "corpus")), image, path


def test_a_frame_outlives_the_folder_that_it_was_linked_from(tmp_path: Path) -> None:
    source, image, path = frame(tmp_path)
    assert put_image(source, image, tmp_path / "out") == 1
    put, content = tmp_path / "out/dive.mp4/000003.png", path.read_bytes()
    assert put.samefile(path)
    path.unlink()
    assert put.read_bytes() == content


def test_where_a_file_can_have_no_second_name_a_frame_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, image, path = frame(tmp_path)

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    put_image(source, image, tmp_path / "out")
    put = tmp_path / "out/dive.mp4/000003.png"
    assert not put.samefile(path)
    assert put.read_bytes() == path.read_bytes()
