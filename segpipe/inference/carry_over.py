"""Name carry-over: pictures to name clusters by, and names of earlier clusters kept for the new ones."""

from __future__ import annotations

import io
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from segpipe.base import files
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.base.shortage import raise_shortage
from segpipe.images.corpus_reader import ReadBox, open_original, read_reduced
from segpipe.inference.class_gallery import CROPS, GalleryInputs, survey
from segpipe.ops import gallery
from segpipe.ops.metrics.matching import match_overlap
from segpipe.plots import thumbnails as panels
from segpipe.records.class_names import Color, Entry, Naming
from segpipe.records.corpus import Corpus
from segpipe.records.gallery import Patch
from segpipe.records.guide import Guide
from segpipe.records.palette import class_colors, nodata
from segpipe.store import masks

GALLERY = "gallery"
"""Folder of the pictures in a run."""
_SEEN = "seen.npz"
_FIXED = "fixed.json"
_IMAGES, _GRID = 1000, 24  # images whose masks are remembered at most, places of each along a side
_PATCHES, _COVERS, _SIDE, _GAP = 8, 2, 144, 4  # of a picture

Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Seen:
    """Which cluster some places of the images had."""

    clustering: str
    clusters: int
    ids: tuple[str, ...]
    places: npt.NDArray[np.int64]
    """(images, places) clusters, -1 where there is no image."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of a naming."""

    naming: Naming
    added: Sequence[int]
    """Clusters that were not there before."""
    removed: Mapping[int, Entry]
    """Entries whose cluster is there no more, by their old number."""
    moved: Mapping[int, int]
    """Old numbers to new ones, where a cluster kept its entry and changed its number."""
    origin: Mapping[int, int]
    """Number now to number before, of all that kept their entry."""
    loose: Sequence[int]
    """Clusters whose merge_into is empty now, because its target is there no more."""


