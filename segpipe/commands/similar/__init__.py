"""`segpipe similar`: image and patch retrieval in a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segpipe import pipeline
from segpipe.base.options import Command, Face, Report
from segpipe.commands.similar.options import SimilarOptions

if TYPE_CHECKING:
    from segpipe.commands.similar.run import Found

EXAMPLES = """\
segpipe similar runs/reef dive3/0012.jpg                          the images of the run most like this one
segpipe similar runs/reef dive3/0012.jpg --point 340 512          places like this point: row, column
segpipe similar runs/reef a.jpg --point 340 512 --in-image b.jpg  where the point lies in another image
"""


def _work(options: SimilarOptions, face: Face) -> Found:
    from segpipe.commands.similar.run import find_similar

    run_dir = pipeline.existing_run(options.run)
    return find_similar(run_dir, options, pipeline.make_runtime(pipeline.resolve(run_dir), face.track))


def _report(found: Found, options: SimilarOptions) -> Report:
    lines = []
    for rank, (name, one) in enumerate(zip(found.names, found.alike, strict=True), 1):
        at = "" if one.at is None else f"  at row {one.at[0]:.0f}, column {one.at[1]:.0f}"
        lines.append(f"{rank:3}  {one.score:.3f}  {name}{at}")
    return Report([*lines, f"sheet    {found.sheet}"])


def _value(found: Found) -> list[tuple[str, float, tuple[float, float] | None]]:
    return [(name, one.score, one.at) for name, one in zip(found.names, found.alike, strict=True)]


COMMAND = Command(
    "similar",
    SimilarOptions,
    _work,
    _report,
    _value,
    returns="list[tuple[str, float, tuple[float, float] | None]]",
    returned="for each image found its id, its cosine and, with a point, the row and column of the most similar patch",
    examples=EXAMPLES,
    files={
        "RUN/similar/*/similar.png": "a contact sheet; with a point colors say how much every place is like it",
        "RUN/similar/*/similar.csv": "the images found, their cosines and the most similar places",
    },
)
