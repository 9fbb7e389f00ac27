"""Export: masks as files that other programs and people open.

Reads  corpus/  the images
       masks/   class maps
       classes.yaml  what the clusters are called, where a person said so
Writes export/  one folder or file per format
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from segpipe.base import files
from segpipe.base.runtime import Runtime
from segpipe.records.corpus import Corpus
from segpipe.records.legend import Legend
from segpipe.stages.export.formats import FORMATS
from segpipe.stages.export.formats.source import Source
from segpipe.stages.export.settings import GROUPS
from segpipe.stages.export.settings import Config as Config
from segpipe.stages.export.take_over import take_over
from segpipe.store import masks
from segpipe.store.class_names import CLASSES, open_legend
from segpipe.store.corpus import load_corpus
from segpipe.store.run_dir import RunDir

NAME = "export"
ARTEFACT = "export"
NEEDS = ("index", "refine")
USER_FILES = (CLASSES,)
FORMAT = 3
NOT_CONTENT = ("*",)  # no stage opens it
FILES = {info.files: f"`--format {name}`: {info.holds}" for group in GROUPS.values() for name, info in group.items()}
FILES["legend.png"] = "`--format overlay`: the classes' colors and names"
_SHOWING = ("overlay", "video", "yolo", "fiftyone")  # formats that read or copy the images themselves


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
        settings=config,
        runtime=runtime,
    )


def write_formats(config: Config, source: Source, out: Path) -> dict[str, int]:
    """Write every format that is asked for; how many files each wrote."""
    return {name: FORMATS[name](source, out) for name in config.formats}


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Write every format that is asked for; those that were written of the same masks and names are taken over."""
    directory = run_dir.path("masks")
    legend = open_legend(run_dir, masks.load_header(directory)["classes"])
    source = open_source(config, load_corpus(run_dir.path("corpus")), directory, legend, runtime)
    with run_dir.writing(ARTEFACT) as out:
        kept = take_over(_earlier(config, run_dir), run_dir.root / ARTEFACT, out)
        others = [name for name in config.formats if name not in kept]
        made = write_formats(config.model_copy(update={"formats": tuple(others)}), source, out)
        written = {name: (kept | made)[name] for name in config.formats}
    return Summary(images=len(source.index), files=written)


def _earlier(config: Config, run_dir: RunDir) -> dict[str, int]:
    """The formats that the last export made of what would be made of them now, and how many files each has."""
    stages = run_dir.manifest().stages
    old = stages.get(NAME)
    if old is None:
        return {}
    now = {
        "format": FORMAT,
        "inputs": {name: stages[name].artefact for name in NEEDS if name in stages},
        "beside": files.digests(run_dir.root, USER_FILES),
        "settings": config.identity() | {"formats": None},
    }
    then = {key: old.parts.get(key, {}) for key in now}
    then["settings"] = {**then["settings"], "formats": None}
    written = old.summary.get("files", {})
    return {name: written[name] for name in config.formats if name in written} if now == then else {}
