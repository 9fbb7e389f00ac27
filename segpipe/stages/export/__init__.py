"""Export: masks as files that other programs and people open.

Reads  corpus/  the images
       masks/   class maps
       classes.yaml  what the clusters are called, where a person said so
Writes export/  one folder or file per format
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, field_validator

from segpipe.base.config import Section, setting
from segpipe.base.runtime import Runtime
from segpipe.records.corpus import Corpus
from segpipe.records.legend import Legend
from segpipe.stages.export.formats import FORMATS
from segpipe.stages.export.formats.source import Settings, Source
from segpipe.store import masks
from segpipe.store.class_names import CLASSES, open_legend
from segpipe.store.corpus import load_corpus
from segpipe.store.run_dir import RunDir

NAME = "export"
ARTEFACT = "export"
NEEDS = ("index", "refine")
USER_FILES = (CLASSES,)
FORMAT = 2


_SHOWING = ("overlay", "video", "yolo", "fiftyone")  # formats that read or copy the images themselves


class Config(Section):
    """Settings of `export`."""

    formats: tuple[str, ...] = setting(
        ("png", "color", "overlay", "classes", "cog", "video"), f"what to write: {', '.join(FORMATS)}"
    )
    opacity: float = setting(0.5, "share of the class colour in overlays and videos, 0 to 1", ge=0, le=1)
    min_area: int = setting(
        0, "maps and labels: regions of fewer pixels join the neighbor they share most border with; 0: none do", ge=0
    )
    simplify: float = setting(
        0.0, "polygons: corners are dropped that cut off less than this many pixels squared; 0: exact outlines", ge=0
    )
    gsd: float | None = setting(
        None, "meters per pixel of images whose coordinates have no length; null: areas are in pixels", gt=0
    )
    layers: Literal["crs", "image"] = setting(
        "crs", "gpkg, geoparquet: a layer for all images of a coordinate system (crs), or for each image"
    )
    coco: Literal["rle", "polygon"] = setting("rle", "coco: regions as run lengths (rle), or as polygon")
    images: Literal["link", "copy", "none"] = setting(
        "link", "yolo, fiftyone: whether images lie beside their labels as link, as copy, or not at all (none)"
    )
    image_url: str = setting(
        "/data/local-files/?d=", "labelstudio: what stands before an image's path to make its address"
    )
    points: int = setting(50, "coralnet: points of an image", ge=1, le=100_000)
    sampling: Literal["random", "stratified", "grid"] = setting("stratified", "coralnet: how points are chosen")
    seed: int = setting(0, "coralnet: seed of the points", ge=0)

    @field_validator("formats", mode="before")
    @classmethod
    def _known(cls, formats: Any) -> Any:
        names = formats.split(",") if isinstance(formats, str) else formats
        if not isinstance(names, list | tuple):
            return names  # pydantic says what it must be
        for name in names:
            if name not in FORMATS:
                close = difflib.get_close_matches(str(name), FORMATS, 1)
                hint = f"did you mean {close[0]}?" if close else f"formats are {', '.join(FORMATS)}"
                raise ValueError(f"holds {name!r}, which is not a format; {hint}")
        return tuple(dict.fromkeys(names))


class Summary(BaseModel):
    """What the manifest, the log line and the report say about this stage."""

    images: int
    files: dict[str, int]
    """Files written by format."""


def shows_images(config: Config) -> bool:
    """Whether a format that is asked for needs the images, beside their masks."""
    return bool({*_SHOWING} & {*config.formats})


def open_source(config: Config, corpus: Corpus, directory: Path, legend: Legend, runtime: Runtime) -> Source:
    """What formats work on: the images of a corpus and their masks in `directory`.

    Raises:
        UsageError: the masks are missing or of another format.
    """
    return Source(
        corpus=corpus,
        directory=directory,
        index=masks.load_index(directory),
        legend=legend,
        opacity=config.opacity,
        settings=Settings(**config.model_dump(exclude={"formats", "opacity"})),
        runtime=runtime,
    )


def write_formats(config: Config, source: Source, out: Path) -> dict[str, int]:
    """Write every format that is asked for; how many files each wrote."""
    return {name: FORMATS[name](source, out) for name in config.formats}


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Write every format that is asked for."""
    directory = run_dir.path("masks")
    legend = open_legend(run_dir, masks.load_header(directory)["classes"])
    source = open_source(config, load_corpus(run_dir.path("corpus")), directory, legend, runtime)
    with run_dir.writing(ARTEFACT) as out:
        written = write_formats(config, source, out)
    return Summary(images=len(source.index), files=written)
