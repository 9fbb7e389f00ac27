"""What maps of the same ground differ by where nothing changed: the first date seen as the second one was.

The ground of the first date is brought into the pixels of the second, where it lay and in its colors, and segmented
like it. Whatever class maps differ by then, no change of the ground made: light as far as it turns one color into
another, the other pixels, other windows of the network, and classes that were undecided.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Track
from segpipe.commands.change.alignment import box_of, warped_colors
from segpipe.commands.change.change_map import moved_geo
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.raster_writing import write_like
from segpipe.commands.change.same_ground import Ground, compare_ground, plan_ground
from segpipe.commands.change.second_date import segment
from segpipe.commands.change.survey import SurveyDate, open_survey
from segpipe.images.corpus_reader import ReadBox, open_original
from segpipe.images.readers import Pixels
from segpipe.ops.change.color_shift import joint_histogram, matched_table, recolored
from segpipe.ops.change.ground_grid import GroundLink
from segpipe.ops.change.local_structure import structure_differs
from segpipe.pipeline import log

FOLDER = "unchanged"
_GROUNDS = 8  # of which pictures are made
_WHOLE = 1 << 24  # pixels of a raster up to which it is made whole
_SIDE = 2048  # pixels of the boxes of a larger one
_ALONG = 2  # boxes along each side
_ENOUGH = 0.2  # share of the ground of like structure by which colors can be matched
_MOST = 0.5  # share of the places of a value that must be of like structure
_WINDOW, _WINDOWS = 256, 6  # pixels of windows by which colors are matched, and how many along each side


def compare_unchanged(
    surveys: tuple[SurveyDate, SurveyDate], grounds: Sequence[Ground], options: ChangeOptions, track: Track
) -> list[Ground]:
    """Compare the first date with itself as the second date saw it.

    Args:
        surveys: the two dates, in the same classes.
        grounds: what they share; where there is much of it a part of it is looked at.
        options: where pictures and their run are written, device and workers.
        track: shows how far the work is.

    Returns:
        The common ground of the first date and of these pictures; none of images of more than red, green and blue, or
        where an image file is gone, which is told.

    Raises:
        SegpipeError: as stages raise them.
    """
    if any(survey.corpus.bands or survey.corpus.channels for survey in surveys):
        return []
    try:
        return _compare(surveys, grounds, options, track)
    except CorpusError as error:
        log.warning("what maps differ by where nothing changed is not known: %s", error)
        return []


def _compare(
    surveys: tuple[SurveyDate, SurveyDate], grounds: Sequence[Ground], options: ChangeOptions, track: Track
) -> list[Ground]:
    first, second = surveys
    home = options.out / FOLDER
    shutil.rmtree(home / "images", ignore_errors=True)
    chosen = grounds[:: max(1, -(-len(grounds) // _GROUNDS))]
    places = [(ground, box) for ground in chosen for box in _boxes(second, ground)]
    for number, (ground, box) in enumerate(track(places, total=len(places), unit="pictures of unchanged ground")):
        _write(first, second, ground, box, home / "images" / f"{number:02}")
    run_dir = segment(first.run_dir, str((home / "images").absolute()), home / "run", options, track)
    same = open_survey(run_dir, first.legend, "unchanged")
    found = []
    for i, image in enumerate(same.corpus.images):
        ground, box = places[int(image.id)]
        own = plan_ground(first, same, (first.place_of(ground.first), i), _link(ground, box), None)
        if own is not None:
            compare_ground(first, same, own, lambda box, maps: None, track, tolerance=options.tolerance)
            found += [own] if own.blocks else []
    return found


def _boxes(second: SurveyDate, ground: Ground) -> list[Box]:
    """The boxes of the second image in which the ground is looked at."""
    size = second.corpus.images[second.place_of(ground.second)].size
    if size.height * size.width <= _WHOLE:
        return [Box(0, 0, size.height, size.width)]
    common, found = ground.box, []
    for top in np.linspace(common.top, max(common.top, common.bottom - _SIDE), _ALONG).astype(int).tolist():
        for left in np.linspace(common.left, max(common.left, common.right - _SIDE), _ALONG).astype(int).tolist():
            part = Box(top, left, min(_SIDE, common.bottom - top), min(_SIDE, common.right - left))
            box = box_of(*ground.link.places(part), size)
            if box is not None and box.height * box.width <= _WHOLE:
                found.append(box)
    return found


def _link(ground: Ground, box: Box) -> GroundLink:
    """From the first image to a box of the second."""
    link = ground.link
    if link.second is None:
        return link.shifted(link.rows - box.top, link.cols - box.left)
    return GroundLink(link.first, moved_geo(link.second, box), link.rows, link.cols)


def _write(first: SurveyDate, second: SurveyDate, ground: Ground, box: Box, path: Path) -> None:
    """The ground of the first image in a box of the second one's pixels, and in its colors."""
    one = first.corpus.images[first.place_of(ground.first)]
    other = second.corpus.images[second.place_of(ground.second)]
    link, finer = ground.link, ground.link.scale(ground.box)
    back = GroundLink(link.second, link.first, -link.rows * finer, -link.cols * finer)
    with open_original(first.corpus, one) as read, open_original(second.corpus, other) as read_other:
        table = match_colors(read, read_other, ground, other.size)

        def seen(part: Box) -> Pixels:
            window = Box(box.top + part.top, box.left + part.left, part.height, part.width)
            colors, there = warped_colors(read, window, back, one.size)
            return Pixels(np.where(there[..., None], recolored(colors, table), 0).astype(np.uint8), there)

        write_like(other, path, box.size, moved_geo(other.geo, box), seen)


def match_colors(read: ReadBox, other: ReadBox, ground: Ground, size: Size) -> npt.NDArray[np.uint8]:
    """What colors (256, 3) of the first image have become in the second, by windows that lie evenly over the ground.

    What has another structure takes no part, nor do values that most of it had: else a class of which nearly all
    changed would tell that light did it. Where hardly anything has the same structure, all of the ground takes part.

    Args:
        read: gives boxes of the first image.
        other: of the second.
        ground: what both share.
        size: of the second.
    """
    box, alike, other_things = ground.box, np.zeros((3, 256, 256), np.int64), np.zeros((3, 256, 256), np.int64)
    for top in range(box.top, box.bottom, max(_WINDOW, -(-box.height // _WINDOWS))):
        for left in range(box.left, box.right, max(_WINDOW, -(-box.width // _WINDOWS))):
            window = Box(top, left, min(_WINDOW, box.bottom - top), min(_WINDOW, box.right - left))
            here = read(window)
            colors, there = warped_colors(other, window, ground.link, size)
            both = there if here.valid is None else there & here.valid
            differs = structure_differs(here.rgb, colors)
            alike += joint_histogram(here.rgb[both & ~differs], colors[both & ~differs])
            other_things += joint_histogram(here.rgb[both & differs], colors[both & differs])
    every = alike + other_things
    if alike.sum() < _ENOUGH * every.sum():
        return matched_table(every)
    alike[alike.sum(axis=2) < _MOST * every.sum(axis=2)] = 0
    return matched_table(alike)
