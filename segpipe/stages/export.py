"""Export: masks as files that other programs and people open.

Reads  corpus/  the images
       masks/   class maps
       classes.yaml  what the clusters are called, where a person said so
Writes export/  one folder per format, classes.csv
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, field_validator

from segpipe.base.config import Section, setting
from segpipe.base.runtime import Runtime
from segpipe.formats import certainty, pictures
from segpipe.formats.source import Source
from segpipe.store import masks
from segpipe.store.corpus import load_corpus
from segpipe.store.naming import CLASSES, open_legend
from segpipe.store.run_dir import RunDir

NAME = "export"
ARTEFACT = "export"
NEEDS = ("index", "refine")
BESIDE = (CLASSES,)
FORMAT = 2

FORMATS: dict[str, Callable[[Source, Path], int]] = {
    "png": pictures.export_png,
    "color": pictures.export_color,
    "overlay": pictures.export_overlay,
    "classes": pictures.export_classes,
    "certainty": certainty.export_certainty,
}
"""Each format writes under `export/` and returns how many files it wrote. To add one: a function and its line here."""


class Config(Section):
    """Settings of `export`."""

    formats: tuple[str, ...] = setting(("png", "color", "overlay", "classes"), f"what to write: {', '.join(FORMATS)}")
    opacity: float = setting(0.5, "share of the class colour in overlays, 0 to 1", ge=0, le=1)

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


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Write every format that is asked for."""
    directory = run_dir.path("masks")
    header = masks.load_header(directory)
    source = Source(
        corpus=load_corpus(run_dir.path("corpus")),
        directory=directory,
        index=masks.load_index(directory),
        legend=open_legend(run_dir, header["classes"]),
        opacity=config.opacity,
        runtime=runtime,
    )
    with run_dir.writing(ARTEFACT) as out:
        written = {name: FORMATS[name](source, out) for name in config.formats}
    return Summary(images=len(source.index), files=written)
