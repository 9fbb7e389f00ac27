"""RunReader: the artefacts of a run, opened when they are asked for, and one line for what is missing or damaged."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from segpipe import pipeline
from segpipe.base import checksums
from segpipe.base.errors import SegpipeError, UsageError
from segpipe.base.shortage import raise_shortage
from segpipe.images.id_lookup import ImageNames
from segpipe.inference.codes import open_head
from segpipe.inference.named_scores import named_scores
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus
from segpipe.records.cover import Cover
from segpipe.records.legend import Legend
from segpipe.records.manifest import StageRecord
from segpipe.records.scores import NamedMap, Scores
from segpipe.store import masks
from segpipe.store.class_names import open_legend
from segpipe.store.clusters import open_clusters
from segpipe.store.corpus import load_corpus
from segpipe.store.cover import load_cover
from segpipe.store.features import FeatureStore
from segpipe.store.scores import load_scores

if TYPE_CHECKING:
    from segpipe.nn.head import Head

T = TypeVar("T")
_DAMAGE = (OSError, ValueError, LookupError, TypeError, RuntimeError, AttributeError)
"""What parsers of JSON, zarr, npz, PNG and safetensors raise for a file that is cut short or overwritten."""


class RunReader:
    """Reads a run that may be half done, go on, or be damaged.

    What was opened is kept until its stage runs again, so a notebook that runs a stage sees the new result.
    """

    def __init__(self, root: Path) -> None:
        """Take the run at `root`.

        Raises:
            UsageError: it is no run, or its manifest is damaged.
        """
        self.run_dir = pipeline.open_run(root)
        root = self.run_dir.root
        if not (root / "config.yaml").is_file():
            what = "has no config.yaml" if root.is_dir() else "is a file" if root.exists() else "does not exist"
            named = self.run_dir.place
            raise UsageError(f"{named} is not a run ({what}); begin one with `segpipe run IMAGES {named}`")
        self.root = root
        self._kept: dict[str, tuple[str, Any]] = {}
        self.finished()

    def finished(self) -> Mapping[str, StageRecord]:
        """The records of the finished stages, in the order of the pipeline.

        Raises:
            UsageError: the manifest is damaged.
        """
        self.run_dir.settle()
        with reading(self.root / "manifest.json", f"segpipe run IMAGES {self.root}"):
            stages = self.run_dir.manifest().stages
        return {name: stages[name] for name in pipeline.BY_NAME if name in stages}

    def missing(self) -> list[str]:
        """The stages that are not finished, in the order of the pipeline; `evaluate` needs labels and is left out."""
        done = self.finished()
        return [name for name in pipeline.BY_NAME if name not in done and name != "evaluate"]

    def folder(self, stage: str) -> Path:
        """The directory that a finished stage wrote.

        Raises:
            UsageError: the stage has not been run; names it and the command.
        """
        artefact, done = pipeline.BY_NAME[stage].ARTEFACT, self.finished()
        path = self.root / artefact
        if stage in done and self.run_dir.remote is not None:
            self.run_dir.remote.fetch(artefact)
        if stage in done and path.is_dir():
            return path
        state = f"{artefact}/ is gone from" if stage in done else f"{stage} has not been run on"
        raise UsageError(f"{artefact}: {state} {self.root}; run `{self._command(stage)}`")

    def _command(self, stage: str) -> str:
        done = self.finished()
        if stage == "index" or any(name not in done for name in pipeline.BY_NAME[stage].NEEDS):
            return f"segpipe run IMAGES {self.root} --to {stage}"
        labels = " --labels LABELS --classes CLASSES" if stage == "evaluate" else ""
        return f"segpipe {stage} {self.root}{labels}"

    def require_current(self, stage: str) -> None:
        """Refuse a stage that was finished before one that it reads was run again.

        Raises:
            UsageError: names both stages, and the command.
        """
        self.folder(stage)
        done = self.finished()
        for name, artefact in done[stage].parts.get("inputs", {}).items():
            if name not in done or done[name].artefact != artefact:
                raise UsageError(
                    f"{pipeline.BY_NAME[stage].ARTEFACT}: {name} was run again after {stage} on {self.root}; "
                    f"run `{self._command(stage)}`"
                )

    def _open(self, stage: str, name: str, load: Callable[[Path], T], *, keep: bool = True) -> T:
        """What `load` makes of a stage's file `name`."""
        folder = self.folder(stage)
        record = self.finished()[stage]
        version, key = f"{record.key} {record.finished}", f"{stage}/{name}"
        kept = self._kept.get(key)
        if kept is not None and kept[0] == version:
            found: T = kept[1]
            return found
        with self.reading(stage, folder / name):
            checksums.check_opened(folder, record.checksum)
            found = load(folder)
        if keep:
            self._kept[key] = version, found
        return found

    @contextmanager
    def reading(self, stage: str, path: Path) -> Iterator[None]:
        """Say in one line that a file of a stage is damaged, whatever its reader says."""
        images = "IMAGES " if stage == "index" else ""
        with reading(path, f"segpipe {stage} {images}{self.root} --force"):
            yield

    @property
    def corpus(self) -> Corpus:
        """The images and their crops."""
        return self._open("index", "corpus.jsonl", load_corpus)

    @property
    def features(self) -> FeatureStore:
        """The features of all crops."""
        return self._open("extract", "store.zarr", FeatureStore)

    @property
    def head(self) -> Head:
        """What makes codes of features."""
        return self._open("train", "head.safetensors", open_head)

    @property
    def clusters(self) -> ClusterModel:
        """The clusters, those cut further that were split. `segpipe name` may have split some since: read anew."""
        return self._open("cluster", "clusters.npz", lambda _: open_clusters(self.run_dir), keep=False)

    @property
    def mask_header(self) -> Mapping[str, Any]:
        """How the masks were made."""
        return self._open("refine", "header.json", _load_mask_header)

    @property
    def mask_index(self) -> Mapping[str, Mapping[str, Any]]:
        """For each image, by id, size and pixels of its mask."""
        return self._open("refine", "index.jsonl", _load_mask_index)

    @property
    def legend(self) -> Legend:
        """Names and colors of the classes; classes.yaml may have been edited since: read anew."""
        classes = self.mask_header["classes"]
        with reading(self.root / "classes.yaml", f"segpipe name {self.root}"):
            return open_legend(self.run_dir, classes)

    @property
    def cover(self) -> Cover:
        """What classes cover."""
        return self._open("cover", "cover.json", load_cover)

    @property
    def scores(self) -> Scores:
        """How masks and labels agree."""
        return self._open("evaluate", "scores.json", load_scores)

    @property
    def named_scores(self) -> NamedMap | None:
        """How the map as named and labels agree; names may have changed since: made anew."""
        self._open("evaluate", "scores.json", load_scores)
        with reading(self.run_dir.path("scores"), f"segpipe evaluate {self.root}"):
            return (named_scores(self.run_dir) or (None,))[0]

    def find(self, name: str) -> int:
        """The index of the image that an id, path or file name means.

        Raises:
            UsageError: no image, or several.
        """
        corpus = self.corpus
        found = self._open("index", "names", lambda _: ImageNames(corpus.images)).find(str(name))
        if len(found) == 1:
            return found[0]
        if found:
            some = ", ".join(corpus.images[i].id for i in found[:5])
            raise UsageError(f"{name} may mean {len(found)} images of {self.root} ({some}); give more of its path")
        near = difflib.get_close_matches(str(name), [image.id for image in corpus.images], 1)
        hint = f"did you mean {near[0]}?" if near else f"ids look like {corpus.images[0].id}; run.images lists them"
        raise UsageError(f"{name} is not an image of {self.root}; {hint}")


@contextmanager
def reading(path: Path, command: str) -> Iterator[None]:
    """Turn what readers raise for a damaged file into one line that names it and the command that makes it again.

    Raises:
        UsageError: the file is missing or damaged.
    """
    try:
        yield
    except SegpipeError:
        raise
    except _DAMAGE as error:
        raise_shortage(path, error)
        what = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise UsageError(f"{path} is missing or damaged ({what}); make it again with `{command}`") from error


def _load_mask_header(folder: Path) -> Mapping[str, Any]:
    header = masks.load_header(folder)
    for name, kind in (("classes", int), ("side", int), ("sharpness", float | int), ("flip", bool)):
        if not isinstance(header[name], kind):
            raise ValueError(f"{name} is {header[name]!r}")
    return header


def _load_mask_index(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    index = {line["id"]: line for line in masks.load_index(folder)}
    for line in index.values():
        if not isinstance(line["pixels"], dict):
            raise ValueError(f"pixels of {line['id']} are {line['pixels']!r}")
        _ = line["height"], line["width"]
    return index
