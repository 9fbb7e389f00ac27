"""Sentences on the robustness of the masks of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from segpipe.plots.html import percent
from segpipe.records.finding import ENOUGH, KEPT, MIOU, Finding, tolerated

_WORST = 3


def by_corruption(findings: Sequence[Finding], measure: str = KEPT) -> dict[str, list[Finding]]:
    """The findings of one measure, corruption by corruption, as they come."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.measure == measure:
            found.setdefault(finding.disturbance, []).append(finding)
    return found


def sentences(findings: Sequence[Finding]) -> list[str]:
    """The main results, in three or four sentences."""
    kept = {name: rows for name, rows in by_corruption(findings).items() if all(r.value is not None for r in rows)}
    if not kept:
        return ["No pixel could be compared: the corruptions leave nothing of these images."]
    summary = [_overall(kept)]
    whole = [name for name, rows in kept.items() if tolerated(rows) == rows[-1].level]
    some = {name: tolerated(rows) for name, rows in kept.items() if name not in whole}
    up_to = [f"{name} {brief(level, kept[name][0].unit)}" for name, level in some.items() if level is not None]
    least = f"At least {percent(ENOUGH, 0)} of the pixels keep their class"
    if whole:
        summary.append(f"{least} at every level of {listed(whole)}.")
    if up_to:
        summary.append(f"{least} up to {listed(up_to)}.")
    none = [name for name, level in some.items() if level is None]
    if none:
        summary.append(f"Fewer than {percent(ENOUGH, 0)} do already at the weakest level of {listed(none)}.")
    summary.append(_most(findings, kept))
    return summary


def _overall(kept: Mapping[str, Sequence[Finding]]) -> str:
    weakest, strongest = ([rows[end].value or 0.0 for rows in kept.values()] for end in (0, -1))
    if len(kept) == 1:
        ((name, rows),) = kept.items()
        ends = [f"{percent(row.value)} of their pixels at {amount(row.level, row.unit)}" for row in rows]
        return f"Under {name} the masks keep {listed(ends)}."
    return (
        f"At the weakest level of {len(kept)} corruptions the masks keep {percent(median(weakest), 0)} of their "
        f"pixels (median; {percent(min(weakest), 0)} to {percent(max(weakest), 0)}), at the strongest "
        f"{percent(median(strongest), 0)} ({percent(min(strongest), 0)} to {percent(max(strongest), 0)})."
    )


def _most(findings: Sequence[Finding], kept: Mapping[str, Sequence[Finding]]) -> str:
    """The disturbances that change most."""
    miou = {(row.disturbance, row.level): row.value for row in findings if row.measure == MIOU}
    lowest = {name: min(rows, key=lambda row: row.value or 0.0) for name, rows in kept.items()}
    worst = sorted(lowest.values(), key=lambda row: row.value or 0.0)[:_WORST]
    parts = []
    for row in worst:
        spread = "" if row.low is None else f", 95% interval {percent(row.low, 0)} to {percent(row.high, 0)}"
        told = f"{row.disturbance} at {amount(row.level, row.unit)} ({percent(row.value, 0)} of pixels kept{spread}"
        parts.append(f"{told}; mIoU {percent(miou.get((row.disturbance, row.level)), 0)})")
    return f"They change most under {listed(parts)}."


def amount(level: float, unit: str) -> str:
    """A level with its unit.

    >>> amount(2, "m of water, Jerlov III"), amount(0.25, "share covered"), amount(20, "JPEG quality")
    ('2 m of water, Jerlov III', '25% covered', 'JPEG quality 20')
    >>> amount(1, "stops"), amount(2, "stops from end to end")
    ('1 stop', '2 stops from end to end')
    """
    if unit == "left to right":  # a mirrored image: there is one level
        return unit
    if unit.startswith("share"):
        return f"{percent(level, 0)} {unit.removeprefix('share ')}"
    if unit.endswith("quality"):
        return f"{unit} {level:g}"
    for many in ("stops", "lines"):
        if level == 1 and unit.startswith(many):
            unit = many[:-1] + unit.removeprefix(many)
    return f"{level:g} {unit}"


_BRIEF = {"degrees": "°", "times": "×", "px": " px", "m of water": " m", "gray levels": " gray levels"}
_COUNTED = ("scratches", "specks", "lines")


def brief(level: float, unit: str) -> str:
    """A level with as little of its unit as a person needs who sees the whole beside it.

    >>> brief(30, "degrees of tilt"), brief(1.4, "times smaller"), brief(2, "px of sigma at 480 px long side")
    ('30°', '1.4×', '2 px')
    >>> brief(0.3, "share lost"), brief(1, "stops between channels"), brief(20, "JPEG quality"), brief(9, "lines")
    ('30%', '1 stop', 'quality 20', '9')
    """
    if unit.startswith("share"):
        return percent(level, 0)
    if unit.endswith("quality"):
        return f"quality {level:g}"
    if unit in _COUNTED:
        return f"{level:g}"
    short = next((short for long, short in _BRIEF.items() if unit.startswith(long)), None)
    return amount(level, unit.split()[0]) if short is None else f"{level:g}{short}"


def listed(parts: Sequence[str]) -> str:
    """Things in a row.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
