"""From counted pixels to cover: shares with intervals by image, site and over all, and what labels say against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.printable import readable
from segpipe.ops.geodesy import pixel_area
from segpipe.ops.metrics.cover_shares import shares_where_held
from segpipe.ops.metrics.doubt import doubt
from segpipe.records.class_names import fold
from segpipe.records.corpus import Corpus, Image
from segpipe.records.cover import Corrected, Correction, Part, Share, SiteCorrection, SiteShare
from segpipe.records.legend import Legend
from segpipe.records.scores import Confusion
from segpipe.stages.cover import estimators as estimate
from segpipe.stages.cover.sites import Sites

FOLDER = "folder"
TOP = "(top folder)"
NO_SITE = "(no site)"

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counted:
    """The images, counted."""

    names: Sequence[str]
    sites: Sequence[str]
    pixels: Int64
    """(images, classes)"""
    areas: Float64
    """(images,) square meters of a pixel, NaN where nobody knows."""
    shots: Int64
    """(images,) images of the same number are drawn together: see `Corpus.shots`."""

    @property
    def known(self) -> bool:
        """Whether every image that holds anything knows how large its pixels are."""
        return bool(np.isfinite(self.areas[self.pixels.any(axis=1)]).all())


def weigh(counted: Counted, weight: str) -> tuple[Float64, str]:
    """What shares are made of (images, classes), and what that is."""
    pixels = counted.pixels.astype(np.float64)
    if weight == "images":
        return pixels / np.maximum(pixels.sum(axis=1, keepdims=True), 1), "images"
    if counted.known:
        return pixels * np.nan_to_num(counted.areas)[:, None], "square meters"
    return pixels, "pixels"


def site_of(image: Image, index: int, table: Sites | None) -> str:
    """The site of an image: as the table says, or its folder; that of a frame is its video."""
    if table is not None and table.by:
        return table.sites.get(index, "") or NO_SITE
    folder = PurePosixPath(image.id).parent.as_posix()
    return TOP if folder == "." else folder


def part_of(
    name: str, rows: npt.NDArray[np.bool_], counted: Counted, amounts: Float64, legend: Legend, *, draws: int, seed: int
) -> Part:
    """The classes of some of the images, with intervals by resampling images, frames of one scene together.

    Args:
        name: of them.
        rows: (images,) which.
        counted: all images.
        amounts: (images, classes) what shares are made of.
        legend: the classes.
        draws: behind the intervals.
        seed: of the draws.
    """
    _, take = np.unique(counted.shots[rows], return_inverse=True)
    own = np.zeros((int(take.max(initial=-1)) + 1, amounts.shape[1]), np.float64)
    np.add.at(own, take, amounts[rows])
    ends = estimate.bootstrap_shares(own, draws=draws, seed=seed, where_held=shares_where_held(amounts))
    kind = "image" if len(own) == rows.sum() else "scene"  # frames that follow each other are no images of their own
    drawn = own[own.sum(axis=1) > 0]
    if not len(drawn):
        note = "no pixel with a class"
    elif len(drawn) == 1:
        note = f"one {kind}: no interval, nobody knows how much others would differ"
    else:
        note = doubt(drawn, kind, legend.names)
    return _part(name, rows, counted, estimate.shares(own), ends, legend, note=note)


def _part(
    name: str, rows: npt.NDArray[np.bool_], counted: Counted, shares: Float64, ends: Any, legend: Legend, *, note: str
) -> Part:
    pixels = counted.pixels[rows].sum(axis=0)
    areas = counted.areas[rows]
    known = np.isfinite(areas[counted.pixels[rows].any(axis=1)]).all()
    area = (np.nan_to_num(areas)[:, None] * counted.pixels[rows]).sum() if known and pixels.any() else None
    return Part(
        name=name,
        images=int(rows.sum()),
        note=note,
        shares=[
            Share(
                number=k,
                name=legend.names[k],
                share=_known(shares[k]),
                low=None if ends is None else _known(ends[0][k]),
                high=None if ends is None else _known(ends[1][k]),
                pixels=int(pixels[k]),
                area=None if area is None else float(area * shares[k]),
            )
            for k in range(legend.classes)
        ],
    )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def whole_part(counted: Counted, amounts: Float64, legend: Legend, *, unit: str, draws: int, seed: int) -> Part:
    """All images, with intervals by images or by sites drawn again (`unit`); other arguments as in `part_of`."""
    everything = np.ones(len(counted.names), np.bool_)
    if unit == "image":
        return part_of("all", everything, counted, amounts, legend, draws=draws, seed=seed)
    sites = sorted(set(counted.sites))
    sums = np.stack([amounts[np.array(counted.sites) == site].sum(axis=0) for site in sites])
    ends = estimate.bootstrap_shares(sums, draws=draws, seed=seed, where_held=shares_where_held(sums))
    note = doubt(sums[sums.sum(axis=1) > 0], "site", legend.names)
    if ends is None:
        note = "one site: no interval, nobody knows how much others would differ"
    return _part("all", everything, counted, estimate.shares(amounts), ends, legend, note=note)


def image_parts(counted: Counted, legend: Legend) -> list[Part]:
    """Every image by itself."""
    parts = []
    for i, (name, site) in enumerate(zip(counted.names, counted.sites, strict=True)):
        rows = np.arange(len(counted.names)) == i
        shares = estimate.shares(counted.pixels[rows].astype(np.float64))
        part = _part(name, rows, counted, shares, None, legend, note="")
        parts.append(part.model_copy(update={"site": readable(site)}))
    return parts


def correct(
    found: Confusion,
    images: Sequence[int],
    labels: Sequence[str],
    counted: Counted,
    amounts: Float64,
    legend: Legend,
    *,
    draws: int,
    seed: int,
) -> Correction:
    """What labels say against the map: its errors, and the cover without them.

    Args:
        found: labelled pixels by image, label and cluster.
        images: index of each image of `found` in the corpus.
        labels: their names.
        counted: all images.
        amounts: (images, classes) what shares are made of.
        legend: the classes of the map.
        draws: behind the intervals.
        seed: of the draws.
    """
    counts, outside_map = _by_class(found, legend)
    total = counts.sum(axis=0)
    mapped = np.nan_to_num(estimate.shares(amounts))
    calibrated = estimate.calibrate(mapped, total)
    ends = estimate.bootstrap_calibrated(amounts, np.array(images), counts, draws=draws, seed=seed)
    places = {fold(name): k for k, name in enumerate(legend.names)}
    own = [places.get(fold(name)) for name in labels]
    rows = [
        Corrected(
            label=name,
            pixels=int(total[:, j].sum()),
            raw=None if own[j] is None else float(mapped[own[j]]),
            share=_known(calibrated.share[j]),
            low=None if ends is None else _known(ends[0][j]),
            high=None if ends is None else _known(ends[1][j]),
            standard_error=_known(calibrated.error[j]),
            labelled=float(total[:, j].sum() / max(1, total.sum())),
            found=None if own[j] is None else float(total[own[j]].sum() / max(1, total.sum())),
        )
        for j, name in enumerate(labels)
    ]
    unseen = [legend.names[k] for k in np.flatnonzero((total.sum(axis=1) == 0) & (mapped > 0))]
    note = "one labelled image: no interval" if ends is None else ""
    if unseen:
        note = f"without {calibrated.unseen:.2%} of the map in classes that hold no labelled pixel" + (
            note and f"; {note}"
        )
    return Correction(
        images=len(images),
        pixels=int(total.sum()),
        outside=outside_map,
        unseen=calibrated.unseen,
        unseen_classes=unseen,
        mean_error=_mean_error(counts, counted.pixels[list(images)], own),
        labels=rows,
        confusion=total.tolist(),
        note=note,
        sites=_correct_sites(counts, np.array(images), labels, own, counted, amounts, draws=draws, seed=seed),
    )


def _correct_sites(
    counts: Int64,
    labelled: Int64,
    labels: Sequence[str],
    own: Sequence[int | None],
    counted: Counted,
    amounts: Float64,
    *,
    draws: int,
    seed: int,
) -> list[SiteCorrection]:
    """Every site by the errors that the map makes at all of them; empty where there is one site only."""
    names, total, found = sorted(set(counted.sites)), counts.sum(axis=0), []
    for name in names if len(names) > 1 else []:
        site = np.array(counted.sites) == name
        raw = estimate.shares(amounts[site])
        mapped = np.nan_to_num(raw)
        calibrated = estimate.calibrate(mapped, total) if mapped.any() else None
        ends = estimate.bootstrap_calibrated_site(amounts, labelled, counts, site, draws=draws, seed=seed)
        here = counts[site[labelled]].sum(axis=(0, 1))
        found.append(
            SiteCorrection(
                name=name,
                images=int(site.sum()),
                unseen=calibrated.unseen if calibrated else 1.0,
                note="" if ends is not None else "one image: no interval" if site.sum() == 1 else "no interval",
                labels=[
                    SiteShare(
                        label=label,
                        pixels=int(here[j]),
                        raw=_share_of(raw, own[j]),
                        share=_known(calibrated.share[j]) if calibrated else None,
                        low=None if ends is None else _known(ends[0][j]),
                        high=None if ends is None else _known(ends[1][j]),
                    )
                    for j, label in enumerate(labels)
                ],
            )
        )
    return found


def _share_of(shares: Float64, place: int | None) -> float | None:
    return None if place is None else _known(float(shares[place]))


def _by_class(counts: Confusion, legend: Legend) -> tuple[Int64, int]:
    """Labelled pixels (images, classes of the map, labels), and how many lie where the map has no class."""
    classes = np.append(legend.classes_of, -1)[counts.cluster]
    held = classes >= 0
    table = np.zeros((counts.images, legend.classes, counts.classes), np.int64)
    np.add.at(table, (counts.image[held], classes[held], counts.label[held]), counts.count[held])
    return table, int(counts.count[~held].sum())


def _mean_error(counts: Int64, pixels: Int64, own: Sequence[int | None]) -> float | None:
    """Mean difference, image by image, between the share of a label's pixels and that of the class of its name."""
    labels = [j for j, k in enumerate(own) if k is not None]
    if not labels:
        return None
    said = np.stack([estimate.shares(table.astype(np.float64).sum(axis=0, keepdims=True)) for table in counts])
    seen = pixels / np.maximum(pixels.sum(axis=1, keepdims=True), 1)
    errors = np.abs(said[:, labels] - seen[:, [own[j] for j in labels]])
    return float(np.nanmean(errors)) if np.isfinite(errors).any() else None


def count_images(
    corpus: Corpus, index: Sequence[Mapping[str, Any]], table: Sites | None, *, classes: int, gsd: float | None
) -> Counted:
    """Pixels by class, site and ground of every image.

    Args:
        corpus: the images.
        index: their pixels by class.
        table: what the user's table says of them.
        classes: how many there are.
        gsd: meters along the side of a pixel, of images that do not say so themselves.
    """
    pixels = np.zeros((len(index), classes), np.int64)
    for i, entry in enumerate(index):
        for k, count in entry["pixels"].items():
            pixels[i, int(k)] = count
    sides = [table.gsd.get(i) if table else None for i in range(len(index))]
    areas = [
        side**2 if side else (pixel_area(image.geo, image.size) if image.geo else None) or (gsd or np.nan) ** 2
        for side, image in zip(sides, corpus.images, strict=True)
    ]
    return Counted(
        names=[image.id for image in corpus.images],
        sites=[site_of(image, i, table) for i, image in enumerate(corpus.images)],
        pixels=pixels,
        areas=np.array(areas, np.float64),
        shots=corpus.shots,
    )
