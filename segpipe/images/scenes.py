"""Scenes: files of a listing that together are one image, by the rules of `index.band_files` and `index.beside`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from segpipe.images.listing import BandScene, Listing
from segpipe.images.stack_plan import SENTINEL, BandFile, StackPlan, part_of, parts_of_scene, rule_of

BANDS_TOO = (".jp2",)
"""Endings of bands besides those of images."""

_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2")
"""Of the files beside an image."""


def group_scenes(listing: Listing, plan: StackPlan) -> Listing:
    """The listing with one file for each image: those that hold further bands of it are taken out and noted there.

    Files that no rule of one band a file fits are left as they are.
    """
    scenes: dict[str, BandScene] = {}
    kept = list(listing.paths)
    if plan.files:
        kept, scenes = _of_one_band(kept, plan)
    if plan.beside:
        kept, scenes = _with_beside(listing.root, kept, scenes, plan.beside)
    return replace(listing, paths=tuple(kept), scenes=scenes)


def _of_one_band(names: Sequence[str], plan: StackPlan) -> tuple[list[str], dict[str, BandScene]]:
    rule = rule_of(plan.files)
    groups: dict[str, list[BandFile]] = {}
    kept, scenes = [], {}
    for name in names:
        part = part_of(name, rule)
        if part is None and plan.files != SENTINEL:  # its folders hold previews and masks too
            kept.append(name)
        elif part is not None:
            groups.setdefault(part.scene, []).append(part)
    for scene, members in groups.items():
        first, *others = parts_of_scene(members, plan.bands)
        layers = (f"{first.band}=", *(f"{part.band}={relative(first.name, part.name)}" for part in others))
        kept.append(first.name)
        scenes[first.name] = BandScene(scene + PurePosixPath(first.name).suffix, layers)
    return sorted(kept), scenes


def _with_beside(
    root: Path, names: Sequence[str], scenes: dict[str, BandScene], endings: Sequence[str]
) -> tuple[list[str], dict[str, BandScene]]:
    found = {name: list(_beside(root, name, endings)) for name in names}
    taken = {str(PurePosixPath(name).parent / other) for name, others in found.items() for _, other in others}
    kept = [name for name in names if name not in taken]
    for name in kept:
        if found[name]:
            scene = scenes.get(name, BandScene(name, ("=",)))
            scenes[name] = replace(scene, layers=(*scene.layers, *(f"{band}={file}" for band, file in found[name])))
    return kept, scenes


def _beside(root: Path, name: str, endings: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Files that are called like an image with an ending of the rule, each after what its band is called."""
    path = root / name
    for ending in endings:
        for suffix in (*_SUFFIXES, *(suffix.upper() for suffix in _SUFFIXES)):
            other = path.with_name(f"{path.stem}{ending}{suffix}")
            if other.is_file():
                yield ending.strip("_-. ") or ending, other.name
                break


def relative(own: str, other: str) -> str:
    """A file as it is named from the folder of another, which is the same or lies beside it.

    >>> relative("a/x_B04.tif", "a/x_B08.tif"), relative("S/R10m/x_B04.jp2", "S/R20m/x_B05.jp2")
    ('x_B08.tif', '../R20m/x_B05.jp2')
    """
    here, there = PurePosixPath(own), PurePosixPath(other)
    return there.name if here.parent == there.parent else f"../{there.parent.name}/{there.name}"
