"""A run as a notebook shows it: its stages, its classes, a few class maps; one piece of HTML that needs no file."""

from __future__ import annotations

from typing import Any

from segpipe import pipeline
from segpipe.base.errors import SegpipeError
from segpipe.base.printable import readable
from segpipe.plots.html import template
from segpipe.plots.thumbnails import Picture, photo
from segpipe.results.maps_figure import view_map
from segpipe.results.reader import RunReader
from segpipe.results.tables import class_rows

_PICTURES = 4
_SIDE = 260  # pixels
_CLASSES = 15


def render_run(reader: RunReader) -> str:
    """The HTML of a run, half-done or damaged too: what cannot be read is said in its place. All text is escaped."""
    problems: list[str] = []
    stages, classes, pictures = (_or_problem(make, reader, problems) for make in (_stage_rows, _class_rows, _pictures))
    html: str = template("run.html.jinja", "segpipe.results").render(
        path=str(reader.root),
        stages=stages,
        classes=classes[:_CLASSES],
        more=len(classes[_CLASSES:]),
        pictures=pictures,
        problems=list(dict.fromkeys(problems)),
    )
    return readable(html)


def _or_problem(make: Any, reader: RunReader, problems: list[str]) -> list[Any]:
    try:
        return list(make(reader))
    except SegpipeError as error:
        problems.append(str(error))
        return []


def _stage_rows(reader: RunReader) -> list[dict[str, Any]]:
    done = reader.finished()
    return [
        {"name": name, "finished": _minute(done[name].finished), "seconds": done[name].seconds}
        if name in done
        else {"name": name, "finished": "not yet", "seconds": None}
        for name in pipeline.BY_NAME
    ]


def _minute(finished: str) -> str:
    """A time of the manifest without its seconds.

    >>> _minute("2026-01-31T09:05:59+00:00")
    '2026-01-31 09:05 UTC'
    """
    return f"{finished[:16].replace('T', ' ')} UTC"


def _class_rows(reader: RunReader) -> list[dict[str, Any]]:
    return sorted(class_rows(reader), key=lambda row: -row["share"]) if "refine" in reader.finished() else []


def _pictures(reader: RunReader) -> list[tuple[str, Picture]]:
    if "refine" not in reader.finished():
        return []
    legend, count = reader.legend, len(reader.corpus.images)
    chosen = sorted({i * count // _PICTURES for i in range(_PICTURES)})
    views = [view_map(reader, index, legend, side=_SIDE) for index in chosen]
    return [(view.name, photo(view.painted)) for view in views]