def look(directory: Path, corpus: Corpus, clusters: int, clustering: str) -> Seen:
    """Read the clusters at an even grid of places of the masks, of a bounded number of images."""
    step = max(1, -(-len(corpus.images) // _IMAGES))
    images = corpus.images[::step]
    rows = []
    for entry in masks.load_index(directory)[::step]:
        found = masks.read_reduced(directory, entry, Size(_GRID, _GRID)).astype(np.int64).ravel()
        rows.append(np.where(found == nodata(clusters), -1, found))
    return Seen(clustering, clusters, tuple(image.id for image in images), np.stack(rows))


def save_seen(seen: Seen, run: Path) -> None:
    """Keep it beside the pictures."""
    with files.atomic(run / GALLERY / _SEEN) as beside, beside.open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            clustering=np.array(seen.clustering),
            clusters=np.array(seen.clusters),
            ids=np.array(seen.ids, np.str_),
            places=seen.places.astype(np.int32),
        )


def load_seen(run: Path) -> Seen | None:
    """What was kept; None where there is nothing that can be read."""
    try:
        with (run / GALLERY / _SEEN).open("rb") as file, np.load(file, allow_pickle=False) as kept:
            places = kept["places"].astype(np.int64)
            return Seen(str(kept["clustering"]), int(kept["clusters"]), tuple(kept["ids"].tolist()), places)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise_shortage(run / GALLERY / _SEEN, error)  # what can be read later must not be forgotten now
        return None


def carry(old: Naming, before: Seen | None, after: Seen) -> Carried:
    """What is said of the clusters there are now, from what was said of those there were.

    A cluster keeps its entry where it kept its pixels: it and the old one share more than half of the places that
    either holds, over the images that both clusterings have seen. Numbers alone say nothing, they go by size.

    Args:
        old: what was said.
        before: of the clusters that it was said of; None where unknown.
        after: of the clusters there are.
    """
    origin = _partners(old, before, after)
    numbers = {was: now for now, was in origin.items()}
    palette = _free_colors(old, after.clusters)
    entries: dict[int, Entry] = {}
    loose = []
    names = {old.entries[was].name for was in origin.values()}
    for k in range(after.clusters):
        if k not in origin:
            entries[k] = Entry(palette(k))
            continue
        entry = old.entries[origin[k]]
        into = entry.merge_into
        target = numbers.get(into) if isinstance(into, int) else into
        if into is not None and (target is None or (isinstance(target, str) and target not in names)):
            loose.append(k)
            target = None
        entries[k] = replace(entry, merge_into=target)
    return Carried(
        Naming(entries, after.clustering),
        added=[k for k in range(after.clusters) if k not in origin],
        removed={k: entry for k, entry in sorted(old.entries.items()) if k not in numbers},
        origin=origin,
        moved={was: now for was, now in sorted(numbers.items()) if was != now},
        loose=loose,
    )


def _partners(old: Naming, before: Seen | None, after: Seen) -> dict[int, int]:
    """Number now to number before."""
    known = old.clustering or (before.clustering if before else "")
    if known == after.clustering:
        return {k: k for k in range(after.clusters) if k in old.entries}
    if before is None or before.clustering != known:
        return {}
    places = dict(zip(before.ids, before.places, strict=True))
    both = [(places[image], row) for image, row in zip(after.ids, after.places, strict=True) if image in places]
    if not both:
        return {}
    was, now = (np.concatenate(rows) for rows in zip(*both, strict=True))
    held = (was >= 0) & (now >= 0)
    cells = np.bincount(was[held] * after.clusters + now[held], minlength=before.clusters * after.clusters)
    partners = match_overlap(cells.reshape(before.clusters, after.clusters))
    return {now: was for now, was in partners.items() if was in old.entries}


def _free_colors(old: Naming, clusters: int) -> _Palette:
    return _Palette({entry.color for entry in old.entries.values()}, clusters)


class _Palette:
    """Colors for new clusters, other than those in use."""

    def __init__(self, used: set[Color], clusters: int) -> None:
        self._used = set(used)
        self._colors: list[Color] = [(r, g, b) for r, g, b in class_colors(2 * clusters + len(used)).tolist()]

    def __call__(self, cluster: int) -> Color:
        choice = [self._colors[cluster], *self._colors]
        color = next((color for color in choice if color not in self._used), choice[0])
        self._used.add(color)
        return color


def new_colors(naming: Naming, count: int) -> list[Color]:
    """Colors for `count` more clusters, other than those in use."""
    palette, first = _free_colors(naming, len(naming.entries) + count), len(naming.entries)
    return [palette(first + i) for i in range(count)]


def begin(after: Seen, guide: Guide | None = None) -> Naming:
    """Nothing said yet of the clusters that were seen, see `begin_naming`."""
    return begin_naming(after.clusters, after.clustering, guide)


def begin_naming(clusters: int, clustering: str, guide: Guide | None = None) -> Naming:
    """Nothing said yet: every cluster in the color that it has on maps anyway, called as the label that steered it."""
    colors = class_colors(clusters).tolist()
    names = [*(guide.names if guide else ()), *[""] * clusters]
    return Naming({k: Entry((r, g, b), names[k]) for k, (r, g, b) in enumerate(colors)}, clustering)


def picture_names(clusters: int) -> dict[int, str]:
    """Where the pictures lie, from the run's directory."""
    digits = len(str(max(0, clusters - 1)))
    return {k: f"{GALLERY}/{k:0{digits}d}.png" for k in range(clusters)}


def load_fixed(run: Path) -> list[int] | None:
    """Clusters that lie at the same place of every frame, as `draw_gallery` found; None where it did not look yet."""
    path = run / GALLERY / _FIXED
    try:
        return [int(cluster) for cluster in files.parse_json(files.read_text(path))]
    except (OSError, ValueError, TypeError) as error:
        raise_shortage(path, error)
        return None


def draw_gallery(inputs: GalleryInputs, run: Path, runtime: Runtime) -> None:
    """Draw a picture of every cluster: its best patches in their surroundings, and the images that it covers most."""
    clusters = inputs.legend.classes
    wide = gallery.top_images(inputs.index, classes=clusters, keep=_COVERS)
    crops = gallery.choose_crops(
        [[cover.image for cover in covers] for covers in wide],
        inputs.corpus.crops_of,
        count=CROPS,
        seed=0,
        mosaics=[i for i, image in enumerate(inputs.corpus.images) if image.mosaic],
    )
    tracked = runtime.track(crops, total=len(crops), unit="crops")
    found = survey(inputs, tracked, keep=_PATCHES, per_crop=8, seed=0)
    files.write_json(run / GALLERY / _FIXED, list(found.fixed))
    wanted = defaultdict[int, list[tuple[int, int]]](list)  # by image: cluster and place on its picture
    patches = {(k, i): patch for k, best in enumerate(found.best) for i, patch in enumerate(best)}
    covers = {(k, i): cover for k, own in enumerate(wide) for i, cover in enumerate(own)}
    for key, patch in patches.items():
        wanted[patch.image].append(key)
    shown: dict[tuple[int, int], Rgb] = {}
    beside: dict[tuple[int, int], Rgb] = {}
    for image in sorted({*wanted, *(cover.image for cover in covers.values())}):
        own = [key for key, cover in covers.items() if cover.image == image]
        with open_original(inputs.corpus, inputs.corpus.images[image]) as read:
            for key in wanted[image]:
                shown[key] = _patch(inputs, image, patches[key], read)
            if own:
                small, low = _small(inputs, image, read)
                for key in own:
                    beside[key] = panels.highlight(small, low == key[0], inputs.legend.colors[key[0]])
    for k, name in picture_names(clusters).items():
        sheet = _sheet([shown[k, i] for i in range(len(found.best[k]))], [beside[k, i] for i in range(len(wide[k]))])
        out = io.BytesIO()
        Pillow.fromarray(sheet).save(out, "PNG")
        files.write_bytes(run / name, out.getvalue())


def _patch(inputs: GalleryInputs, image: int, patch: Patch, read: ReadBox) -> Rgb:
    """A patch in its surroundings; of a mosaic no more than these is read."""
    box = inputs.box(patch)
    around = panels.surroundings(box, inputs.corpus.images[image].size)
    return panels.around(read(around).rgb, box.within(around), side=_SIDE)


def _small(inputs: GalleryInputs, image: int, read: ReadBox) -> tuple[Rgb, masks.Mask]:
    """An image and its mask, scaled down."""
    shown, entry, side = inputs.corpus.images[image], inputs.index[image], 2 * _SIDE + _GAP
    if shown.mosaic:
        size = shown.size.fit(side)
        return read_reduced(inputs.corpus, shown, size), masks.read_reduced(inputs.masks, entry, size)
    rgb = read(Box(0, 0, shown.size.height, shown.size.width)).rgb
    return panels.shrink(rgb, side), panels.shrink_mask(masks.read_part(inputs.masks, entry), side)


def _sheet(patches: Sequence[Rgb], covers: Sequence[Rgb]) -> Rgb:
    """Patches in two rows on the left, covers on the right, on white."""
    step, across = _SIDE + _GAP, _PATCHES // 2
    width = across * step + sum(cover.shape[1] + _GAP for cover in covers)
    sheet = np.full((2 * step - _GAP, max(width - _GAP, 1), 3), 255, np.uint8)
    for i, patch in enumerate(patches):
        top, left = i // across * step, i % across * step
        sheet[top : top + _SIDE, left : left + _SIDE] = patch
    left = across * step
    for cover in covers:
        height, wide = cover.shape[:2]
        sheet[:height, left : left + wide] = cover
        left += wide + _GAP
    return sheet
