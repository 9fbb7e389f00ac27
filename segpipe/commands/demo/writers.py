"""What `segpipe sample` leaves behind: a folder that appears whole or not at all, and what lies in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segpipe.base import files
from segpipe.base.errors import UsageError, named
from segpipe.base.shown import shorten
from segpipe.commands.demo import samples
from segpipe.commands.demo.options import Kind, SampleOptions

PHOTOS = 24
"""How many photographs there are where it is not said."""
_CARD = "sample.json"


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample in its folder."""

    folder: Path
    lines: tuple[tuple[str, str, str], ...]
    """What, under which name, and more about it."""
    images: str
    """What `segpipe run` is given."""
    flags: tuple[str, ...]
    """And with which options: those of the tutorials."""
    earlier: bool
    """Whether it was there already."""


def write_sample(options: SampleOptions) -> Sample:
    """Write a sample; the same one in the folder is left as it is.

    Raises:
        UsageError: a count of something else than photographs, or a folder that holds something else.
    """
    if options.count is not None and options.kind != "photos":
        raise UsageError(f"{named('count', options.count)} is for photos only; leave it out for {options.kind}")
    count = PHOTOS if options.count is None else options.count
    card = {"kind": options.kind, "seed": options.seed, **({"count": count} if options.kind == "photos" else {})}
    out = Path(files.absolute(options.out)).resolve()
    earlier = _is_there(out, card, options.out)
    if not earlier:
        with files.atomic_folder(out) as made:
            _draw(made, options.kind, count, options.seed)
            files.write_json(made / _CARD, card)
    return _describe(options.out, options.kind, count, earlier=earlier)


def _is_there(out: Path, card: Mapping[str, Any], shown: Path) -> bool:
    """Whether a folder holds this sample.

    Raises:
        UsageError: it holds another one, or something else.
    """
    if not out.exists():
        return False
    if not out.is_dir():
        raise UsageError(f"{shown} is a file; choose a folder")
    if not any(out.iterdir()):
        return False
    if not (out / _CARD).is_file():
        raise UsageError(f"{shown} is not empty and holds no sample; choose another folder")
    try:
        found = files.read_json(out / _CARD)
    except ValueError:
        found = {}
    if found != card:
        was = shorten(" ".join(f"{key}={value}" for key, value in found.items())) or "unknown"
        raise UsageError(f"{shown} holds another sample ({was}); choose another folder, or delete it first")
    return True


def _draw(folder: Path, kind: Kind, count: int, seed: int) -> None:
    if kind == "photos":
        samples.write_photos(folder, count=count, seed=seed)
    elif kind == "mosaic":
        samples.write_mosaic(folder, seed=seed)
    else:
        samples.write_dive(folder, seed=seed)


def _describe(folder: Path, kind: Kind, count: int, *, earlier: bool) -> Sample:
    labels = ("labels", "labels", "  (index PNGs; names in classes.txt)")
    if kind == "photos":
        lines = (
            ("photos", "images", f"  ({count})"),
            labels,
            ("points", "points.csv", f"  ({samples.POINTS} a photograph)"),
            ("sites", "sites.csv", "  (column transect)"),
        )
        return Sample(folder, lines, "images", ("--cluster.k", "10"), earlier)
    if kind == "mosaic":
        flags = ("--cluster.k", "5", "--format", "cog,gpkg,classes")
        return Sample(folder, (("mosaic", "mosaic.tif", ""), labels), "mosaic.tif", flags, earlier)
    flags = ("--cluster.k", "6", "--index.frame_step", "5")
    return Sample(folder, (("video", "dive.webm", ""), labels), "dive.webm", flags, earlier)
