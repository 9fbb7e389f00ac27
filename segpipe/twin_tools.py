"""The commands beside the stages as Python functions: names, attention, probes, likeness."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from segpipe import pipeline
from segpipe.base.errors import UsageError
from segpipe.base.files import absolute
from segpipe.base.runtime import Runtime, cpu_count, pick_device
from segpipe.records.finding import Finding
from segpipe.store.run_dir import RunDir

AnyPath = str | os.PathLike[str]


def existing(run: AnyPath) -> RunDir:
    """The run at a path.

    Raises:
        UsageError: there is none.
    """
    if not (Path(run) / "config.yaml").exists():
        raise UsageError(f"{run} is not a run (no config.yaml); begin with segpipe.run(images, {str(run)!r})")
    return pipeline.open_run(Path(run))


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
    from segpipe.commands.similar.run import find_similar

    run_dir = existing(run)
    runtime = pipeline.make_runtime(pipeline.resolve(run_dir))
    second, folder = None if other is None else str(other), None if out is None else Path(out)
    found = find_similar(run_dir, str(query), folder, runtime, k=k, point=point, other=second)
    return [(name, one.score, one.at) for name, one in zip(found.names, found.alike, strict=True)]


def name(
    run: AnyPath,
    *,
    points: AnyPath | None = None,
    labels: AnyPath | None = None,
    classes: AnyPath | None = None,
    least: int = 10,
    spread: int = 2,
    share: float = 0.5,
    merge: Sequence[tuple[int | str, int | str]] = (),
    suggest: int | None = None,
    split: int | str | None = None,
    into: int = 2,
    by: Literal["auto", "tree", "kmeans"] = "auto",
) -> dict[int, dict[str, Any]]:
    """Write what the clusters of a run are called to its classes.yaml, as `segpipe name RUN`.

    Args:
        run: the run directory.
        points: propose names by a CSV of labelled points.
        labels: propose names by a folder of label maps.
        classes: class names of the labels, one a line.
        least: labelled pixels that a proposal needs.
        spread: images that they must lie in.
        share: share of them that must agree.
        merge: pairs of clusters, by number or name: the first joins the class of the second.
        suggest: join the most alike clusters until so many classes are left.
        split: a cluster to cut further, by number or name; nothing but its pixels changes.
        into: parts of it; 1 joins again what was cut off it.
        by: along the class tree, by k-means of its patches, or whichever gives no crumb.

    Returns:
        For every cluster what classes.yaml says of it (name, color, merge_into, ignore, share from 0 to 1, picture),
        and as `class` what it is on the map; None where it is left out.

    Raises:
        SegpipeError: whatever the command would end with; its text says the way out.
    """
    from segpipe.commands.name.run import Asked, name_clusters

    if points is not None and labels is not None:
        raise UsageError(f"points={points} and labels={labels} both propose names; give one of them")
    given = points if labels is None else labels
    asked = Asked(
        labels=None if given is None else Path(given),
        classes=None if classes is None else Path(classes),
        least=least,
        spread=spread,
        share=share,
        merges=[(str(cluster), str(target)) for cluster, target in merge],
        suggest=suggest,
        split=None if split is None else str(split),
        into=into,
        by=by,
    )
    run_dir = existing(run)
    with run_dir.lock():
        found = name_clusters(run_dir, asked, pipeline.make_runtime(pipeline.resolve(run_dir)))
    for note in found.notes:
        pipeline.log.info("%s", note)
    said = {}
    for k, place in enumerate(found.legend.classes_of.tolist()):
        entry = found.naming.entries[k]
        said[k] = {
            "name": entry.name,
            "color": "#{:02x}{:02x}{:02x}".format(*entry.color),
            "merge_into": entry.merge_into,
            "ignore": entry.ignore,
            "share": found.shares[k],
            "picture": found.pictures[k],
            "class": None if place < 0 else found.legend.names[place],
        }
    return said


def attend(
    images: AnyPath,
    out: AnyPath,
    *,
    backbone: str | None = None,
    weights: AnyPath | None = None,
    compare: Sequence[str] = (),
    block: int = -1,
    maps: Sequence[str | int] = (),
    style: Literal["map", "concat", "overlay", "mask", "gray"] | None = None,
    threshold: float | None = None,
    cmap: str = "inferno",
    scale: Literal["own", "shared"] | float | None = None,
    nearest: bool = False,
    size: int = 480,
    crop: tuple[int, int, int, int] | None = None,
    resize: int | tuple[int, int] | None = None,
    frames: tuple[int, int] | None = None,
    fps: float | None = None,
    npz: bool = False,
    batch: int = 8,
    device: str = "auto",
    workers: int | None = None,
) -> dict[str, Any]:
    """Show what backbones attend to in images or a video, as `segpipe attend IMAGES OUT`.

    Args:
        images: a folder, an image, a glob, a text file of paths, or a video.
        out: a folder, or a video (.webm, .mp4, .mkv, .mov, .avi).
        backbone: one of `segpipe backbones`, or of timm.
        weights: file of its weights.
        compare: further backbones, `NAME` or `NAME=FILE`; `dino` stands for its five networks.
        block: which block; 0 is the first.
        maps: mean, colors, rollout, heads, or numbers of heads.
        style: how pictures are drawn.
        threshold: keep the strongest pixels that hold this share of a map's mass.
        cmap: a color map of matplotlib.
        scale: what full strength means: `own`, `shared`, or a number of times an even map.
        nearest: show patches as squares.
        size: pixels of a side of a square image as the network sees it.
        crop: first row, row after the last, first column, column after the last.
        resize: longest side at most, or (width, height).
        frames: first frame, and the one after the last.
        fps: of the video.
        npz: also save maps as floats.
        batch: pictures at once.
        device: auto, cpu, cuda, cuda:1 or mps.
        workers: threads that read and write; all processors by default.

    Returns:
        `pictures`, how many were looked at; `files`, how many were written; `rejected`, path to reason of what was put
        aside.

    Raises:
        SegpipeError: whatever the command would end with; its text says the way out.
    """
    from segpipe.commands.attend import run as seeing

    wanted = f"{resize[0]}x{resize[1]}" if isinstance(resize, tuple) else None if resize is None else str(resize)
    asked = seeing.Asked(
        backbone=backbone,
        weights=None if weights is None else Path(weights),
        compare=tuple(compare),
        block=block,
        maps=tuple(map(str, maps)),
        style=style,
        threshold=threshold,
        cmap=cmap,
        scale=None if scale is None else str(scale),
        nearest=nearest,
        size=size,
        crop=crop,
        resize=wanted,
        frames=frames,
        fps=fps,
        npz=npz,
        batch=batch,
        device=device,
    )
    runtime = Runtime(pick_device(device), workers or cpu_count())
    done = seeing.attend(os.fspath(images), Path(out), asked, runtime)
    return {
        "pictures": done.pictures,
        "files": done.files,
        "rejected": {item.path: item.reason for item in done.rejected},
    }


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
    if pipeline.is_run(Path(images)):
        from segpipe.commands.robustness.options import RobustnessOptions
        from segpipe.commands.robustness.run import probe_run

        run_dir = existing(images)
        runtime = pipeline.make_runtime(pipeline.resolve(run_dir))
        folder = None if out is None else Path(out)
        wanted = RobustnessOptions(images=count, seed=seed, corruptions=disturb, crf=crf, size=side)
        found = probe_run(run_dir, folder, wanted, runtime)
        return list(found.findings)
    if out is None:
        raise UsageError(f"{images} is not a run (no config.yaml), so name the folder to write to as out")
    from segpipe.commands.probe.options import ProbeOptions
    from segpipe.commands.probe.writers import probe_images

    asked = ProbeOptions(
        backbone=backbone,
        weights=None if weights is None else Path(weights),
        block=block,
        size=size,
        images=count,
        seed=seed,
        measures=measures,
        corruptions=disturb,
        device=device,
    )
    done = probe_images(absolute(images), Path(out), asked, Runtime(pick_device(device), cpu_count()))
    return list(done.findings)
