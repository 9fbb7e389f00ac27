"""From frame to frame: labels carried forward, backward from the next key frame too, and blended between the two.

A film is read once. Frames that wait for a key frame lie in a scratch file; where it is reached they are gone through
backward. Every so many frames the state is written, and a call that was interrupted goes on from there to the same
bytes: nothing depends on where it was cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Size
from segpipe.base.runtime import Track
from segpipe.commands.propagate.carry_state import Progress, StateFolder, Waiting
from segpipe.commands.propagate.frame_scratch import FrameScratch, FrameShape
from segpipe.commands.propagate.key_frames import KeyFrames, Mask, check_size
from segpipe.commands.propagate.writers import FrameWriter
from segpipe.images.numbered_frames import NumberedFrame, NumberedFrames
from segpipe.inference.frame_features import FrameFeatures
from segpipe.ops.propagation.frame_grid import Protocol, to_input_size
from segpipe.ops.propagation.label_affinity import AffinityRule, unit_features
from segpipe.ops.propagation.label_context import LabelContext
from segpipe.ops.propagation.soft_maps import blend, one_hot
from segpipe.records.corpus import Rejected

EVERY = 32
"""Frames between two checkpoints."""
_SCRATCH = "waiting.bin"


@dataclass(frozen=True)
class Film:
    """What is carried through, by what, and how."""

    sequence: NumberedFrames
    keys: KeyFrames
    features: FrameFeatures
    input: Size
    """Of every frame as the network sees it."""
    protocol: Protocol
    rule: AffinityRule
    recent: int
    """Frames of the context beside the key frame."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.input.height // self.features.patch, self.input.width // self.features.patch


class Carrying:
    """Carries the labels of key frames through a film; `run` once."""

    def __init__(self, film: Film, state: StateFolder, writer: FrameWriter, progress: Progress) -> None:
        self._film, self._state, self._writer, self._progress = film, state, writer, progress
        self._context: LabelContext | None = None
        self._scratch: FrameScratch | None = None
        self._since = 0

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take up the context of a checkpoint."""
        if tensors:
            device = self._film.features.device
            there = {name: tensor.to(device) for name, tensor in tensors.items()}
            self._context = LabelContext.restored(there, self._film.rule, recent=self._film.recent)

    def run(self, track: Track) -> None:
        """Go through the film to its end.

        Raises:
            CorpusError: no key frame was reached.
            MachineError: the disk is full.
            UsageError: a mask has another size than its frame.
        """
        progress = self._progress
        try:
            with torch.inference_mode():
                if progress.back:
                    self._go_back()
                if not progress.ended:
                    self._read(track)
                self._flush()
            self._writer.drain()
        finally:
            if self._scratch is not None:
                self._scratch.close()

    def _read(self, track: Track) -> None:
        progress, sequence = self._progress, self._film.sequence
        entries = track(sequence.read(progress.upcoming), total=len(sequence), unit="frames", done=progress.upcoming)
        for entry in entries:
            if isinstance(entry, Rejected):
                self._reject(entry)
            else:
                self._frame(entry)
                progress.upcoming = entry.index + 1
                self._tick()
        progress.ended = True
        self._save()

    def _reject(self, entry: Rejected) -> None:
        said = (entry.path, entry.reason)
        if said not in self._progress.rejected:  # it is met again by a call that goes on
            self._progress.rejected.append(said)

    def _tick(self) -> None:
        self._since += 1
        if self._since >= EVERY:
            self._save()

    def _save(self) -> None:
        self._writer.drain()
        self._since = 0
        self._state.save(self._progress, self._context.tensors() if self._context else {})

    def _describe(self, frame: NumberedFrame) -> Tensor:
        pixels = to_input_size(frame.rgb, self._film.input, protocol=self._film.protocol)
        return unit_features(torch.from_numpy(self._film.features.describe(pixels)).to(self._film.features.device))

    def _frame(self, frame: NumberedFrame) -> None:
        features = self._describe(frame)
        place = Waiting(frame.index, frame.seconds, frame.size.height, frame.size.width)
        read = self._film.keys.read.get(frame.index)
        if read is not None:
            self._reach(place, features, read())
            return
        carried = self._context.step(features) if self._context else None
        if frame.index < self._film.keys.numbers[-1]:
            self._wait(place, features, carried)
        elif carried is not None:
            self._writer.carried(place, carried)

    def _reach(self, place: Waiting, features: Tensor, mask: Mask) -> None:
        """A key frame: its labels are given, and carried back to the frames that waited for it."""
        film, progress = self._film, self._progress
        check_size(mask, Size(place.height, place.width), place.index)
        legend = film.keys.legend
        labels = one_hot(mask, *film.shape, classes=legend.classes, empty=legend.nodata).to(features.device)
        self._writer.key(place, mask)
        self._context = LabelContext(features, labels, film.rule, recent=film.recent)
        progress.before, progress.key = progress.key, place.index
        progress.upcoming = place.index + 1
        progress.back = len(progress.waiting)
        if progress.back:
            self._save()
            self._go_back()

    def _wait(self, place: Waiting, features: Tensor, labels: Tensor | None) -> None:
        scratch = self._open_scratch(features, channels=self._film.keys.legend.classes + 1)
        scratch.put(len(self._progress.waiting), features, labels)
        self._progress.waiting.append(place)

    def _open_scratch(self, features: Tensor, *, channels: int) -> FrameScratch:
        if self._scratch is None:
            shape = FrameShape(*self._film.shape, features.shape[-1], channels)
            self._scratch = FrameScratch(self._state.folder / _SCRATCH, shape)
        return self._scratch

    def _waited(self, places: Iterator[int]) -> Iterator[tuple[int, Waiting, Tensor, Tensor]]:
        """Frames of the scratch file: their places, what they are, features, and labels from the key frame before."""
        assert self._context is not None
        given, labels = self._context.given
        scratch = self._open_scratch(given, channels=labels.shape[-1])
        for place in places:
            features, carried = (tensor.to(given.device) for tensor in scratch.get(place))
            yield place, self._progress.waiting[place], unit_features(features), carried

    def _go_back(self) -> None:
        """Carry the labels of the key frame back to the frames that waited for it, the last first."""
        progress, context = self._progress, self._context
        assert context is not None
        assert progress.key is not None
        for place, frame, features, forward in self._waited(iter(range(progress.back - 1, -1, -1))):
            carried = context.step(features)
            if progress.before is not None:
                share = (frame.index - progress.before) / (progress.key - progress.before)
                carried = blend(forward, carried, share)
            self._writer.carried(frame, carried)
            progress.back = place
            if place:
                self._tick()
        self._context = LabelContext(*context.given, self._film.rule, recent=self._film.recent)
        progress.waiting = []
        self._save()

    def _flush(self) -> None:
        """At the end: what waited for a key frame that never came has the labels from the key frame before."""
        progress = self._progress
        if progress.key is None:
            reasons = "; ".join(reason for _, reason in progress.rejected[:3])
            raise CorpusError(
                f"{self._film.sequence.name}: no key frame was reached ({reasons or 'the frames end before the first'})"
            )
        for _, frame, _, carried in self._waited(iter(range(len(progress.waiting)))):
            self._writer.carried(frame, carried)
