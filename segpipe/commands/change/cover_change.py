"""Cover at both dates by class and site, the difference and its interval, and what may be said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.commands.change.image_pairs import ImagePair
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.same_ground import Ground
from segpipe.commands.change.survey import SurveyDate
from segpipe.ops.change.cover_difference import CoverDifference, independent_difference, judge, paired_difference
from segpipe.ops.change.light_effect import LightEffect
from segpipe.stages.cover.estimates import Counted

ALL = "all"
_SITES = 8  # sites that both dates share, from which `auto` draws sites again: intervals of fewer are too narrow
_PAIRS = 8  # pairs that show the same ground, from which they are drawn again instead of blocks of it

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One class at one site, or over all."""

    site: str
    number: int
    name: str
    first: float | None
    """Share of what has a class at the first date, 0 to 1; None where nothing has."""
    second: float | None
    difference: float | None
    low: float | None
    """Lower end of the 95% interval of the difference; None where there is none."""
    high: float | None
    verdict: str
    """See `ops.change.cover_difference.judge`."""
    by_light: float
    """The difference that the common drift of features alone makes."""
    light_low: float
    """Least difference that light could make: see `ops.change.light_effect`."""
    light_high: float
    first_units: int
    """What was drawn again."""
    second_units: int
    holding: int
    """How many of them hold the class, at the date at which more do."""


@dataclass(frozen=True, slots=True)
class CoverChange:
    """The table, and how it was made."""

    rows: tuple[ChangeRow, ...]
    unit: str
    """What was drawn again for `all`: images, scenes, pairs, sites or blocks of ground."""
    weight: str
    """What shares are made of."""
    alone: tuple[str, ...]
    """Sites that one date has alone, which are left out."""

    @property
    def whole(self) -> list[ChangeRow]:
        """The rows over all sites."""
        return [row for row in self.rows if row.site == ALL]


@dataclass(frozen=True, slots=True)
class _Units:
    """What is drawn again of a date."""

    sites: npt.NDArray[np.str_]
    """(units,)"""
    amounts: Float64
    """(units, classes)"""


