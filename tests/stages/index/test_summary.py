from dataclasses import replace
from pathlib import Path

from segpipe.base.geometry import Box, Size
from segpipe.records.corpus import Corpus, Crop, Image, Rejected
from segpipe.records.view import View
from segpipe.stages.index.summary import fingerprint, notes_of, summarize, told_of_labels, told_of_slivers


def corpus(*images: Image) -> Corpus:
    crops = tuple(Crop(i, Box(0, 0, image.size.height, image.size.width)) for i, image in enumerate(images))
    return Corpus(Path("/in"), images, crops)


A = Image("a", "a.tif", Size(4, 6), "uint8", "11", 9)
B = Image("b", "b.tif", Size(5, 6), "uint8", "11", 9, notes=("is odd",))


def test_notes_are_told_once_with_their_images() -> None:
    c, d = (replace(B, id=name, path=f"{name}.tif", notes=("is odd", "is new")) for name in "cd")
    assert notes_of(corpus(A, B)) == ["b.tif: is odd"]
    assert notes_of(corpus(B, c, d)) == ["3 images (b.tif, c.tif, ...): is odd", "2 images (c.tif, d.tif): is new"]
    found = summarize(corpus(A, B), [Rejected("x", "y")], ["2 .heic passed over"])
    assert found.notes == ["2 .heic passed over", "b.tif: is odd"]
    assert (found.images, found.rejected, found.duplicates, found.smallest, found.largest) == (2, 1, 1, (4, 6), (5, 6))


def test_what_is_seen_makes_the_fingerprint_and_notes_do_not() -> None:
    assert fingerprint(corpus(A, B)) == fingerprint(corpus(A, replace(B, notes=())))
    assert fingerprint(corpus(A, B)) != fingerprint(corpus(A, replace(B, view=View(opaque=True))))


def test_labels_are_told_by_number() -> None:
    assert told_of_labels(()) == ""
    assert told_of_labels(("l/a.png",)).startswith("l/a.png is a label mask by the name of a photograph and left out")
    assert told_of_labels(("l/a.png", "l/b.png")).startswith("2 images (l/a.png, l/b.png) are label masks")


def test_slivers_are_told() -> None:
    wide = replace(A, id="wide", path="wide.tif", size=Size(40, 60))
    assert told_of_slivers(corpus(A, wide)) == (
        "a.tif: looked at in parts of fewer than 8 pixels; they get masks, but make no classes"
    )
    assert summarize(corpus(A, wide), []).notes == [told_of_slivers(corpus(A, wide))]
    assert told_of_slivers(corpus(A, B)) == ""  # all are: nothing else is there
