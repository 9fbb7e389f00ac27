"""The sentences of a probe of pictures: what a backbone looks at, in figures, for a person in a hurry."""

from __future__ import annotations

from collections.abc import Iterator

from segpipe.records.probe import Finding
from segpipe.records.probing import (
    AGAIN,
    ALL_ROLLS,
    ANOTHER,
    BESIDE,
    CENTER,
    CENTER_INNER,
    CROP,
    DRAWN,
    GAIN,
    HALF_BLUR,
    OVERLAP,
    PATCH,
    ROLL,
    SHARP,
    Findings,
)

_NOTHING, _SLIGHT = 0.01, 0.05
"""A preference below these parts of what there is without one is called none, or slight, however sure it is."""


def sentences(found: Findings, kind: str) -> list[str]:
    """What was found, most telling first.

    Args:
        found: all findings.
        kind: `attention` or `activation`: what the maps are.
    """
    return [text for say in (_center, _focus, _artefacts, _agreement) for text in say(found, kind.capitalize())]


def notable(found: Findings) -> list[str]:
    """Disturbances of the common table that are worth a look: what draws most, what changes features most and least."""
    top = _most_drawn(found)
    chosen = [top.disturbance.removesuffix("-strip")] if top is not None else []
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
        return "one picture: no interval"
    if say == "percent":
        return f"{percent(found.low).removesuffix('%')} to {percent(found.high)}"
    low, high = (100 * end if say == "points" else end for end in (found.low, found.high))
    return f"{low:.1f} to {high:.1f}" if say == "points" else f"{low:.2f} to {high:.2f}"


def _beyond(found: Finding, level: float) -> int:
    """1 where the interval lies above a level, -1 below, 0 where it holds it, is next to it or is not known."""
    if found.low is None or found.high is None or abs((found.value or 0) - level) < _NOTHING * level:
        return 0
    return 1 if found.low > level else -1 if found.high < level else 0


def _center(found: Findings, what: str) -> Iterator[str]:
    share = next(iter(found.levels(ALL_ROLLS, CENTER_INNER)), None)
    if share is None or share.value is None:
        return
    side = _beyond(share, 0.25)
    slightly = " slightly" if side and abs(share.value / 0.25 - 1) < _SLIGHT else ""
    where = {1: f"leans{slightly} to the center", -1: f"leans{slightly} to the edges"}.get(
        side, "shows no lean to the center or to the edges" if share.images > 1 else "of one picture"
    )
    text = (
        f"{what} {where}: with every content at every place equally often, the central quarter of the frame gets "
        f"{percent(share.value)} of it ({_between(share)}; 25% without a lean)."
    )
    still, rolled = found.get(ROLL, CENTER, 0), found.strongest(ROLL, CENTER)
    if still is not None and rolled is not None and still.value is not None and rolled.value is not None:
        text += (
            f" In the pictures as they are that quarter gets {percent(still.value)}; rolled by half the side, so that "
            f"what was central no longer is, {percent(rolled.value)}."
        )
    yield text


def _focus(found: Findings, what: str) -> Iterator[str]:
    levels = found.levels(HALF_BLUR, SHARP)
    if not levels:
        return
    last = levels[-1]
    assert last.value is not None
    verb = {1: "prefers what is sharp", -1: "prefers what is blurred"}.get(
        _beyond(last, 0.5), "does not care about focus" if last.images > 1 else "of one picture"
    )
    steps = ", ".join(f"{each.level:g}" for each in levels)
    shares = ", ".join(percent(each.value or 0).removesuffix("%") for each in levels)
    yield (
        f"{what} {verb}: with one half blurred by {steps} {last.unit}, the sharp half gets {shares}% of it (at the "
        f"last {_between(last)}; 50% without a preference)."
    )


def _most_drawn(found: Findings) -> Finding | None:
    ends = [found.strongest(name, DRAWN) for name in found.disturbances(DRAWN) if name.endswith("-strip")]
    return max((each for each in ends if each is not None), key=lambda each: each.value or 0, default=None)