class CoverTable:
    """Makes the rows of all sites."""

    def __init__(self, names: Sequence[str], effect: LightEffect | None, options: ChangeOptions) -> None:
        self._names, self._options = names, options
        nothing = np.zeros(len(names))
        self._by_light = nothing if effect is None else effect.by_light
        self._light = (nothing, nothing) if effect is None else effect.range

    def of_pairs(self, sites: Sequence[str], first: Float64, second: Float64) -> list[ChangeRow]:
        """Rows of units (n, classes) that both dates hold: pairs of images, or blocks of ground.

        Args:
            sites: (n,) of each.
            first: amounts.
            second: amounts.
        """
        places, rows = np.array(sites), list[ChangeRow]()
        rows += self._rows(ALL, paired_difference(first, second, **self._drawn))
        for site in sorted(set(sites)) if len(set(sites)) > 1 else []:
            own = places == site
            rows += self._rows(site, paired_difference(first[own], second[own], **self._drawn))
        return rows

    def of_surveys(self, first: _Units, second: _Units, *, by_site: bool) -> list[ChangeRow]:
        """Rows of images that were taken at each date by themselves, at sites that both dates share."""
        common = sorted({*first.sites.tolist()} & {*second.sites.tolist()})
        if by_site:
            sums = [
                np.stack([units.amounts[units.sites == site].sum(axis=0) for site in common])
                for units in (first, second)
            ]
            # a site counts the same at both dates, however many images were taken of it
            held = [rows.sum(axis=1, keepdims=True) for rows in sums]
            sums = [rows / np.maximum(own, 1e-300) * (held[0] + held[1]) for rows, own in zip(sums, held, strict=True)]
            whole = paired_difference(sums[0], sums[1], **self._drawn)
        else:
            own = [units.amounts[np.isin(units.sites, common)] for units in (first, second)]
            whole = independent_difference(own[0], own[1], **self._drawn)
        rows = self._rows(ALL, whole)
        for site in common if len(common) > 1 else []:
            own = [units.amounts[units.sites == site] for units in (first, second)]
            rows += self._rows(site, independent_difference(own[0], own[1], **self._drawn))
        return rows

    @property
    def _drawn(self) -> dict[str, int]:
        return {"draws": self._options.n_resamples, "seed": self._options.seed}

    def _rows(self, site: str, found: CoverDifference) -> list[ChangeRow]:
        words = judge(found, self._light)
        return [
            ChangeRow(
                site=site,
                number=k,
                name=name,
                first=_known(found.first[k]),
                second=_known(found.second[k]),
                difference=_known(found.difference[k]),
                low=_known(found.low[k]),
                high=_known(found.high[k]),
                verdict=words[k],
                by_light=float(self._by_light[k]),
                light_low=float(self._light[0][k]),
                light_high=float(self._light[1][k]),
                first_units=found.units[0],
                second_units=found.units[1],
                holding=int(found.holding[k]),
            )
            for k, name in enumerate(self._names)
        ]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def cover_change(
    surveys: tuple[SurveyDate, SurveyDate],
    pairs: Sequence[ImagePair],
    grounds: Sequence[Ground],
    effect: LightEffect | None,
    options: ChangeOptions,
) -> CoverChange:
    """The table of cover at both dates.

    Where rasters show the same ground, cover is that of the common ground, and blocks of it are drawn again, or from
    eight rasters on the rasters. Where images are paired, pairs are drawn again; else the images of each date by
    themselves, or sites that both share.

    Args:
        surveys: the two dates.
        pairs: of images.
        grounds: what rasters of the same ground show; none where pixels of some pairs do not correspond.
        effect: of light on the second date; None: none.
        options: sites, unit, resamples.
    """
    counted = surveys[0].count(options), surveys[1].count(options)
    names = surveys[0].legend.names
    table = CoverTable(names, effect, options)
    places = {image.id: i for i, image in enumerate(surveys[0].corpus.images)}
    if grounds:
        many = len(grounds) >= _PAIRS
        parts = [(each, counts) for each in grounds for counts in ([each.transitions] if many else each.blocks)]
        ground = [(counted[0].sites[places[each.first]], each, counts) for each, counts in parts]
        known = all(each.pixel is not None for each in grounds)
        scale = [each.pixel or 1.0 if known else 1.0 for _, each, _ in ground]
        first, second = (
            np.array([counts.sum(axis=axis) * size for (_, _, counts), size in zip(ground, scale, strict=True)])
            for axis in (1, 0)
        )
        rows = table.of_pairs([site for site, _, _ in ground], first, second)
        unit = "pairs of images" if many else "blocks of ground"
        return CoverChange(tuple(rows), unit, "square meters" if known else "pixels", ())
    amounts, weight = _amounts(counted)
    if pairs:
        at = [np.array([getattr(pair, side) for pair in pairs]) for side in ("first", "second")]
        sites = [counted[0].sites[i] for i in at[0]]
        rows = table.of_pairs(sites, amounts[0][at[0]], amounts[1][at[1]])
        return CoverChange(tuple(rows), "pairs of images", weight, ())
    units = [_units(*each) for each in zip(surveys, counted, amounts, strict=True)]
    held = [set(each.sites.tolist()) for each in units]
    common, alone = held[0] & held[1], tuple(sorted(held[0] ^ held[1]))
    if not common:  # nothing pairs the sites: each date is one sample
        units = [_Units(np.full(len(each.sites), ALL), each.amounts) for each in units]
        alone = ()
    by_site = len(common) > 1 and (options.unit == "site" or (options.unit == "auto" and len(common) >= _SITES))
    rows = table.of_surveys(units[0], units[1], by_site=by_site)
    films = any(survey.corpus.images[i].moment is not None for survey in surveys for i in survey.images)
    return CoverChange(tuple(rows), "sites" if by_site else "scenes" if films else "images", weight, alone)


def _amounts(counted: Sequence[Counted]) -> tuple[list[Float64], str]:
    """(images, classes) square meters where all images of both dates know them, else pixels."""
    if all(each.known for each in counted):
        return [each.pixels * np.nan_to_num(each.areas)[:, None] for each in counted], "square meters"
    return [each.pixels.astype(np.float64) for each in counted], "pixels"


def _units(survey: SurveyDate, counted: Counted, amounts: Float64) -> _Units:
    """Images, frames of one scene together, by site."""
    keys: dict[tuple[str, int], int] = {}
    own = [keys.setdefault((counted.sites[i], int(counted.shots[i])), len(keys)) for i in survey.images]
    sums = np.zeros((len(keys), amounts.shape[1]))
    np.add.at(sums, own, amounts[list(survey.images)])
    return _Units(np.array([site for site, _ in keys], np.str_), sums)
