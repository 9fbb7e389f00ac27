"""Everything that is found between two dates: alignment, transitions, cover, drift."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.runtime import Track
from segpipe.commands.change.alignment import measure_shift
from segpipe.commands.change.change_map import moved_geo, plain_map, write_cog, write_polygons
from segpipe.commands.change.cover_change import CoverChange, cover_change
from segpipe.commands.change.image_pairs import ImagePair, find_pairs
from segpipe.commands.change.measured_light import Light
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.same_ground import ChangedPart, Ground, changed_part, compare_ground, plan_ground
from segpipe.commands.change.survey import SurveyDate
from segpipe.ops.change.ground_grid import GroundLink
from segpipe.pipeline import log
from segpipe.stages.export.formats.sanitize import unique

MAP, POLYGONS = "map", "change.gpkg"
_MOST_CLASSES = 254
_WANDERING = 3.0  # pixels of spread between windows, above which photographs do not show the same ground

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Transition:
    """Pixels of one class at the first date and of another, or the same, at the second."""

    before: int
    after: int
    pixels: int
    certain: int
    """Those four tolerances away from any border that would explain them."""
    area: float | None
    """Square meters; None where the size of a pixel is not known."""


@dataclass(frozen=True)
class Comparison:
    """What was found."""

    surveys: tuple[SurveyDate, SurveyDate]
    pairs: tuple[ImagePair, ...]
    grounds: tuple[Ground, ...]
    unaligned: tuple[str, ...]
    """Ids of images of the first date whose pairs agree on no shift, so that no pixels correspond."""
    cover: CoverChange
    changed: ChangedPart | None
    light: Light

    @property
    def transitions(self) -> list[Transition]:
        """Of all common ground, those that hold pixels; empty where no pixels correspond."""
        if not self.grounds:
            return []
        pixels, certain = (
            np.sum([getattr(ground, name) for ground in self.grounds], axis=0)
            for name in ("transitions", "certain_transitions")
        )
        known = all(ground.pixel is not None for ground in self.grounds)
        area = np.sum([ground.transitions * (ground.pixel or 0.0) for ground in self.grounds], axis=0)
        return [
            Transition(a, b, int(pixels[a, b]), int(certain[a, b]), float(area[a, b]) if known else None)
            for a, b in np.argwhere(pixels).tolist()
        ]


def compare(
    surveys: tuple[SurveyDate, SurveyDate],
    measure_light: Callable[[Sequence[Ground]], Light] | None,
    options: ChangeOptions,
    track: Track,
    *,
    out: Path | None,
) -> Comparison:
    """Find what changed.

    Args:
        surveys: the two dates, in the same classes.
        measure_light: says of common ground what light, season or depth could have made; None: nothing.
        options: how.
        track: shows how far the work is.
        out: where change maps are written; None: none are.

    Raises:
        SegpipeError: a table is wrong, an image file is gone, or the disk is full.
    """
    pairs = find_pairs(*surveys, options.pairs)
    grounds, unaligned = _grounds(surveys, pairs, options, track)
    grounds = _compare_grounds(surveys, grounds, options, track, out)
    light = Light(None, None) if measure_light is None else measure_light(grounds)
    effect, same = light.effect, light.unchanged
    cover = cover_change(surveys, pairs, [] if unaligned else grounds, effect, options)
    changed = None
    if grounds:
        moves = None if effect is None or same else effect.most_moves
        changed = changed_part(grounds, moves, draws=options.n_resamples, seed=options.seed, unchanged=same)
    return Comparison(surveys, tuple(pairs), tuple(grounds), tuple(unaligned), cover, changed, light)


def _grounds(
    surveys: tuple[SurveyDate, SurveyDate], pairs: Sequence[ImagePair], options: ChangeOptions, track: Track
) -> tuple[list[Ground], list[str]]:
    """The pairs of which pixels correspond, aligned, and ids of those of which none do."""
    first, second = surveys
    found, lost = list[Ground](), list[str]()
    for pair in track(pairs, total=len(pairs), unit="pairs aligned"):
        one, other = first.corpus.images[pair.first], second.corpus.images[pair.second]
        if not pair.placed and (options.align == "none" or one.size != other.size):
            lost.append(one.id)
            continue
        link = GroundLink(one.geo, other.geo) if pair.placed else GroundLink(None, None)
        at = pair.first, pair.second
        shift = None
        if options.align == "shift":
            moved, shift = measure_shift(first, second, at, link)
            if not pair.placed and (shift is None or shift.spread > _WANDERING):
                lost.append(one.id)
                continue
            link = moved
        ground = plan_ground(first, second, at, link, shift)
        if ground is not None:
            found.append(ground)
    return found, lost


def _compare_grounds(
    surveys: tuple[SurveyDate, SurveyDate],
    grounds: Sequence[Ground],
    options: ChangeOptions,
    track: Track,
    out: Path | None,
) -> list[Ground]:
    """Those of which some pixels have a class at both dates, with their transitions; their maps are written."""
    legend = surveys[0].legend
    if grounds and legend.classes > _MOST_CLASSES:
        raise UsageError(
            f"{surveys[0].run_dir.root}: a change map holds at most {_MOST_CLASSES} classes, and there are "
            f"{legend.classes}; merge some with `segpipe name`"
        )
    kept = list[Ground]()
    names = unique([ground.first for ground in grounds], ("layer_styles", "sqlite_sequence", "gpkg_contents"))
    for ground, layer in zip(grounds, names, strict=True):
        if out is None:
            compare_ground(*surveys, ground, lambda box, maps: None, track, tolerance=options.tolerance)
        else:
            path = files.inside(out / MAP, f"{ground.first}.tif")
            path.parent.mkdir(parents=True, exist_ok=True)
            image = surveys[0].corpus.images[surveys[0].place_of(ground.first)]
            geo, size = moved_geo(image.geo, ground.box), ground.box.size
            with plain_map(path.parent, size, geo) as (plain, put, close):
                compare_ground(*surveys, ground, put, track, tolerance=options.tolerance)
                close()
                if ground.blocks:
                    write_cog(plain, path, size, legend)
                    write_polygons(plain, out / POLYGONS, layer, geo, legend, least=options.min_area, append=False)
        if ground.blocks:
            kept.append(ground)
        else:
            log.warning("%s and %s share no pixel with a class at both dates", ground.first, ground.second)
    return kept
