"""The commands as Python functions, with the same names: what `import segpipe` offers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from segpipe import pipeline
from segpipe.base.errors import UsageError
from segpipe.base.files import absolute
from segpipe.store.masks import Mask
from segpipe.store.scores import load_scores
from segpipe.twin_models import apply, bundle
from segpipe.twin_tools import AnyPath, attend, existing, name, probe, similar

__all__ = ["apply", "attend", "bundle", "name", "probe", "similar"]

Values = Mapping[str, Any]


def run(
    images: AnyPath,
    run: AnyPath,
    *,
    config: str | None = None,
    settings: Values | None = None,
    start: str | None = None,
    stop: str | None = None,
    force: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """Do every stage of a run that is not up to date, as `segpipe run IMAGES RUN`.

    Args:
        images: a folder of images and videos, one file, a glob or a text file of paths.
        run: the run directory, new or begun.
        config: name of a config or path of a YAML file.
        settings: dotted keys to values, such as `{"cluster.k": 8}`.
        start: first stage.
        stop: last stage.
        force: stages to run although they are up to date.

    Returns:
        For every stage that is finished what it says of itself.

    Raises:
        SegpipeError: whatever the command would end with; its text says the way out.
    """
    return _work(run, config, {"index.images": absolute(images), **(settings or {})}, start, stop, force)


def _work(
    path: AnyPath,
    config: str | None,
    values: Values,
    start: str | None,
    stop: str | None,
    force: Sequence[str],
) -> dict[str, dict[str, Any]]:
    run_dir = pipeline.open_run(Path(path))
    resolved = pipeline.resolve(run_dir, config=config, more=values)
    with run_dir.lock():
        pipeline.save_settings(run_dir, resolved)
        for _ in pipeline.run(resolved, run_dir, pipeline.make_runtime(resolved), start=start, stop=stop, force=force):
            pass
    return {name: dict(record.summary) for name, record in run_dir.manifest().stages.items()}


def _stage(name: str) -> Callable[..., dict[str, Any]]:
    def stage(run: AnyPath, *, settings: Values | None = None, force: bool = False) -> dict[str, Any]:
        if not (Path(run) / "config.yaml").exists():
            raise UsageError(f"{run} is not a run yet; begin with segpipe.index(images, {str(run)!r})")
        return _work(run, None, settings or {}, name, name, [name] if force else [])[name]

    stage.__name__ = stage.__qualname__ = name
    stage.__doc__ = f"""Do the stage `{name}` of a run, as `segpipe {name} RUN`, if it is not up to date.

    Args:
        run: the run directory.
        settings: dotted keys to values.
        force: do it although it is up to date.

    Returns:
        What the stage says of itself.

    Raises:
        SegpipeError: whatever the command would end with; its text says the way out.
    """
    return stage


def index(
    images: AnyPath, run: AnyPath, *, config: str | None = None, settings: Values | None = None, force: bool = False
) -> dict[str, Any]:
    """Begin a run: find and check its images, as `segpipe index IMAGES RUN`; arguments as of `run`."""
    values = {"index.images": absolute(images), **(settings or {})}
    return _work(run, config, values, "index", "index", ["index"] if force else [])["index"]


extract, mine, train, cluster, refine, export, cover, report = map(
    _stage, ("extract", "mine", "train", "cluster", "refine", "export", "cover", "report")
)


def evaluate(
    run: AnyPath, *, labels: AnyPath, classes: AnyPath | None = None, settings: Values | None = None
) -> dict[str, Any]:
    """Judge a run's masks by a labelled subset, as `segpipe evaluate RUN --labels ... --classes ...`.

    Args:
        run: the run directory.
        labels: a folder of index PNGs, or a CSV of points.
        classes: class names, one a line in index order.
        settings: dotted keys to values.

    Returns:
        All scores, as in `scores/scores.json`.

    Raises:
        SegpipeError: whatever the command would end with; its text says the way out.
    """
    values: dict[str, Any] = {"evaluate.labels": absolute(labels)}
    if classes is not None:
        values["evaluate.classes"] = absolute(classes)
    _work(run, None, {**values, **(settings or {})}, "evaluate", "evaluate", [])
    return dict(load_scores(pipeline.open_run(Path(run)).path("scores")))


def masks(run: AnyPath) -> Iterator[tuple[str, Mask]]:
    """The masks of a finished run, one after the other: id of the image and clusters (H, W).

    Raises:
        UsageError: there are none.
    """
    from segpipe.store import masks as store

    directory = existing(run).path("masks")
    for line in store.load_index(directory):
        yield line["id"], store.read_part(directory, line)
