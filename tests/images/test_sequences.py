"""Sequences: which images of a corpus are frames of a film."""

from pathlib import Path

from segpipe.base.geometry import Box, Size
from segpipe.images import sequences
from segpipe.records.corpus import Corpus, Crop, FrameInfo, Image
from tests.helpers.digests import sha256_of
from tests.helpers.textured import camera_frames, textured, write_pictures

SIZE = Size(48, 64)


def image(name, *, size=SIZE, moment=None, mosaic=False):
    return Image(name, f"{name}.png", size, "uint8", "0" * 64, 1, moment=moment, mosaic=mosaic)


def corpus_of(root: Path) -> Corpus:
    """The PNG files below a folder, in the order of their names, as `index` has them."""
    paths = sorted(root.rglob("*.png"))
    names = [path.relative_to(root).with_suffix("").as_posix() for path in paths]
    images = [
        Image(name, f"{name}.png", SIZE, "uint8", sha256_of(path), path.stat().st_size)
        for name, path in zip(names, paths, strict=True)
    ]
    return Corpus(root, tuple(images), tuple(Crop(i, Box(0, 0, 48, 64)) for i in range(len(images))))


def names(corpus, film):
    return [corpus.images[i].id for i in film.images]


def test_numbered_pictures_are_ordered_by_their_numbers(tmp_path):
    write_pictures(tmp_path / "dive", camera_frames(12))
    corpus = corpus_of(tmp_path)
    (film,) = sequences.sequences_of(corpus)
    assert names(corpus, film) == [f"dive/f{i}" for i in range(12)]
    assert (film.name, film.video) == ("dive/f*", False)
    assert corpus.images[1].id == "dive/f1"
    assert corpus.images[2].id == "dive/f10"  # as the corpus has them


def test_numbered_photographs_are_no_film(tmp_path):
    write_pictures(tmp_path, [textured(48, 64, seed=i) for i in range(12)], first="DSC_")
    corpus = corpus_of(tmp_path)
    assert len(sequences.numbered_of(corpus.images)) == 1
    assert sequences.sequences_of(corpus) == []


def test_pictures_that_are_all_the_same_are_no_film(tmp_path):
    write_pictures(tmp_path, [textured(48, 64, seed=0)] * 12)
    assert sequences.sequences_of(corpus_of(tmp_path)) == []


def test_numbered_pictures_are_of_one_folder_beginning_and_size():
    same = [image(f"a/x{i}") for i in range(8)]
    folders, firsts = [image(f"b{i % 2}/x{i}") for i in range(14)], [image(f"c/{'pq'[i % 2]}{i}") for i in range(14)]
    sizes = [image(f"d/x{i}", size=Size(48, 64 + i % 2)) for i in range(14)]
    few, mosaics = [image(f"e/x{i}") for i in range(7)], [image(f"m/x{i}", mosaic=True) for i in range(9)]
    plain = [image(str(i)) for i in range(8)]
    twice = [image(f"t/x{i}") for i in range(8)] + [image("t/x07")]
    images = [*same, *folders, *firsts, *sizes, *few, *mosaics, *plain, *twice, image("none")]
    assert [film.name for film in sequences.numbered_of(images)] == ["a/x*", sequences.TOP]


def test_frames_of_videos_are_films_without_being_looked_at():
    moments = [("b.mp4", 0), ("a.mp4", 0), ("b.mp4", 5), ("b.mp4", 9)]
    images = [image(f"{video}/{i:06}", moment=FrameInfo(video, i, i / 10, 0.4)) for video, i in moments]
    images.insert(1, image("photo"))
    corpus = Corpus(Path("gone"), tuple(images), tuple(Crop(i, Box(0, 0, 48, 64)) for i in range(5)))
    films = sequences.sequences_of(corpus)
    assert [(film.name, film.images, film.video) for film in films] == [
        ("b.mp4", (0, 3, 4), True),
        ("a.mp4", (2,), True),
    ]
    assert films == sequences.films_of(corpus)
