"""Cover: how much of the ground each class covers, by image, by site and over all, with intervals.

Reads  corpus/   the images, and where they lie on the earth
       masks/    pixel counts
       classes.yaml  what the clusters are called, where a person said so
       the user's table of sites, and labels (points or label maps) if there are some: they correct the cover
Writes cover/    CSV tables, a figure, cover.json
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel

from segpipe.base import files
from segpipe.base.config import AbsolutePath, Section, setting
from segpipe.base.errors import UsageError, named
from segpipe.base.runtime import Runtime
from segpipe.labels.counting import Labelled, count_labelled, points_on_map
from segpipe.labels.ground_truth import label_files
from segpipe.plots.cover import cover_png
from segpipe.plots.cover_over_time import time_png
from segpipe.records.class_names import fold
from segpipe.records.corpus import Corpus
from segpipe.records.cover import Cover, PointJudged
from segpipe.records.legend import Legend
from segpipe.records.palette import hex_colors
from segpipe.records.point_rules import PointRules, PointsIn, without_later
from segpipe.stages.cover.estimates import (
    FOLDER,
    correct,
    count_images,
    image_parts,
    part_of,
    weigh,
    whole_part,
)
from segpipe.stages.cover.over_time import films_over_time, rows_over_time
from segpipe.stages.cover.sites import Sites, read_sites, sites_by_pattern
from segpipe.store import masks
from segpipe.store.class_names import CLASSES, open_legend
from segpipe.store.corpus import load_corpus
from segpipe.store.cover import save_cover, save_points, save_time
from segpipe.store.run_dir import RunDir

NAME = "cover"
ARTEFACT = "cover"
NEEDS = ("index", "refine")
USER_FILES = (CLASSES,)
FORMAT = 6
FILES = {
    "cover_images.csv": "share, pixels and area of each class in each image",
    "cover_sites.csv": "the same by site, with 95% intervals",
    "cover_all.csv": "the same over all images",
    "cover_corrected.csv": "with labels: cover corrected by the errors of the map",
    "cover_sites_corrected.csv": "with labels and several sites: each site corrected by the errors of all",
    "cover_confusion.csv": "with labels: how often each class of the map is which label",
    "cover_points.csv": (
        "with points: image, site, row, column, label and class on the map of each, and whether they are of one name"
    ),
    "cover.png": "bars with intervals, by site where there are several",
    "time.csv": (
        "of videos: share of each class in every second, with 95% intervals by scenes where a second holds several; a "
        "line without second is of the whole film"
    ),
    "time.png": "of videos: shares over time, and those of the whole film with intervals",
    "cover.json": "all of it",
}

log = logging.getLogger(__name__)


class Config(Section):
    """Settings of `cover`."""

    sites: AbsolutePath | None = setting(
        None,
        "CSV that names images and their site, and their gsd if it knows",
        flags=("--sites",),
        metavar="CSV",
    )
    by: str = setting(
        "",
        "column of sites that says the site, or `folder`: that of the image; empty = site, transect ..., or the folder",
        flags=("--by",),
        metavar="COLUMN|folder",
    )
    site_pattern: str | None = setting(
        None,
        "regular expression whose groups in a file name say the site, such as (?P<dive>D\\d+)_",
        flags=("--site-pattern",),
        metavar="PATTERN",
    )
    gsd: float | None = setting(
        None,
        "meters along the side of a pixel, of all images that do not say so",
        flags=("--gsd",),
        metavar="METERS",
        gt=0,
    )
    weight: Literal["ground", "images"] = setting(
        "ground", "ground = every pixel counts (by its area where that is known of all images); images = every image"
    )
    unit: Literal["image", "site"] = setting("image", "what is resampled for the interval of all images")
    time_step: float = setting(
        1.0, "of videos: seconds that each line of time.csv is of; longer ones hold several scenes", gt=0
    )
    n_resamples: int = setting(2000, "resamples behind each 95% interval", ge=100, le=1_000_000, was=("draws",))
    labels: AbsolutePath | None = setting(
        None,
        "CSV of points, or folder of index images, to correct the cover by",
        flags=("--labels", "--points"),
        metavar="CSV|DIR",
    )
    classes: AbsolutePath | None = setting(
        None, "text file of their class names, one per line in index order", flags=("--classes",), metavar="FILE"
    )
    skip_outside: bool = setting(
        False, "leave out points that lie outside their image, and say how many", flags=("--skip-outside",)
    )
    points_in: PointsIn = setting(
        "auto",
        "picture that rows and columns of points count in where EXIF turns it: displayed, or stored as in CoralNet",
    )
    seed: int = setting(0, "seed of the resamples", ge=0)

    def identity(self) -> dict[str, Any]:
        """As of `Section`, and as of versions without the later settings."""
        found, later = without_later(super().identity()), {"site_pattern": None, "time_step": 1.0}
        return {name: value for name, value in found.items() if name not in later or value != later[name]}


class Summary(BaseModel):
    """What the manifest, the log line and the report say about this stage."""

    images: int
    sites: int
    classes: int
    area: float | None
    """Square meters with a class, where every image's pixels are known in size."""
    labelled_pixels: int


def input_files(config: Config) -> list[Path]:
    """The user's tables and labels."""
    tables = [config.sites] if config.sites else []
    names = (f"{NAME}.labels", f"{NAME}.classes")
    return tables + (label_files(config.labels, config.classes, names=names) if config.labels else [])


