"""What was found between two dates, in sentences."""

from __future__ import annotations

import math

from segpipe.base.shown import counted
from segpipe.commands.change.comparison import Comparison
from segpipe.commands.change.same_ground import Ground
from segpipe.ops.change.feature_drift import FeatureDrift
from segpipe.ops.metrics.doubt import SELDOM

_NAMED = 4  # classes that a sentence names
_LITTLE = 1.0  # points below which nobody asks for more images
_LARGER = 1.25  # times as large as at the other date, from which classes may differ for that alone


def sentences(found: Comparison) -> list[str]:
    """The main results, the most important first."""
    said = [_moved(found)]
    doubtful = _doubtful(found)
    said += [doubtful] if doubtful else []
    seldom = _seldom(found)
    said += [seldom] if seldom else []
    if found.changed is not None:
        part = found.changed
        area = sum(ground.transitions.sum() * (ground.pixel or 0.0) for ground in found.grounds)
        known = all(ground.pixel is not None for ground in found.grounds)
        size = f" ({meters(part.share * area)} of {meters(area)} square meters)" if known else ""
        same = "" if part.unchanged is None else f" (of ground that did not change {part.unchanged:.1%} would be)"
        said.append(
            f"{part.share:.1%} of the common ground{size} is of another class{same}; between {part.low:.1%}, what "
            f"neither borders that lie a little wrong nor light explain, and {part.high:.1%}."
        )
    said += [_aligned(ground) for ground in found.grounds[:_NAMED]]
    zoomed = [ground for ground in found.grounds if abs(math.log(ground.larger)) > math.log(_LARGER)]
    said += [_zoomed(ground) for ground in zoomed[:_NAMED]]
    if not found.pairs and all(any(s.corpus.images[i].geo for i in s.images) for s in found.surveys):
        said.append(
            "No rasters of both dates share ground: their coordinates lie apart, or one date names no coordinate "
            "system. Their cover is compared, not their pixels."
        )
    if found.unaligned:
        said.append(
            f"{counted(len(found.unaligned), 'pair')} of photographs could not be laid over each other, such as "
            f"{found.unaligned[0]}: their cover is compared, not their pixels."
        )
    drift = drift_sentence(found)
    said += [drift] if drift else []
    if found.cover.alone:
        alone = found.cover.alone
        said.append(f"Left out: {counted(len(alone), 'site')} that one date has alone, such as {alone[0]}.")
    return said


def _moved(found: Comparison) -> str:
    rows = found.cover.whole
    sure = [row for row in rows if row.verdict in ("more", "less")]
    if not sure:
        held = [row for row in rows if row.verdict != "no interval"]
        if not held:
            return "Nothing is known of how sure any difference is: one image or site at a date."
        return f"No class changed more than noise: of {len(rows)} classes none is surely more or less.{_seen(found)}"
    sure.sort(key=lambda row: -abs(row.difference or 0.0))
    parts = [f"{row.name} {points(row.difference)} ({points(row.low)} to {points(row.high)})" for row in sure[:_NAMED]]
    more = f" and {len(sure) - _NAMED} more" if len(sure) > _NAMED else ""
    return f"Changed, in percentage points with 95% intervals: {', '.join(parts)}{more}."


def _seen(found: Comparison) -> str:
    """How large a change would have been seen: half the width of the intervals."""
    reach = sorted(
        (row.high - row.low) / 2 for row in found.cover.whole if row.low is not None and row.high is not None
    )
    if not reach or 100 * reach[-1] < _LITTLE:
        return ""
    way = "" if found.pairs else ", or pairs of the same plots"
    return (
        f" Their intervals reach {100 * reach[0]:.1f} to {100 * reach[-1]:.1f} points to either side; smaller changes "
        f"need more {found.cover.unit}{way}."
    )