def _artefacts(found: Findings, what: str) -> Iterator[str]:
    top = _most_drawn(found)
    if top is None or top.value is None:
        return
    ends = [found.strongest(name, DRAWN) for name in found.disturbances(DRAWN) if name.endswith("-strip")]
    ranked = sorted((each for each in ends if each is not None), key=lambda each: -(each.value or 0))
    drawing = [each for each in ranked if _beyond(each, 1) > 0]
    if top.images < 2:  # one picture cannot say what draws and what does not
        return
    if not drawing:
        yield (
            f"No artefact draws {what.lower()}: the most is {_name(top)} with {top.value:.2f} times what the same "
            f"pixels had before ({_between(top, 'ratio')})."
        )
    else:
        first, rest = drawing[0], drawing[1:]
        others = f", then {', '.join(f'{_name(each)} {each.value:.2f}' for each in rest)}" if rest else ""
        others += (
            f"; {_listed([_name(each) for each in ranked if each not in drawing])} draw nothing"
            if len(drawing) < len(ranked)
            else ""
        )
        yield (
            f"Of the artefacts, {_name(first)} draws most {what.lower()}: {first.value:.2f} times what the same pixels "
            f"had before ({_between(first, 'ratio')}){others} (all at their strongest)."
        )
    beside, gain = (found.get(top.disturbance, measure, top.level) for measure in (BESIDE, GAIN))
    crop = found.strongest(CROP, BESIDE)
    if beside and gain and crop and beside.value is not None and gain.value is not None and crop.value is not None:
        verdict = {1: "cropping it away restores", -1: "cropping it away does not pay: it brings"}.get(
            _beyond(gain, 0), "cropping it away makes no sure difference:"
        )
        yield (
            f"With {_name(top)} in a strip, {percent(beside.value)} of the map beside it stays in place; with the "
            f"strip cropped away {percent(crop.value)}: {verdict} {100 * gain.value:+.1f} points "
            f"({_between(gain, 'points')})."
        )


def _agreement(found: Findings, what: str) -> Iterator[str]:
    ranked = _by_patch_cosine(found)
    if not ranked:
        return
    least, most = ranked[-1], ranked[0]
    chance = found.strongest(ANOTHER, PATCH)
    same = "" if chance is None else f"; another picture {chance.value:.2f}"
    text = (
        f"At their strongest, {_at(most)} changes the features of patches most and {_at(least)} least (cosine "
        f"{most.value:.2f} and {least.value:.2f}{same})"
    )
    again = [found.strongest(name, AGAIN) for name in found.disturbances(AGAIN) if name != ANOTHER]
    lost = min((each for each in again if each is not None), key=lambda each: each.value or 0, default=None)
    if lost is not None and lost.value is not None and lost.images > 1:
        text += (
            f"; by its one vector a picture is found again among all {lost.images} in {percent(lost.value)} of cases "
            f"or more (least: {_at(lost)})"
        )
    yield f"{text}."
    maps = [found.strongest(each.disturbance, OVERLAP) for each in ranked]
    moved = min((each for each in maps if each is not None), key=lambda each: each.value or 0, default=None)
    chance = found.strongest(ANOTHER, OVERLAP)
    if moved is not None and moved.value is not None and chance is not None and chance.value is not None:
        yield (
            f"{what} keeps at least {percent(moved.value)} of its mass in place (least: {_at(moved)}); another "
            f"picture's map would share {percent(chance.value)} by chance."
        )


def _by_patch_cosine(found: Findings) -> list[Finding]:
    """The strongest level of every disturbance of the common table, the one that changes features most first."""
    skip = (ANOTHER, ROLL)
    ends = [found.strongest(name, PATCH) for name in found.disturbances(PATCH) if name not in skip]
    return sorted((each for each in ends if each is not None), key=lambda each: each.value or 0)


def _name(finding: Finding) -> str:
    return finding.disturbance.removesuffix("-strip")


def _at(finding: Finding) -> str:
    return f"{_name(finding)} ({finding.level:g} {finding.unit})"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
