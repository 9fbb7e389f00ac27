"""Sentences of a probe of images: what a backbone is biased to and robust to, in numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

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
    hot_spots,
    in_strip,
)
from segpipe.records.finding import Finding

_NOTHING, _SLIGHT = 0.01, 0.05
"""A bias smaller than these parts of the unbiased value is called none, or slight, however certain it is."""
_OFTEN = 0.9


def sentences(found: FindingTable, kind: str, by_place: npt.NDArray[np.float64] | None = None) -> list[str]:
    """What was found, most telling first.

    Args:
        found: all findings.
        kind: `attention` or `activation`: what the maps are.
        by_place: (side, side), mean of the maps at each place whatever the content, in multiples of a uniform map.
    """
    what = kind.capitalize()
    return [
        *_center(found, what),
        *_spots(by_place, what),
        *_focus(found, what),
        *_artefacts(found, what),
        *_agreement(found, what),
    ]


def notable(found: FindingTable) -> list[str]:
    """Corruptions worth an example: what attracts most, what changes features most and least."""
    chosen = [_name(each) for each in _attracting(found)[:1]]
    ranked = [each.disturbance for each in _by_patch_cosine(found)]
    return list(dict.fromkeys([*chosen, *ranked[:2], *ranked[-1:]]))


def percent(value: float) -> str:
    """A share in percent, three digits at most.

    >>> percent(0.2534), percent(1), percent(0.0041)
    ('25.3%', '100%', '0.4%')
    """
    return f"{100 * value:.3g}%" if value >= 0.1 else f"{100 * value:.1f}%"


def _between(found: Finding, say: str = "percent") -> str:
    if found.low is None or found.high is None:
        return "one image: no interval"
    if say == "percent":
        return f"{percent(found.low).removesuffix('%')} to {percent(found.high)}"
    low, high = (100 * end if say == "points" else end for end in (found.low, found.high))
    return f"{low:.1f} to {high:.1f}" if say == "points" else f"{low:.2f} to {high:.2f}"


def _beyond(found: Finding, level: float) -> int:
    """1 where the interval lies above a level, -1 below, 0 where it holds it, is next to it or is not known."""
    if found.low is None or found.high is None or abs((found.value or 0) - level) < _NOTHING * level:
        return 0
    return 1 if found.low > level else -1 if found.high < level else 0


def _center(found: FindingTable, what: str) -> Iterator[str]:
    share = next(iter(found.levels(ALL_ROLLS, CENTER_INNER)), None)
    if share is None or share.value is None:
        return
    side = _beyond(share, 0.25)
    slightly = " slightly" if side and abs(share.value / 0.25 - 1) < _SLIGHT else ""
    where = {1: f"is{slightly} biased toward the center", -1: f"is{slightly} biased toward the edges"}.get(
        side, "shows no bias toward the center or the edges" if share.images > 1 else "of one image"
    )
    text = (
        f"{what} {where}: with every content at every place equally often, the central quarter of the frame gets "
        f"{percent(share.value)} of it ({_between(share)}; 25% without a bias)."
    )
    corners = next(iter(found.levels(ALL_ROLLS, CORNERS)), None)
    if side and corners is not None and corners.value is not None:
        text = f"{text[:-1]}, the four corners together, an area as large, {percent(corners.value)}."
    still, rolled = found.get(ROLL, CENTER, 0), found.strongest(ROLL, CENTER)
    if still is not None and rolled is not None and still.value is not None and rolled.value is not None:
        text += (
            f" In the images as they are that quarter gets {percent(still.value)}; rolled by half the side, so that "
            f"what was central no longer is, {percent(rolled.value)}."
        )
    yield text


def _spots(by_place: npt.NDArray[np.float64] | None, what: str) -> Iterator[str]:
    if by_place is None:
        return
    count, share = hot_spots(by_place)
    if count:
        row, col = (int(at) + 1 for at in np.unravel_index(by_place.argmax(), by_place.shape))
        yield (
            f"{count} of the {by_place.size} places of the frame hold {percent(share)} of it whatever the content, "
            f"most of all row {row}, column {col} ({by_place.max():.0f} times a uniform map): there {what.lower()} "
            "says little about content."
        )


def _focus(found: FindingTable, what: str) -> Iterator[str]:
    levels = found.levels(HALF_BLUR, SHARP)
    if not levels:
        return
    last = levels[-1]
    assert last.value is not None
    verb = {1: "prefers sharp regions", -1: "prefers blurred regions"}.get(
        _beyond(last, 0.5), "does not depend on focus" if last.images > 1 else "of one image"
    )
    steps = ", ".join(f"{each.level:g}" for each in levels)
    shares = ", ".join(percent(each.value or 0).removesuffix("%") for each in levels)
    yield (
        f"{what} {verb}: with one half blurred by {steps} {last.unit}, the sharp half gets {shares}% of it (at the "
        f"last {_between(last)}; 50% without a preference)."
    )


def _attracting(found: FindingTable) -> list[Finding]:
    """Of every artefact the strength at which it attracts most, the artefact that attracts most first."""
    names = [name for name in found.disturbances(DRAWN) if name.endswith(in_strip(""))]
    peaks = [max(found.levels(name, DRAWN), key=lambda each: each.value or 0) for name in names]
    return sorted(peaks, key=lambda each: -(each.value or 0))


def _artefacts(found: FindingTable, what: str) -> Iterator[str]:
    ranked = _attracting(found)
    if not ranked or ranked[0].images < 2:  # one image cannot say what attracts and what does not
        return
    top, attracting = ranked[0], [each for each in ranked if _beyond(each, 1) > 0]
    if not attracting:
        yield (
            f"No artefact attracts {what.lower()}: the most is {_name(top)} with {top.value:.2f} times what the same "
            f"pixels had before ({_between(top, 'ratio')})."
        )
    else:
        rest = ", ".join(f"{_name(each)} {each.value:.2f}" for each in attracting[1:])
        none = _listed([_name(each) for each in ranked if each not in attracting])
        yield (
            f"Of the artefacts, {_name(top)} attract{'' if _name(top).endswith('s') else 's'} most {what.lower()}: "
            f"{top.value:.2f} times what the same pixels had before ({_between(top, 'ratio')})"
            f"{f', then {rest}' if rest else ''}, each at the strength at which it attracts most"
            f"{f'; {none} attract none' if none else ''}."
        )
    beside, gain = (found.get(top.disturbance, measure, top.level) for measure in (BESIDE, GAIN))
    crop = found.strongest(CROP, BESIDE)
    if beside and gain and crop and beside.value is not None and gain.value is not None and crop.value is not None:
        verdict = {1: "cropping restores", -1: "cropping costs more than it restores,"}.get(
            _beyond(gain, 0), "cropping makes no certain difference,"
        )
        yield (
            f"With {_name(top)} in a strip, {percent(beside.value)} of the rest of the map stays in place; with "
            f"the strip cropped away, {percent(crop.value)}: {verdict} {100 * gain.value:+.1f} points "
            f"({_between(gain, 'points')})."
        )


def _agreement(found: FindingTable, what: str) -> Iterator[str]:
    ranked = _by_patch_cosine(found)
    if not ranked:
        return
    least, most = ranked[-1], ranked[0]
    chance = found.strongest(ANOTHER, PATCH)
    same = "" if chance is None else f"; another image {chance.value:.2f}"
    text = (
        f"At their strongest, {_at(most)} changes the features of patches most and {_at(least)} least (cosine "
        f"{most.value:.2f} and {least.value:.2f}{same})"
    )
    yield f"{text}."
    ends = [found.strongest(name, AGAIN) for name in found.disturbances(AGAIN) if name != ANOTHER]
    again = sorted((each for each in ends if each is not None), key=lambda each: each.value or 0)
    if again and again[0].value is not None and again[0].images > 1:
        often = sum((each.value or 0) >= _OFTEN for each in again)
        yield (
            f"Its vector identifies an image among all {again[0].images} in at least {percent(_OFTEN)} of cases under "
            f"{often} of {len(again)} corruptions at their strongest; least often under {_at(again[0])}: "
            f"{percent(again[0].value)}."
        )
    maps = [found.strongest(each.disturbance, OVERLAP) for each in ranked]
    moved = min((each for each in maps if each is not None), key=lambda each: each.value or 0, default=None)
    chance = found.strongest(ANOTHER, OVERLAP)
    if moved is not None and moved.value is not None and chance is not None and chance.value is not None:
        yield (
            f"{what} keeps at least {percent(moved.value)} of its mass in place (least: {_at(moved)}); another "
            f"image's map would share {percent(chance.value)} by chance."
        )


def _by_patch_cosine(found: FindingTable) -> list[Finding]:
    """The strongest level of every corruption, the one that changes features most first."""
    skip = (ANOTHER, ROLL)
    ends = [found.strongest(name, PATCH) for name in found.disturbances(PATCH) if name not in skip]
    return sorted((each for each in ends if each is not None), key=lambda each: each.value or 0)


def _name(finding: Finding) -> str:
    return finding.disturbance.removesuffix("-strip")


def _at(finding: Finding) -> str:
    return f"{_name(finding)} ({finding.level:g} {finding.unit})"


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
