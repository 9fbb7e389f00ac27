"""Which channels the settings ask for, and in which files the bands of an image lie."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from segpipe.images.bands import Wanted

SENTINEL = "sentinel2"
"""The rule of files of one band as ESA names them, in .SAFE folders and out of them."""
_SENTINEL = re.compile(r"(?!MSK_)(?P<scene>.*?)_?(?P<band>B\d[\dA])(?P<rest>(_\d\dm)?)\.(jp2|tif|tiff)", re.IGNORECASE)
_GRAIN = re.compile(r"_(\d\d)m\.\w+$", re.IGNORECASE)
_RESOLUTIONS = re.compile(r"R\d\dm", re.IGNORECASE)
_FINE = {"B02": 10, "B03": 10, "B04": 10, "B08": 10, "B01": 60, "B09": 60, "B10": 60}
"""Meters a pixel of the bands of Sentinel-2, where the file's name does not say; all others have 20."""


@dataclass(frozen=True, slots=True)
class StackPlan:
    """Settings of `index` that make channels of bands; see there what each means."""

    bands: Wanted = ()
    """Empty: all."""
    math: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    files: str = ""

    @property
    def channels(self) -> int:
        """How many an image will have, as far as settings say; 0 where files alone know.

        >>> StackPlan(("B04", "B08"), ("ndvi=(B08-B04)/(B08+B04)",)).channels, StackPlan(beside=("_nir",)).channels
        (3, 4)
        """
        if not self.bands:
            return 0 if self.files or not self.beside else 3 + len(self.beside) + len(self.math)
        chosen = {str(band).casefold() for band in self.bands}
        return len(self.bands) + sum(each.partition("=")[0].strip().casefold() not in chosen for each in self.math)


@dataclass(frozen=True, slots=True)
class BandFile:
    """A file that holds bands of an image."""

    name: str
    """Path relative to the root, POSIX separators."""
    band: str
    """What its band is called; empty: as the file says."""
    scene: str
    """Path relative to the root of the image that it is a part of, without ending."""
    meters: int = 0
    """A pixel of Sentinel-2; 0 where that is not known."""


def rule_of(text: str) -> re.Pattern[str]:
    """The pattern of file names that a rule means: `*` is any text, `{band}` the name of the band.

    Raises:
        ValueError: it does not hold `{band}` once.
    """
    if text == SENTINEL:
        return _SENTINEL
    if text.count("{band}") != 1 or "/" in text:
        raise ValueError(f"{text!r} must be {SENTINEL}, or hold {{band}} once and no folder, such as '*_{{band}}.tif'")
    before, after = (".*?".join(map(re.escape, part.split("*"))) for part in text.split("{band}"))
    return re.compile(f"(?P<scene>{before})(?P<band>[A-Za-z0-9]+)(?P<rest>{after})", re.IGNORECASE)


def part_of(name: str, rule: re.Pattern[str]) -> BandFile | None:
    """What a rule makes of a file, by its path relative to the root; None where it does not fit."""
    path = PurePosixPath(name)
    found = rule.fullmatch(path.name)
    if found is None:
        return None
    folder = path.parent
    band = found["band"]
    meters = 0
    if rule is _SENTINEL:
        band = band.upper()
        folder = folder.parent if _RESOLUTIONS.fullmatch(folder.name) else folder
        said = _GRAIN.search(path.name)
        meters = int(said[1]) if said else _FINE.get(band, 20)
        scene = found["scene"]
    else:
        scene = (found["scene"] + found["rest"].rpartition(".")[0]).strip("_-. ") or found["scene"]
    return BandFile(name, band, str(folder / (scene.rstrip("_-. ") or "scene")), meters)


def parts_of_scene(parts: Sequence[BandFile], bands: Wanted) -> list[BandFile]:
    """Of the files of one scene those that are wanted, each band once, the finest first.

    The first is the image's own file, and gives it its grid. A band that lies there in several resolutions is taken in
    the finest. Without bands all are taken.
    """
    wanted = {str(band).casefold() for band in bands}
    named = {part.band.casefold() for part in parts}
    best: dict[str, BandFile] = {}
    for part in sorted(parts, key=lambda part: (part.meters, part.name)):
        best.setdefault(part.band.casefold(), part)
    return [part for band, part in best.items() if not wanted or band in wanted or not wanted & named]
