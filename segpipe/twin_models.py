"""Bundles as Python functions: the model of a run in a file, and new images by it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from segpipe import pipeline
from segpipe.base.errors import UsageError
from segpipe.base.files import absolute
from segpipe.base.runtime import Runtime, cpu_count, pick_device
from segpipe.records.corpus import Corpus, Rejected
from segpipe.store.masks import Mask
from segpipe.twin_tools import AnyPath, existing


def bundle(run: AnyPath, model: AnyPath, *, onnx: bool = False) -> None:
    """Write the model of a finished run to one file, as `segpipe bundle RUN FILE`.

    Args:
        run: the run directory.
        model: the file.
        onnx: also write network and head as ONNX beside it.

    Raises:
        SegpipeError: whatever the command would end with; its text says the way out.
    """
    from segpipe.commands.model import save as bundling

    run_dir = existing(run)
    with run_dir.lock():
        bundling.bundle(run_dir, Path(model), pipeline.make_runtime(pipeline.resolve(run_dir)))
        if onnx:
            bundling.export_onnx(run_dir, Path(model).with_suffix(".onnx"))


def apply(
    model: AnyPath, images: AnyPath, *, device: str = "auto", workers: int | None = None, every: int = 0
) -> Iterator[tuple[str, Mask]]:
    """Class maps of new images by a bundle, as `segpipe apply FILE IMAGES OUT` writes them.

    Args:
        model: a file made by `bundle`.
        images: a folder of images and videos, one file, a glob or a text file of paths.
        device: where the network computes.
        workers: images worked on side by side; all processors by default.
        every: of videos every n-th frame is taken, all by 1; 0: about one a second.

    Yields:
        The image's id and its mask (H, W): classes as the bundle names them, 255 (65535 beyond 255 classes) where
        there is none. A file that cannot be used is left out with a warning in the log.

    Raises:
        SegpipeError: whatever the command would end with; its text says the way out.
    """
    from segpipe.commands.model import predict as applying

    if every < 0:
        raise UsageError(f"every={every}: give 1 for all frames of a video, n for every n-th, 0 for about one a second")
    runtime = Runtime(pick_device(device), workers or cpu_count())

    def keep(corpus: Corpus, segment: applying.Segment) -> tuple[str, Mask]:
        return corpus.images[0].id, segment.whole()

    with applying.open_model(Path(model), runtime) as opened, tempfile.TemporaryDirectory() as home:
        listing = applying.list_new(absolute(images), opened)
        for found in applying.apply(opened, listing, runtime, keep, Path(home), every=every):
            if isinstance(found, Rejected):
                pipeline.log.warning("put aside: %s: %s", found.path, found.reason)
                continue
            yield found[0], opened.bundle.legend.read(found[1])
