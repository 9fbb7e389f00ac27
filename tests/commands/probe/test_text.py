"""Sentences of a probe of images, from planted findings."""

import numpy as np
import pytest

from segpipe.commands.probe.names import (
    AGAIN,
    ALL_ROLLS,
    ANOTHER,
    BESIDE,
    CENTER,
    CENTER_INNER,
    CORNERS,
    CROP,
    DRAWN,
    GAIN,
    HALF_BLUR,
    OVERLAP,
    PATCH,
    ROLL,
    SHARP,
    FindingTable,
)
from segpipe.commands.probe.text import notable, sentences
from segpipe.records.finding import Finding


def one(name: str, level: float, measure: str, value: float, spread: float = 0.01, images: int = 9) -> Finding:
    ends = (None, None) if images == 1 else (value - spread, value + spread)
    return Finding(name, "family", level, "px", measure, value, *ends, images)


def said(*findings: Finding, kind: str = "attention", by_place: np.ndarray | None = None) -> list[str]:
    return sentences(FindingTable(findings), kind, by_place)


@pytest.mark.parametrize(
    ("share", "start"),
    [
        (0.40, "Attention is biased toward the center: "),
        (0.26, "Attention is slightly biased toward the center: "),
        (0.10, "Attention is biased toward the edges: "),
        (0.2505, "Attention shows no bias toward the center or the edges: "),
    ],
)
def test_a_bias_is_named_where_its_interval_excludes_chance(share: float, start: str) -> None:
    (sentence,) = said(one(ALL_ROLLS, 16, CENTER_INNER, share, spread=0.001))
    assert sentence.startswith(start)
    assert "25% without a bias" in sentence


def test_an_interval_that_holds_chance_is_no_bias() -> None:
    assert "shows no bias" in said(one(ALL_ROLLS, 16, CENTER_INNER, 0.4, spread=0.2))[0]


def test_the_center_is_compared_with_corners_and_with_images_as_they_are() -> None:
    (sentence,) = said(
        one(ALL_ROLLS, 16, CENTER_INNER, 0.4),
        one(ALL_ROLLS, 16, CORNERS, 0.11),
        one(ROLL, 0, CENTER, 0.5),
        one(ROLL, 0.5, CENTER, 0.3),
    )
    assert sentence == (
        "Attention is biased toward the center: with every content at every place equally often, the central quarter "
        "of the frame gets 40% of it (39 to 41%; 25% without a bias), the four corners together, an area as large, "
        "11%. In the images as they are that quarter gets 50%; rolled by half the side, so that what was central no "
        "longer is, 30%."
    )


def test_places_that_always_stand_out_are_named() -> None:
    by_place = np.full((4, 4), 0.5)
    by_place[2, 1] = 8.5
    (sentence,) = said(by_place=by_place)
    assert sentence == (
        "1 of the 16 places of the frame hold 53.1% of it whatever the content, most of all row 3, column 2 (8 times a "
        "uniform map): there attention says little about content."
    )
    assert said(by_place=np.ones((4, 4))) == []


@pytest.mark.parametrize(
    ("last", "verb"),
    [(0.7, "prefers sharp regions"), (0.3, "prefers blurred regions"), (0.501, "does not depend on focus")],
)
def test_focus_is_judged_at_the_strongest_blur(last: float, verb: str) -> None:
    (sentence,) = said(one(HALF_BLUR, 1, SHARP, 0.5), one(HALF_BLUR, 4, SHARP, last), kind="activation")
    assert sentence.startswith(f"Activation {verb}: with one half blurred by 1, 4 px, the sharp half gets 50, ")


def test_the_artefact_that_attracts_most_comes_first() -> None:
    found = (
        one("text-strip", 1, DRAWN, 1.5),
        one("text-strip", 2, DRAWN, 3.0),
        one("scratches-strip", 2, DRAWN, 1.2),
        one("lines-strip", 2, DRAWN, 1.0),
        one("text-strip", 2, BESIDE, 0.6),
        one("text-strip", 2, GAIN, 0.2),
        one(CROP, 0.25, BESIDE, 0.8),
    )
    first, second = said(*found)
    assert first == (
        "Of the artefacts, text attracts most attention: 3.00 times what the same pixels had before (2.99 to 3.01), "
        "then scratches 1.20, each at the strength at which it attracts most; lines attract none."
    )
    assert second == (
        "With text in a strip, 60% of the rest of the map stays in place; with the strip cropped away, 80%: cropping "
        "restores +20.0 points (19.0 to 21.0)."
    )
    assert said(one("text-strip", 1, DRAWN, 1.0))[0].startswith("No artefact attracts attention: the most is text")
    assert notable(FindingTable(found)) == ["text"]


def test_what_changes_features_most_and_least_is_named_beside_chance() -> None:
    found = []
    for name, cosine, again in (("blur", 0.9, 1.0), ("rotation", 0.4, 0.5), ("noise", 0.7, 0.95)):
        found += [one(name, 1, PATCH, 0.99), one(name, 2, PATCH, cosine), one(name, 2, AGAIN, again)]
        found += [one(name, 2, OVERLAP, cosine)]
    found += [one(ANOTHER, 0, PATCH, 0.02), one(ANOTHER, 0, OVERLAP, 0.3)]
    features, vector, maps = said(*found)
    assert features == (
        "At their strongest, rotation (2 px) changes the features of patches most and blur (2 px) least (cosine 0.40 "
        "and 0.90; another image 0.02)."
    )
    assert vector == (
        "Its vector identifies an image among all 9 in at least 90% of cases under 2 of 3 corruptions at their "
        "strongest; least often under rotation (2 px): 50%."
    )
    assert maps == (
        "Attention keeps at least 40% of its mass in place (least: rotation (2 px)); another image's map would share "
        "30% by chance."
    )
    assert notable(FindingTable(found)) == ["rotation", "noise", "blur"]


def test_one_image_has_no_interval_and_proves_nothing() -> None:
    (sentence,) = said(one(ALL_ROLLS, 16, CENTER_INNER, 0.4, images=1))
    assert sentence.startswith("Attention of one image: ")
    assert "one image: no interval" in sentence
    assert said(one("text-strip", 1, DRAWN, 5.0, images=1)) == []
