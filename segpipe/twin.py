"""The commands as Python functions, with the same names: what `import segpipe` offers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from segpipe import pipeline
from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime, cpu_count, pick_device
from segpipe.records.corpus import Corpus, Rejected
from segpipe.records.probe import Finding
from segpipe.store.masks import Mask
from segpipe.store.run_dir import RunDir
from segpipe.store.scores import load_scores

AnyPath = str | os.PathLike[str]
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
        images: a folder, an image, a glob or a text file of paths.
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
    return _work(run, config, {"index.images": _absolute(images), **(settings or {})}, start, stop, force)


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
    values = {"index.images": _absolute(images), **(settings or {})}
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
    values: dict[str, Any] = {"evaluate.labels": _absolute(labels)}
    if classes is not None:
        values["evaluate.classes"] = _absolute(classes)
    _work(run, None, {**values, **(settings or {})}, "evaluate", "evaluate", [])
    return dict(load_scores(pipeline.open_run(Path(run)).path("scores")))


def masks(run: AnyPath) -> Iterator[tuple[str, Mask]]:
    """The masks of a finished run, one after the other: id of the image and clusters (H, W).

    Raises:
        UsageError: there are none.
    """
    from segpipe.store import masks as store

    directory = _existing(run).path("masks")
    for line in store.load_index(directory):
        yield line["id"], store.read_part(directory, line)


def similar(
    run: AnyPath,
    query: AnyPath,
    *,
    point: tuple[float, float] | None = None,
    other: AnyPath | None = None,
    k: int = 11,
    out: AnyPath | None = None,
) -> list[tuple[str, float, tuple[float, float] | None]]:
    """Find what in a run is like an image or a point of it, as `segpipe similar RUN QUERY`.

    Args:
        run: the run directory.
        query: an image of the run, by id, path or name, or any image file.
        point: row and column of a point of the query, pixels.
        other: an image in which alone the point is looked for.
        k: how many images to find.
        out: folder for the contact sheet and the CSV; by default one in the run's `similar/`.

    Returns:
        For each image found its id, its cosine and, with a point, the row and column of the most similar patch.

    Raises:
        SegpipeError: whatever the command would end with; its text says the way out.
    """
    from segpipe.finding import find_similar

    run_dir = _existing(run)
    runtime = pipeline.make_runtime(pipeline.resolve(run_dir))
    second, folder = None if other is None else str(other), None if out is None else Path(out)
    found = find_similar(run_dir, str(query), folder, runtime, k=k, point=point, other=second)
    return [(name, one.score, one.at) for name, one in zip(found.names, found.alike, strict=True)]


def probe(
    images: AnyPath,
    out: AnyPath | None = None,
    *,
    backbone: str = "dino_vits16",
    weights: AnyPath | None = None,
    block: int = -1,
    size: int = 256,
    count: int | None = None,
    seed: int = 0,
    measures: Sequence[str] = (),
    disturb: Sequence[str] = (),
    device: str = "auto",
    crf: bool = False,
    side: int = 960,
) -> list[Finding]:
    """Measure what a backbone looks at, or how far a run's masks survive, as `segpipe probe IMAGES OUT` or `... RUN`.

    Args:
        images: a folder, an image, a glob, a text file of paths, a video; or the directory of a finished run.
        out: folder for the page, the table and the figures; of a run by default its `probe/`.
        backbone: of `segpipe backbones`, or any timm model's; a run has its own.
        weights: a file to load instead of the hub's; a run has its own.
        block: block of a ViT or stage of a CNN; -1 is the last. Not for a run.
        size: pixels of a side of the middle square that is looked at. Not for a run.
        count: how many pictures at most; 60 by default, of a run 24.
        seed: of all that is left to chance.
        measures: some of `center`, `focus`, `artefacts`, `agreement`; all by default. Not for a run.
        disturb: names of disturbances; all by default.
        device: where the network computes; a run's settings say it for a run.
        crf: for a run: sharpen masks by its CRF.
        side: for a run: longest side in pixels to which photographs are scaled before they are disturbed.

    Returns:
        The rows of `probe.csv`.

    Raises:
        SegpipeError: whatever the command would end with; its text says the way out.
    """
    if (Path(images) / "config.yaml").exists() and (Path(images) / "manifest.json").exists():
        from segpipe.surviving import probe_run

        run_dir = _existing(images)
        runtime = pipeline.make_runtime(pipeline.resolve(run_dir))
        folder = None if out is None else Path(out)
        found = probe_run(run_dir, folder, runtime, images=count, disturb=disturb, crf=crf, side=side, seed=seed)
        return list(found.findings)
    if out is None:
        raise UsageError(f"{images} is not a run (no config.yaml), so name the folder to write to as out")
    from segpipe.parts.probe_out import probe_images

    done = probe_images(
        _absolute(images),
        Path(out),
        Runtime(pick_device(device), cpu_count()),
        backbone=backbone,
        weights=None if weights is None else Path(weights),
        block=block,
        size=size,
        count=60 if count is None else count,
        seed=seed,
        measures=measures,
        disturb=disturb,
    )
    return list(done.findings)


def bundle(run: AnyPath, model: AnyPath, *, onnx: bool = False) -> None:
    """Write the model of a finished run to one file, as `segpipe bundle RUN FILE`.

    Args:
        run: the run directory.
        model: the file.
        onnx: also write network and head as ONNX beside it.

    Raises:
        SegpipeError: whatever the command would end with; its text says the way out.
    """
    from segpipe import bundling

    run_dir = _existing(run)
    with run_dir.lock():
        bundling.bundle(run_dir, Path(model), pipeline.make_runtime(pipeline.resolve(run_dir)))
        if onnx:
            bundling.export_onnx(run_dir, Path(model).with_suffix(".onnx"))


def apply(
    model: AnyPath, images: AnyPath, *, device: str = "auto", workers: int | None = None
) -> Iterator[tuple[str, Mask]]:
    """Class maps of new images by a bundle, as `segpipe apply FILE IMAGES OUT` writes them.

    Args:
        model: a file made by `bundle`.
        images: a folder, an image, a glob or a text file of paths.
        device: where the network computes.
        workers: images worked on side by side; all processors by default.

    Yields:
        The image's id and its mask (H, W): classes as the bundle names them, 255 (65535 beyond 255 classes) where
        there is none. A file that cannot be used is left out with a warning in the log.

    Raises:
        SegpipeError: whatever the command would end with; its text says the way out.
    """
    from segpipe import applying

    runtime = Runtime(pick_device(device), workers or cpu_count())

    def keep(corpus: Corpus, segment: applying.Segment) -> tuple[str, Mask]:
        return corpus.images[0].id, segment.whole()

    with applying.open_model(Path(model), runtime) as opened, tempfile.TemporaryDirectory() as home:
        listing = applying.list_new(_absolute(images), opened)
        for found in applying.apply(opened, listing, runtime, keep, Path(home)):
            if isinstance(found, Rejected):
                pipeline.log.warning("put aside: %s: %s", found.path, found.reason)
                continue
            yield found[0], opened.bundle.legend.read(found[1])


def _existing(run: AnyPath) -> RunDir:
    if not (Path(run) / "config.yaml").exists():
        raise UsageError(f"{run} is not a run (no config.yaml); begin with segpipe.run(images, {str(run)!r})")
    return pipeline.open_run(Path(run))


def _absolute(path: AnyPath) -> str:
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111  a glob too
