"""The commands as Python functions, made from their declarations: what `import segpipe` offers. Types: `api.pyi`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segpipe import pipeline
from segpipe.base.errors import warn
from segpipe.base.functions import function_of
from segpipe.commands import COMMANDS
from segpipe.results import Run
from segpipe.store.masks import Mask

AnyPath = str | os.PathLike[str]

FUNCTIONS = {command.name: function_of(command) for command in COMMANDS if "python" in command.faces}
"""Every function by name, before what is added below."""
globals().update(FUNCTIONS)
_run, _probe = FUNCTIONS["run"], FUNCTIONS["probe"]


def open(path: AnyPath) -> Run:
    """A run that was begun, to be looked at: images, features, masks, classes, cover and scores."""
    return Run(path)


def run(*args: Any, **options: Any) -> Run:  # noqa: D103 - made below
    return Run(_run(*args, **options).root)


def probe(images: AnyPath, out: AnyPath | None = None, **options: Any) -> Any:  # noqa: D103 - made below
    if not pipeline.is_run(Path(images)):
        return _probe(images, out, **options)
    warn("segpipe.probe(RUN) is called segpipe.robustness(RUN) now")
    return FUNCTIONS["robustness"](images, out, **options)


for _made, _function in ((run, _run), (probe, _probe)):
    _made.__doc__, _made.__signature__ = _function.__doc__, _function.__signature__  # type: ignore[attr-defined]


def masks(run: AnyPath, *, classes: bool = True) -> Iterator[tuple[str, Mask]]:
    """The masks of a finished run, one after the other: id of the image and classes (H, W), as `Run.mask` gives them.

    Args:
        run: its directory.
        classes: False: the clusters that classes.yaml speaks of.

    Raises:
        UsageError: there are none.
    """
    from segpipe.store import masks as store
    from segpipe.store.class_names import open_legend

    run_dir = pipeline.existing_run(Path(run))
    directory = run_dir.path("masks")
    legend = open_legend(run_dir, store.load_header(directory)["classes"]) if classes else None
    for line in store.load_index(directory):
        mask = store.read_part(directory, line)
        yield line["id"], mask if legend is None else legend.read(mask)
