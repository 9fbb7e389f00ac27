"""Reading a run from end to end: what is not as it was made, and how to make it again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from segpipe import pipeline
from segpipe.base import checksums
from segpipe.base.errors import MachineError, SegpipeError, UsageError
from segpipe.base.runtime import Track
from segpipe.images.nodata import fingerprint
from segpipe.images.remote_files import local
from segpipe.records.fault import Fault
from segpipe.records.manifest import Manifest
from segpipe.stages import STAGES, Stage
from segpipe.store.class_names import open_legend
from segpipe.store.clusters import own_splits
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore
from segpipe.store.masks import load_header
from segpipe.store.run_dir import RunDir

_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of reading a run."""

    rows: Sequence[tuple[str, int, str]]
    """Of each directory its name, how many files were compared, and its state."""
    faults: Sequence[Fault]
    advice: Sequence[str]
    """What to do, a line each."""


def examine(run_dir: RunDir, *, deep: bool, track: Track) -> Checked:
    """Read everything that the stages of a run have made.

    Args:
        run_dir: a run that was begun.
        deep: read the patch features and the images too.
        track: shows how far the work is.

    Raises:
        LockedError: another process works on it.
    """
    with _held(run_dir):
        faults = [*_unreadable(run_dir.root / "manifest.json", run_dir.manifest)]
        manifest = Manifest() if faults else run_dir.manifest()
        there = [stage for stage in STAGES if (run_dir.root / stage.ARTEFACT).is_dir() or stage.NAME in manifest.stages]
        rows = []
        if run_dir.remote is not None:
            for stage in there:
                run_dir.remote.fetch(stage.ARTEFACT)
        for stage in track(there, total=len(there), unit="directories"):
            found = list(_artefact(stage, run_dir, manifest))
            rows.append((f"{stage.ARTEFACT}/", _count(run_dir.root / stage.ARTEFACT), _state(stage, manifest, found)))
            faults += found
        faults += _unreadable(run_dir.root / "config.yaml", lambda: pipeline.resolve(run_dir))
        sound = {fault.stage for fault in faults}.isdisjoint
        if "cluster" in manifest.stages and sound({"cluster"}):
            faults += _unreadable(run_dir.root / "splits.npz", lambda: own_splits(run_dir))
        if "refine" in manifest.stages and sound({"cluster", "refine"}):
            faults += _unreadable(run_dir.root / "classes.yaml", lambda: _names(run_dir))
        if deep and "extract" in manifest.stages and sound({"extract"}):
            faults += _features(run_dir, track)
        if deep and "index" in manifest.stages and sound({"index"}):
            faults += _images(run_dir, track)
    return Checked(rows, faults, _advice(run_dir, faults, manifest))


@contextmanager
def _held(run_dir: RunDir) -> Iterator[None]:
    """The run's lock, so that nobody changes what is read; a place that cannot be written needs none."""
    with ExitStack() as stack:
        with suppress(MachineError, UsageError):  # a damaged manifest is said by who reads it
            stack.enter_context(run_dir.lock())
        yield


def _artefact(stage: Stage, run_dir: RunDir, manifest: Manifest) -> Iterator[Fault]:
    folder, record = run_dir.root / stage.ARTEFACT, manifest.stages.get(stage.NAME)
    if not folder.is_dir():
        yield Fault(folder, "it is gone", stage.NAME)
        return
    for damage in checksums.differences(folder, record.checksum if record else ""):
        yield Fault(damage.path, damage.why, stage.NAME)


def _state(stage: Stage, manifest: Manifest, found: Sequence[Fault]) -> str:
    if found:
        return f"{len(found)} {'files' if len(found) > 1 else 'file'} damaged"
    record = manifest.stages.get(stage.NAME)
    if record is None:
        return "not finished"
    return "as it was made" if record.checksum else "made by an earlier version, without checksums"


def _count(folder: Path) -> int:
    try:
        return len(checksums.read_sums(folder))
    except MachineError:
        return 0


def _names(run_dir: RunDir) -> None:
    open_legend(run_dir, load_header(run_dir.path("masks"))["classes"])


def _unreadable(path: Path, read: Callable[[], object]) -> Iterator[Fault]:
    """A fault where a file that no list of checksums names cannot be read; its reader says the way out."""
    try:
        read()
    except SegpipeError as error:
        yield Fault(path, str(error).removeprefix(f"{path}: ").removeprefix(f"{path} "), "")


def _features(run_dir: RunDir, track: Track) -> Iterator[Fault]:
    """Every patch of the store, whose checksums its reader compares; the first that is wrong is said."""
    path = run_dir.path("features")
    try:
        store = FeatureStore(path)
        for row in track(range(len(store)), total=len(store), unit="crops"):
            store.patches(row)
            if store.header.flipped:
                store.patches(row, flipped=True)
        for start in range(0, len(store), _BLOCK):
            store.valid_block(start, start + _BLOCK)
    except SegpipeError as error:
        yield Fault(path, str(error), "extract")


def _images(run_dir: RunDir, track: Track) -> Iterator[Fault]:
    """The images, compared with the checksums that `index` took; frames of videos are files of the run."""
    corpus = load_corpus(run_dir.path("corpus"))
    for image in track(corpus.images, total=len(corpus.images), unit="images"):
        if image.moment is None:
            path = corpus.path(image)
            try:
                with local(path) as file:
                    same = fingerprint(file, image.view.beside) == image.sha256
            except OSError as error:
                yield Fault(path, f"it cannot be read ({error.strerror or 'it is gone'})", "index")
                continue
            if not same:
                yield Fault(path, "it has changed since it was indexed", "index")


def _advice(run_dir: RunDir, faults: Sequence[Fault], manifest: Manifest) -> list[str]:
    again = [stage.NAME for stage in STAGES if any(fault.stage == stage.NAME for fault in faults)]
    if not again:
        return []
    last = [stage.NAME for stage in STAGES if stage.NAME in manifest.stages or stage.NAME in again][-1]
    forced = " ".join(f"--force {name}" for name in again)
    command = f"segpipe run {_images_of(run_dir)} {shlex.quote(str(run_dir.root))} {forced} --to {last}"
    return [f"`{command}` makes it again, and what depends on it"]


def _images_of(run_dir: RunDir) -> str:
    """The images of the run as they are typed."""
    try:
        return shlex.quote(str(getattr(pipeline.resolve(run_dir)["index"], "images", None) or "IMAGES"))
    except SegpipeError:
        return "IMAGES"
