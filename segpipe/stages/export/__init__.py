"""Export: masks as files that other programs and people open.

Reads  corpus/  the images
       masks/   class maps
       classes.yaml  what the clusters are called, where a person said so
Writes export/  one folder or file per format
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel

from segpipe.base import files
from segpipe.base.runtime import Runtime
from segpipe.records.corpus import Corpus
from segpipe.records.legend import Legend
from segpipe.stages.export import part_files
from segpipe.stages.export.formats import FORMATS
from segpipe.stages.export.formats.source import Source
from segpipe.stages.export.settings import GROUPS
from segpipe.stages.export.settings import Config as Config
from segpipe.stages.export.take_over import take_over
from segpipe.store import masks
from segpipe.store.class_names import CLASSES, open_legend
from segpipe.store.corpus import count_corpus, load_corpus
from segpipe.store.run_dir import RunDir
from segpipe.store.shared_work import Sharing
from segpipe.store.unit_spans import gaps_between, spans_of

NAME = "export"
ARTEFACT = "export"
NEEDS = ("index", "refine")
PROGRESS = part_files.FOLDER
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


class Exporting:
    """The files of a run's masks while they are written: by one process, or first by several.

    A unit is an image. Parts write the formats that have files of every image's own; those of all images together, and
    what no part has written, are written by who finishes.
    """

    def __init__(self, config: Config, run_dir: RunDir, out: Path, runtime: Runtime) -> None:
        self._config, self._run_dir, self._out, self._runtime = config, run_dir, out, runtime

    @cached_property
    def units(self) -> int:
        """Images of the run."""
        return count_corpus(self._run_dir.path("corpus"))[0]

    @cached_property
    def _source(self) -> Source:
        directory = self._run_dir.path("masks")
        legend = open_legend(self._run_dir, masks.load_header(directory)["classes"])
        return open_source(self._config, load_corpus(self._run_dir.path("corpus")), directory, legend, self._runtime)

    def lay_out(self) -> None:
        """Take over what was written before of the same masks and names."""
        kept = take_over(_earlier(self._config, self._run_dir), self._run_dir.root / ARTEFACT, self._out)
        part_files.save_kept(self._out, kept)

    def _formats(self, *, per_image: bool) -> Config:
        kept = part_files.load_kept(self._out)
        chosen = (name for name in self._config.formats if name not in kept)
        those = tuple(name for name in chosen if (name in part_files.PER_IMAGE) == per_image)
        return self._config.model_copy(update={"formats": those})

    def write(self, units: range) -> None:
        """Write the files of some images."""
        if part_files.load_range(self._out, units) is not None:
            return
        config = self._formats(per_image=True)
        with part_files.moved_in(self._out) as (folder, names):
            counts = write_formats(config, replace(self._source, only=units), folder) if config.formats else {}
        part_files.save_range(self._out, units, names, counts)

    def names(self, units: range) -> list[str]:
        """The files of some images."""
        found = part_files.load_range(self._out, units)
        return [part_files.range_name(units), *(found["files"] if found else ())]

    def finish(self) -> Summary:
        """Write what no part has written."""
        out, known = self._out, spans_of(self._out / part_files.FOLDER, "json", self.units)
        for gap in gaps_between(known, self.units):
            self.write(gap)
        made = part_files.joined_counts(out, self.units)
        config = self._formats(per_image=False)
        with part_files.moved_in(out) as (folder, _):  # not half of them where it is interrupted: links do not give way
            made |= part_files.load_kept(out) | (write_formats(config, self._source, folder) if config.formats else {})
        return Summary(images=self.units, files={name: made[name] for name in self._config.formats})


SHARING = Sharing(Exporting, part_files.has_kept)


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Write every format that is asked for; those that were written of the same masks and names are taken over."""
    with ExitStack() as stack:
        begun = part_files.has_kept(run_dir.root / f"{ARTEFACT}.partial")
        out = stack.enter_context((run_dir.resuming if begun else run_dir.writing)(ARTEFACT))
        work = Exporting(config, run_dir, out, runtime)
        if not begun:
            work.lay_out()
        return work.finish()


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
