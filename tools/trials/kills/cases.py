"""The commands that are killed: small inputs, the settings, and what the run held before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from segpipe.commands.demo.samples import write_dive, write_mosaic, write_photos

QUICK = ("extract.input_size=96", "cluster.k=4", "cluster.prototypes=16", "cluster.patches=2000")
LIGHT = ("refine.crf_iterations=1", "refine.canvas_size=160", "runtime.workers=1", "report.images=2")
_STEGO = ("train.method=stego", "train.steps=20", "train.checkpoint_every=5", "train.dim=8")


@dataclass(frozen=True)
class Case:
    """A command and the commands that make the run that it starts from; `{data}` and `{run}` stand for folders."""

    command: Sequence[str]
    before: Sequence[Sequence[str]] = ()
    once: bool = False
    """Done a second time it does something else (a split splits again): where it was done already it is left out."""
    data: str = "photos"


def run_of(images: str, *sets: str, method: Sequence[str] = ("train.method=pca",), to: str = "report") -> list[str]:
    """The arguments of a quick run."""
    options = [part for pair in (*QUICK, *LIGHT, *method, *sets) for part in ("--set", pair)]
    return ["run", images, "{run}", "--config", "demo", "-q", "--to", to, *options]


_PHOTOS = "{data}/images"
_MASKS = run_of(_PHOTOS, to="refine")
_SPLIT = ["name", "{run}", "--split", "1", "--into", "2", "-q"]
_CURRENT = [_MASKS, ["name", "{run}", "-q"]]

_MODEL = "{data}/reef.segpipe"
_BUNDLED = [[part.replace("{run}", "{data}/run") for part in _MASKS], ["bundle", "{data}/run", _MODEL, "-q"]]


def _apply(formats: str) -> list[str]:
    return ["apply", _MODEL, "{data}/images", "{run}", "--format", formats, "--workers", "1", "-q"]


CASES: dict[str, Case] = {
    "run": Case(run_of(_PHOTOS)),
    "stego": Case(run_of(_PHOTOS, method=_STEGO, to="train")),
    "again": Case(run_of(_PHOTOS, "cluster.k=5", to="refine"), [_MASKS]),
    "mosaic": Case(
        run_of("{data}/mosaic.tif", "index.window=192", "index.overlap=0", to="refine"),
        data="mosaic",
    ),
    "video": Case(run_of("{data}/dive.webm", to="refine"), data="video"),
    "split": Case(_SPLIT, _CURRENT, once=True),
    "split first": Case(_SPLIT, [_MASKS], once=True),
    "join": Case(["name", "{run}", "--split", "1", "--into", "1", "-q"], [*_CURRENT, _SPLIT], once=True),
    "merge": Case(["name", "{run}", "--merge", "3", "1", "-q"], _CURRENT),
    "export": Case(["export", "{run}", "--format", "yolo", "--format", "coco", "--format", "color", "-q"], [_MASKS]),
    "evaluate": Case(
        ["evaluate", "{run}", "--labels", "{data}/labels", "--classes", "{data}/classes.txt", "-q"], [_MASKS]
    ),
    "bundle": Case(["bundle", "{run}", "{run}/reef.segpipe", "-q"], [_MASKS], data="bundled"),
    "apply": Case(_apply("png,gpkg,yolo,coco,fiftyone"), _BUNDLED, data="bundled"),
    "apply again": Case(_apply("overlay,gpkg"), [*_BUNDLED, _apply("png,gpkg,yolo")], data="bundled"),
    "cover": Case(["cover", "{run}", "--sites", "{data}/sites.csv", "-q"], [_MASKS]),
}

DATA: dict[str, Callable[[Path], None]] = {
    "photos": lambda folder: write_photos(folder, count=6, seed=1),
    "bundled": lambda folder: write_photos(folder, count=4, seed=1),
    "mosaic": lambda folder: write_mosaic(folder, seed=1, side=480),
    "video": lambda folder: write_dive(folder, seed=1, frames=40),
}


def filled(arguments: Sequence[str], data: Path, run: Path) -> list[str]:
    """Arguments with the folders in place."""
    return [part.replace("{data}", str(data)).replace("{run}", str(run)) for part in arguments]