def _doubtful(found: Comparison) -> str:
    parts = []
    told = "ground that did not change" if found.light.unchanged else "the drift of features"
    for word, why in (
        ("may be light", f"light could make it, by {told}"),
        ("may be chance", "one of so many classes differs as much by chance"),
    ):
        names = [row.name for row in found.cover.whole if row.verdict == word]
        if names:
            parts.append(f"{', '.join(names[:_NAMED])}{' and others' if len(names) > _NAMED else ''}: {why}")
    return f"Doubtful: {'; '.join(parts)}." if parts else ""


def _seldom(found: Comparison) -> str:
    """Classes of which others of these units may hold much, which no resample shows."""
    units = [(row, max(row.first_units, row.second_units)) for row in found.cover.whole if row.low is not None]
    names = [row.name for row, count in units if 0 < row.holding < min(SELDOM, count)]
    if not names:
        return ""
    some = f"{', '.join(names[:_NAMED])}{' and others' if len(names) > _NAMED else ''}"
    return f"Held by fewer than {SELDOM} {found.cover.unit}, so that intervals are rough: {some}."


def _aligned(ground: Ground) -> str:
    if ground.shift is None:
        return f"{ground.first}: laid over {ground.second} by coordinates alone."
    shift = ground.shift
    return (
        f"{ground.first}: {ground.second} lay {shift.rows:+.2f} rows and {shift.cols:+.2f} columns off; that was taken "
        f"away ({shift.used} of {shift.windows} windows agree to {shift.spread:.2f} pixels)."
    )


def _zoomed(ground: Ground) -> str:
    larger = ground.larger
    how = f"{larger:.1f} times larger" if larger > 1 else f"{1 / larger:.1f} times smaller"
    return (
        f"The network saw {ground.second} {how} than {ground.first}, which alone may turn one class into another: cut "
        "both rasters alike, or bring them to one pixel size and look through windows (index.crops=windows)."
    )


def drift_sentence(found: Comparison) -> str:
    """What light, season or depth could have made; empty where it was not measured."""
    drift, effect, same = found.light.drift, found.light.effect, found.light.unchanged
    said = [] if drift is None else [_drifted(drift)]
    if effect is None:
        return " ".join(said)
    if not effect.known:
        return " ".join(
            [*said, "What of the difference it makes is not known: no image of the second date can be read."]
        )
    place = int(abs(effect.by_light).argmax())
    name, change = found.surveys[0].legend.names[place], points(float(effect.by_light[place]))
    if same:
        said.append(f"Maps of ground that did not change differ by {change} points of {name} at most.")
    else:
        said.append(
            f"It changes {name} in masks of the second date by {change} points, and classes moved by themselves "
            f"{effect.unevenness:.1f} times as far."
        )
    if drift is not None and drift.seen:
        said.append("--harmonize takes the light away.")
    return " ".join(said)


def _drifted(drift: FeatureDrift) -> str:
    if not drift.seen:
        return (
            f"Features do not drift: all classes together moved by {drift.size:.2f} of the spread within classes, and "
            f"two halves of the first date differ by {drift.noise:.2f}."
        )
    return (
        f"Features drift: all classes together moved by {drift.size:.2f} of the spread within classes "
        f"({drift.noise:.2f} between two halves of the first date), as light, season, depth or a camera make it."
    )


def meters(area: float) -> str:
    """An area in four digits that count.

    >>> meters(39_981.2), meters(1_234_567), meters(905.64), meters(0.0125)
    ('39,980', '1,235,000', '905.6', '0.0125')
    """
    rounded = float(f"{area:.4g}")
    return f"{rounded:,.0f}" if rounded >= 1000 else f"{rounded:.4g}"


def points(value: float | None) -> str:
    """A difference of shares in percentage points.

    >>> points(-0.0312), points(None), points(-0.0001)
    ('-3.1', '–', '0.0')
    """
    return "–" if value is None else f"{100 * value:+.1f}" if abs(value) >= 0.0005 else "0.0"