def open_sites(config: Config, corpus: Corpus) -> Sites | None:
    """The user's table; None where sites are folders and nothing else is said of images.

    Raises:
        UsageError: it is wrong, or its column is named and it is not.
        CorpusError: no row belongs to an image.
    """
    if config.site_pattern is not None:
        return _sites_by_pattern(config, config.site_pattern, corpus)
    if config.sites is None:
        if config.by not in ("", FOLDER):
            raise UsageError(
                f"{named('cover.by', config.by)} is a column of a table of sites; give it with "
                f"{named('cover.sites')}, or {named('cover.by', FOLDER)}"
            )
        return None
    table = read_sites(config.sites, corpus.images, by=None if config.by == FOLDER else config.by)
    if table.unmatched:
        log.warning("%d rows of %s fit no image, such as %s", len(table.unmatched), config.sites, table.unmatched[0])
    return table


def _sites_by_pattern(config: Config, pattern: str, corpus: Corpus) -> Sites:
    """Sites by the names of files; a table may still say how large pixels are."""
    if config.by:
        raise UsageError(
            f"{named('cover.by', config.by)}: {named('cover.site_pattern', pattern)} says the sites; leave one out"
        )
    found = sites_by_pattern(pattern, corpus.images)
    if found.unmatched:
        said = len(found.unmatched), found.unmatched[0]
        log.warning("%d images have no site: the pattern is not in names such as %s", *said)
    if config.sites is None:
        return found
    return replace(found, gsd=read_sites(config.sites, corpus.images, by=None).gsd)


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Count, estimate, write.

    Raises:
        UsageError: a table, label or setting is wrong.
        CorpusError: no row of a table belongs to an image.
    """
    corpus, directory = load_corpus(run_dir.path("corpus")), run_dir.path("masks")
    clusters = int(masks.load_header(directory)["classes"])
    legend, table = open_legend(run_dir, clusters), open_sites(config, corpus)
    index = masks.by_class(masks.load_index(directory), legend)
    counted = count_images(corpus, index, table, classes=legend.classes, gsd=config.gsd)
    amounts, weight = weigh(counted, config.weight)
    drawn = {"draws": config.n_resamples, "seed": config.seed}
    correction, points = None, list[PointJudged]()
    if config.labels is not None:
        rules = PointRules(config.skip_outside, config.points_in, f"{NAME}.skip_outside")
        sources = config.labels, config.classes
        found = count_labelled(*sources, corpus, directory, clusters=clusters, runtime=runtime, rules=rules)
        if found.unmatched:
            log.warning("%d labels fit no image, such as %s", len(found.unmatched), found.unmatched[0])
        points = _points(found, corpus, directory, legend, counted.sites)
        correction = correct(found.counts, found.images, found.classes, counted, amounts, legend, **drawn)
        left_out = {fold(name) for name in open_legend(run_dir, clusters, whole=True).names}
        nameless = [row.label for row in correction.labels if row.raw is None and fold(row.label) not in left_out]
        if nameless:
            log.warning(
                "no class of the map is called %s: the cover is corrected, but there is nothing to compare it with; "
                "`segpipe name` gives classes names",
                ", ".join(nameless),
            )
    sites = np.array(counted.sites)
    cover = Cover(
        legend=legend.fingerprint,
        classes=list(legend.names),
        colors=hex_colors(legend.colors),
        clusters=legend.clusters_of,
        weight=weight,
        unit=config.unit,
        by=(table.by if table else "") or FOLDER,
        draws=config.n_resamples,
        whole=whole_part(counted, amounts, legend, unit=config.unit, **drawn),
        sites=[part_of(site, sites == site, counted, amounts, legend, **drawn) for site in sorted(set(counted.sites))],
        images=image_parts(counted, legend),
        correction=correction,
        films=films_over_time(corpus, amounts, step=config.time_step, **drawn),
    )
    with run_dir.writing(ARTEFACT) as out:
        save_cover(cover, out)
        if points:
            save_points(points, out)
        if cover.films:
            save_time(rows_over_time(cover.films, cover.classes), out)
            files.write_bytes(out / "time.png", time_png(cover))
        files.write_bytes(out / "cover.png", cover_png(cover))
    return summarize(cover)


def _points(
    found: Labelled, corpus: Corpus, directory: Path, legend: Legend, sites: Sequence[str]
) -> list[PointJudged]:
    """Every labelled point beside the class of the map there."""
    names = [*legend.names, ""]
    said = points_on_map(found.truth, corpus, directory, clusters=found.counts.clusters, workers=1)
    classes = np.append(legend.classes_of, -1)
    rows = []
    for point in said:
        label, name = found.classes[point.label], names[int(classes[point.cluster])]
        place = corpus.images[point.image].id, sites[point.image], point.row, point.column
        rows.append(PointJudged(*place, label=label, name=name, right=bool(name) and fold(name) == fold(label)))
    return rows


def summarize(cover: Cover) -> Summary:
    """The main numbers."""
    areas = [row.area for row in cover.whole.shares if row.area is not None]
    return Summary(
        images=cover.whole.images,
        sites=len(cover.sites),
        classes=len(cover.classes),
        area=sum(areas) if len(areas) == len(cover.classes) else None,
        labelled_pixels=cover.correction.pixels if cover.correction else 0,
    )
