"""The second date: a run with the clusters of the first, the other half of one run, or images that become a run."""

from __future__ import annotations

from pathlib import Path

from segpipe import pipeline
from segpipe.base.errors import UsageError
from segpipe.base.runtime import Track
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.survey import Survey, open_survey, split_dates
from segpipe.records.legend import Legend
from segpipe.store import masks
from segpipe.store.class_names import clustering, open_legend
from segpipe.store.run_dir import RunDir


def open_surveys(run_a: RunDir, options: ChangeOptions, track: Track) -> tuple[Survey, Survey]:
    """The two dates, in the classes of the first.

    Raises:
        UsageError: the runs do not have the same clusters, or one is not finished.
    """
    legend = _legend(run_a)
    path = Path(options.second)
    first = open_survey(run_a, legend, _name(run_a.root))
    if pipeline.is_run(path) and path.resolve() == run_a.root.resolve():
        return split_dates(first, options)
    run_b = pipeline.existing_run(path)
    pipeline.require_finished(run_b, "refine")
    check_same(run_a, run_b)
    return first, open_survey(run_b, legend, _name(path))


def _legend(run_dir: RunDir) -> Legend:
    return open_legend(run_dir, int(masks.load_header(run_dir.path("masks"))["classes"]))


def _name(path: Path) -> str:
    return path.resolve().name


def check_same(run_a: RunDir, run_b: RunDir) -> None:
    """Refuse runs of other clusters: their classes cannot be compared.

    Raises:
        UsageError: they differ.
    """
    if clustering(run_a) != clustering(run_b):
        raise UsageError(
            f"{run_b.root} has other clusters than {run_a.root}; name the images of the second date instead of a run, "
            f"`segpipe change {run_a.root} IMAGES_B OUT`: they are segmented by the clusters of {run_a.root}"
        )
