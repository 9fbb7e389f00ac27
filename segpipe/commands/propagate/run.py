"""Carry classes through a film: source, key frames, backbone and writers put together, and OUT written at the end."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from segpipe import pipeline
from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.base.version import versions
from segpipe.commands.propagate.carry_state import FrameRow, Progress, StateFolder
from segpipe.commands.propagate.carrying import Carrying, Film
from segpipe.commands.propagate.frame_scratch import FrameShape, check_room
from segpipe.commands.propagate.key_frames import keys_of_masks, keys_of_run
from segpipe.commands.propagate.options import PropagateOptions
from segpipe.commands.propagate.tables_written import write_overlay, write_tables
from segpipe.commands.propagate.truth_scores import TruthScores, score_film, truth_files
from segpipe.commands.propagate.writers import CONFIDENCE, MASKS, FrameFiles, FrameWriter
from segpipe.images.numbered_frames import count_digits, open_frames
from segpipe.inference.frame_features import open_frame_features
from segpipe.nn.backbones import find_backbone
from segpipe.ops.propagation.frame_grid import input_size, to_input_size
from segpipe.ops.propagation.label_affinity import AffinityRule
from segpipe.ops.propagation.soft_maps import Deciding
from segpipe.records.corpus import Rejected
from segpipe.store import transaction
from segpipe.store.features import FeatureStore
from segpipe.store.ownership import PROPAGATED, check_free, locked

_SETTINGS, _BEGUN, _STATE, _MARK = "propagate.json", ".begun", "state", "settings.json"
_SAMPLES = 16


@dataclass(frozen=True)
class PropagateResult:
    """What came of it."""

    frames: int
    keys: int
    confidence: float
    """Mean over the frames that are no key frames; 1 where there is none."""
    scores: TruthScores | None
    names: tuple[str, ...]
    """Of the classes."""
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True)
class _Work:
    """A film, ready to be carried through, and what all results depend on."""

    film: Film
    truths: dict[int, Path]
    fps: float
    """0: not known."""
    facts: dict[str, Any]
    """For `propagate.json`."""
    key: str
    """Fingerprint of all that results depend on."""


def propagate(options: PropagateOptions, runtime: Runtime) -> PropagateResult:
    """Carry the classes of key frames through a film, and write OUT.

    Args:
        options: what to carry, and how.
        runtime: device, workers, progress.

    Raises:
        UsageError: something asked for cannot be meant, or a mask does not fit.
        CorpusError: the film cannot be read, or no key frame was reached.
        MachineError: weights are not at hand, or there is no room.
        LockedError: another process writes to OUT.
    """
    check_free(options.out, PROPAGATED, earlier=(options.out / _SETTINGS).is_file)
    work = _prepare(options, runtime)
    out = options.out
    with locked(out, PROPAGATED, earlier=(out / _SETTINGS).is_file):
        transaction.recover(out)
        files.sweep(out)
        begun = out / _BEGUN
        _begin(begun, work.key)
        check_room(begun, *_waiting_at_most(work, options))
        target = FrameFiles(
            begun,
            work.film.keys.legend,
            Deciding(
                work.film.features.patch,
                stretch=not options.no_stretch,
                upsample="bilinear" if options.protocol == "dino" else "nearest",
            ),
            digits=count_digits(len(work.film.sequence)),
            objects=work.film.keys.objects,
            confidence=not options.no_confidence,
        )
        rows, rejected = _carry(work.film, begun, target, options, runtime)
        scores = _write(work, rows, target, options, runtime)
        _publish(out, work, rows, rejected)
    others = [row.confidence for row in rows.values() if not row.key]
    return PropagateResult(
        frames=len(rows),
        keys=len(rows) - len(others),
        confidence=sum(others) / len(others) if others else 1.0,
        scores=scores,
        names=work.film.keys.legend.names,
        rejected=rejected,
    )


def _prepare(options: PropagateOptions, runtime: Runtime) -> _Work:
    name, weights, film = options.backbone, options.weights, options.video
    if options.key_frames:
        run = Path(film).expanduser()
        found = keys_of_run(run, options.run_video, start=options.start, stop=options.stop)
        keys, film = found.keys, str(found.path)
        if name is None and weights is None:
            header = FeatureStore(pipeline.existing_run(run).path("features")).header
            name, weights = header.backbone, Path(header.weights) if header.weights else None
    sequence = open_frames(film, workers=runtime.workers, stop=options.stop)
    if options.masks is not None:
        keys = keys_of_masks(options.masks, sequence, start=options.start, stop=options.stop)
    truths = truth_files(options.labels, sequence, start=options.start) if options.labels is not None else {}
    name = name or "dino_vits16"
    size = input_size(sequence.size, short=options.short, patch=find_backbone(name).patch, protocol=options.protocol)

    def samples() -> Any:
        return (to_input_size(rgb, size, protocol=options.protocol) for rgb in sequence.sample(_SAMPLES))

    features = open_frame_features(name, weights, runtime, block=options.block, samples=samples)
    size = input_size(sequence.size, short=options.short, patch=features.patch, protocol=options.protocol)
    rule = AffinityRule(options.radius, options.shape, options.top, options.sharpness)
    made = Film(sequence, keys, features, size, options.protocol, rule, options.context)
    facts = _facts(options, made)
    key = files.digest([facts, sequence.state(), keys.state, str(options.start), sorted(map(str, truths.values()))])
    return _Work(made, truths, options.fps or sequence.fps, facts, key)


def _facts(options: PropagateOptions, film: Film) -> dict[str, Any]:
    left_out = {"video", "out", "masks", "labels", "workers", "device", "weights"}
    size = film.input
    return {
        "film": film.sequence.name,
        "backbone": {"name": film.features.name, "weights": film.features.weights, "patch": film.features.patch},
        "device": film.features.device.split(":")[0],
        "input": [size.height, size.width],
        "key_frames": film.keys.numbers,
        "rule": {
            "context": film.recent,
            "radius": film.rule.radius,
            "neighborhood": film.rule.shape,
            "temperature": film.rule.temperature,
            "top": film.rule.top,
        },
        "options": options.model_dump(mode="json", exclude=left_out),
        "versions": versions(),
    }


def _waiting_at_most(work: _Work, options: PropagateOptions) -> tuple[FrameShape, int]:
    """What is kept of a frame that waits for a key frame, and how many wait at most."""
    film = work.film
    side = max(2, -(-64 // film.features.patch)) * film.features.patch
    width = film.features.describe(np.zeros((side, side, 3), np.uint8)).shape[-1]
    numbers = film.keys.numbers
    gaps = [numbers[0] - options.start, *(after - before - 1 for before, after in pairwise(numbers))]
    return FrameShape(*film.shape, width, film.keys.legend.classes + 1), max(gaps)


def _begin(begun: Path, key: str) -> None:
    """Make the folder of what is not finished; what a call with other settings left in it goes."""
    mark = begun / _MARK
    if begun.exists() and not (mark.is_file() and files.read_text(mark) == key):
        shutil.rmtree(begun)
    (begun / MASKS).mkdir(parents=True, exist_ok=True)
    files.write_text(mark, key)


def _carry(
    film: Film, begun: Path, target: FrameFiles, options: PropagateOptions, runtime: Runtime
) -> tuple[dict[int, FrameRow], tuple[Rejected, ...]]:
    """Write the files of every frame; the frames in order, and what could not be read."""
    state = StateFolder(begun / _STATE)
    state.rows()  # a line that was cut off is taken from the file before others follow it
    progress, tensors = state.load() or (Progress(options.start), {})
    writer = FrameWriter(target, state, workers=runtime.workers)
    try:
        carrying = Carrying(film, state, writer, progress)
        carrying.restore(tensors)
        carrying.run(runtime.track)
    finally:
        writer.close()
    rows = dict(sorted(state.rows().items()))
    rejected = [*film.sequence.rejected, *(Rejected(path, reason) for path, reason in progress.rejected)]
    missed = [number for number in film.keys.numbers if number not in rows]
    if missed:
        listed = ", ".join(map(str, missed[:5]))
        rejected.append(Rejected(film.sequence.name, f"key frames that were not reached: {listed}"))
    return rows, tuple(rejected)


def _write(
    work: _Work, rows: dict[int, FrameRow], target: FrameFiles, options: PropagateOptions, runtime: Runtime
) -> TruthScores | None:
    write_tables(target.folder, list(rows.values()), target.legend, work.fps)
    scores = score_film(work.truths, rows, target, work.film.keys.objects) if work.truths else None
    if not options.no_overlay:
        write_overlay(target.folder / "overlay.webm", work.film.sequence, target, rows, runtime, fps=work.fps)
    return scores


def _publish(out: Path, work: _Work, rows: dict[int, FrameRow], rejected: tuple[Rejected, ...]) -> None:
    """Put all that was made in its place together, and take away what an earlier call made."""
    begun = out / _BEGUN
    files.write_jsonl(begun / "rejected.jsonl", [{"path": r.path, "reason": r.reason} for r in rejected])
    kept = {_MARK, _STATE}
    made = sorted({entry.name for entry in begun.iterdir()} - kept | {_SETTINGS})
    gone = [name for name in _made_before(out) if name not in made]
    facts = {**work.facts, "frames": len(rows), "made": made}
    with transaction.staged(out, whole=made, gone=gone) as folder:
        (begun / _MARK).unlink()  # first: it speaks of files that lie elsewhere in a moment
        for name in made:
            if name != _SETTINGS:
                (begun / name).rename(folder / name)
        files.write_json(folder / _SETTINGS, facts)
    shutil.rmtree(begun)


def _made_before(out: Path) -> list[str]:
    """What an earlier call wrote to `out`."""
    path = out / _SETTINGS
    if not path.exists():
        return []
    try:
        made = files.read_json(path).get("made", [])
    except ValueError as error:
        raise UsageError(f"{path} is damaged ({error}); choose another folder, or delete {out} first") from error
    known = {MASKS, CONFIDENCE, "overlay.webm", "area.csv", "frames.csv", "classes.csv", "rejected.jsonl"}
    return [name for name in made if name in known]
