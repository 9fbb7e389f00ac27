"""Types of `api.py`. Made by `python tools/generate.py`: change the declared options instead."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from segpipe.records.backbone_health import BackboneHealth
from segpipe.records.fault import Fault
from segpipe.records.finding import Finding
from segpipe.results import Run
from segpipe.store.masks import Mask

AnyPath = str | os.PathLike[str]

def open(path: AnyPath) -> Run:
    """A run that was begun, to be looked at: images, features, masks, classes, cover and scores."""

def masks(run: AnyPath, *, classes: bool = True) -> Iterator[tuple[str, Mask]]:
    """The masks of a finished run, one after the other: id of the image and classes (H, W), or clusters."""

def run(
    images: AnyPath,
    run: AnyPath,
    *,
    config: str | None = None,
    backbone: str | None = None,
    weights: str | None = None,
    device: str | None = None,
    workers: int | None = None,
    seed: int | None = None,
    formats: Sequence[str] = (),
    preview: int | None = None,
    keep_classes: bool = False,
    start: Literal["index", "extract", "mine", "train", "cluster", "refine", "export", "evaluate", "cover", "report"] | None = None,
    stop: Literal["index", "extract", "mine", "train", "cluster", "refine", "export", "evaluate", "cover", "report"] | None = None,
    force: Sequence[Literal["index", "extract", "mine", "train", "cluster", "refine", "export", "evaluate", "cover", "report"]] = (),
    engine: Literal["here", "ray"] = "here",
    engine_address: str | None = None,
    engine_workers: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> Run:
    """Do every stage, from images to class maps and a report; skip what is up to date.

    An existing RUN keeps its settings; --config replaces them, and --set or an option of a setting, such as
    --cluster.k, changes single ones.

    Args:
        images: a folder of photographs, mosaics and videos (walked recursively), one file, a glob in quotes, or a
            text file of paths; of a video about one frame a second is taken.
        run: the run directory, new or begun.
        config: settings to start from: a YAML file or camvid, cityscapes, cocostuff27, cocostuff27_vits8, demo,
            folder, msrc21, potsdam, suim, underwater.
        backbone: one of `segpipe backbones`, or of timm.
        weights: file of the backbone's weights.
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: processes and threads side by side; 0 = one per processor.
        seed: seed of every stage.
        formats: what to export, beside what the run has exported; repeatable.
        preview: first on an even sample of so many images: all stages in minutes; the same command without it
            goes on from there.
        keep_classes: the classes stay those that the run has, although its images are others now: head and
            clusters are not made anew, in later runs neither, until `--force cluster`.
        start: first stage; the ones before it must be up to date.
        stop: last stage.
        force: run this stage although it is up to date; repeatable.
        engine: where parts of the run are done: in this process, or by Ray Data on a cluster (extra `ray`).
        engine_address: of a Ray cluster that is there, such as auto or ray://host:10001; a local one is begun
            without it.
        engine_workers: actors side by side; 0: one per CPU of the cluster but one.
        settings: settings of stages, dotted keys to values, such as `{"cluster.k": 8}`.

    Returns:
        the run: its images, features, masks, classes, cover and scores; `run[stage]` is what a stage says of
        itself.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def index(
    images: AnyPath,
    run: AnyPath,
    *,
    config: str | None = None,
    device: str | None = None,
    workers: int | None = None,
    force: bool = False,
    part: str | None = None,
    lease_minutes: float = 10.0,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Find the images, check every file by decoding it, take frames of videos, and plan what the network will see.

    Reads  the user's images and videos
    Writes corpus/  the images that can be used with their crops, frames of videos, and the files skipped with the reason

    Args:
        images: a folder of photographs, mosaics and videos (walked recursively), one file, a glob in quotes, or a
            text file of paths; of a video about one frame a second is taken.
        run: the run directory.
        config: settings to start from: a YAML file or camvid, cityscapes, cocostuff27, cocostuff27_vits8, demo,
            folder, msrc21, potsdam, suim, underwater.
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: processes and threads side by side; 0 = one per processor.
        force: run although it is up to date.
        part: do one part of a planned run, such as 3/100; auto: take parts by leases until none is left; env: the
            part that Slurm, SkyPilot or torchrun says.
        lease_minutes: take over a part whose worker was not heard of for so long.
        settings: settings of stages, dotted keys to values, such as `{"cluster.k": 8}`.

    Returns:
        what the stage says of itself.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def extract(
    run: AnyPath,
    *,
    backbone: str | None = None,
    weights: str | None = None,
    device: str | None = None,
    workers: int | None = None,
    force: bool = False,
    part: str | None = None,
    lease_minutes: float = 10.0,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a frozen backbone says of every patch of every crop, computed once.

    Reads  corpus/    the images and their crops
    Writes features/  store.zarr: patch features and one pooled vector per crop (whitening.safetensors for `classical`)

    Args:
        run: the run directory.
        backbone: name from `segpipe backbones`, any timm model name, or a folder of `segpipe pretrain`.
        weights: weights file to use instead of the hub's (.safetensors, .pth).
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: processes and threads side by side; 0 = one per processor.
        force: run although it is up to date.
        part: do one part of a planned run, such as 3/100; auto: take parts by leases until none is left; env: the
            part that Slurm, SkyPilot or torchrun says.
        lease_minutes: take over a part whose worker was not heard of for so long.
        settings: settings of stages, dotted keys to values, such as `{"cluster.k": 8}`.

    Returns:
        what the stage says of itself.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def mine(
    run: AnyPath,
    *,
    device: str | None = None,
    workers: int | None = None,
    force: bool = False,
    part: str | None = None,
    lease_minutes: float = 10.0,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """For every crop, the k other crops whose pooled features look most alike.

    Reads  corpus/    which crops belong to one image
           features/  one pooled vector per crop
    Writes pairs/     neighbors (n, k) and cosine scores (n, k); no crop is its own neighbor

    Args:
        run: the run directory.
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: processes and threads side by side; 0 = one per processor.
        force: run although it is up to date.
        part: do one part of a planned run, such as 3/100; auto: take parts by leases until none is left; env: the
            part that Slurm, SkyPilot or torchrun says.
        lease_minutes: take over a part whose worker was not heard of for so long.
        settings: settings of stages, dotted keys to values, such as `{"cluster.k": 8}`.

    Returns:
        what the stage says of itself.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def train(
    run: AnyPath,
    *,
    seed: int | None = None,
    device: str | None = None,
    workers: int | None = None,
    force: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A head that turns frozen patch features into short codes, without a single label.

    Reads  corpus/    which crops belong to one image
           features/  patch features, a few crops at a time
           pairs/     the neighbors of every crop
    Writes head/      head.safetensors and candidates.json; of a head that was trained history.jsonl, histograms.npz and,
                      where TensorBoard is installed, tb/; candidates/NAME/history.jsonl of those that were not kept

    Args:
        run: the run directory.
        seed: seed of everything random.
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: processes and threads side by side; 0 = one per processor.
        force: run although it is up to date.
        settings: settings of stages, dotted keys to values, such as `{"cluster.k": 8}`.

    Returns:
        what the stage says of itself.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def cluster(
    run: AnyPath,
    *,
    seed: int | None = None,
    guide: str | None = None,
    guide_classes: str | None = None,
    skip_outside: bool | None = None,
    hold_out: float | None = None,
    device: str | None = None,
    workers: int | None = None,
    force: bool = False,
    part: str | None = None,
    lease_minutes: float = 10.0,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """As many classes as wanted, by a tree of many small clusters or by k-means, whichever agrees better.

    Reads  corpus/    which crops belong to one image
           features/  patch features of every crop
           head/      the head that turns features into codes
           the user's points, where `cluster.guide` names some
    Writes clusters/  tree.npz (small clusters, how they merge, a pool of patches), clusters.npz (the classes)

    Args:
        run: the run directory.
        seed: seed of the sample and of every k-means run.
        guide: labelled points that steer the classes: a CSV, or a folder of index images; null = no label takes
            part.
        guide_classes: text file of the guide's class names, one per line in index order.
        skip_outside: leave out points of the guide that lie outside their image, and say how many.
        hold_out: share of the guide's images, drawn by seed, that do not steer, so that `evaluate` may judge by
            them.
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: processes and threads side by side; 0 = one per processor.
        force: run although it is up to date.
        part: do one part of a planned run, such as 3/100; auto: take parts by leases until none is left; env: the
            part that Slurm, SkyPilot or torchrun says.
        lease_minutes: take over a part whose worker was not heard of for so long.
        settings: settings of stages, dotted keys to values, such as `{"cluster.k": 8}`.

    Returns:
        what the stage says of itself.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def refine(
    run: AnyPath,
    *,
    device: str | None = None,
    workers: int | None = None,
    force: bool = False,
    part: str | None = None,
    lease_minutes: float = 10.0,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A class for every pixel of every image, at the image's own size.

    Reads  corpus/    the images and where their crops lie
           features/  patch features of every crop
           head/      the head that turns features into codes
           clusters/  the centers of the classes
           splits.npz which clusters `segpipe name --split` has cut further
    Writes masks/     one index PNG per image, or per tile of a mosaic; pixel counts, header; where wanted, how sure
                      every pixel is

    Args:
        run: the run directory.
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: processes and threads side by side; 0 = one per processor.
        force: run although it is up to date.
        part: do one part of a planned run, such as 3/100; auto: take parts by leases until none is left; env: the
            part that Slurm, SkyPilot or torchrun says.
        lease_minutes: take over a part whose worker was not heard of for so long.
        settings: settings of stages, dotted keys to values, such as `{"cluster.k": 8}`.

    Returns:
        what the stage says of itself.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def export(
    run: AnyPath,
    *,
    formats: Sequence[str] = (),
    only: Sequence[str] = (),
    seed: int | None = None,
    device: str | None = None,
    workers: int | None = None,
    force: bool = False,
    part: str | None = None,
    lease_minutes: float = 10.0,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Masks as files that other programs and people open.

    Reads  corpus/  the images
           masks/   class maps
           classes.yaml  what the clusters are called, where a person said so
    Writes export/  one folder or file per format

    Args:
        run: the run directory.
        formats: what to export, beside what the run has exported; repeatable.
        only: what to export, and nothing else; repeatable.
        seed: coralnet: seed of the points.
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: processes and threads side by side; 0 = one per processor.
        force: run although it is up to date.
        part: do one part of a planned run, such as 3/100; auto: take parts by leases until none is left; env: the
            part that Slurm, SkyPilot or torchrun says.
        lease_minutes: take over a part whose worker was not heard of for so long.
        settings: settings of stages, dotted keys to values, such as `{"cluster.k": 8}`.

    Returns:
        what the stage says of itself.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def evaluate(
    run: AnyPath,
    *,
    labels: str | None = None,
    classes: str | None = None,
    skip_outside: bool | None = None,
    seed: int | None = None,
    device: str | None = None,
    workers: int | None = None,
    force: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """How well the masks, the codes and the k-means baseline agree with a few labelled images.

    Reads  the user's labels (a folder of index images, a CSV of points, or a published set)
           corpus/ features/ head/ clusters/ masks/
    Writes scores/  scores.json, a line per image, the confusion matrix

    Args:
        run: the run directory.
        labels: folder of index images, CSV of points, or folder of a published set; null = nothing to evaluate.
        classes: text file of class names, one per line in index order.
        skip_outside: leave out points that lie outside their image, and say how many.
        seed: seed of the probes' pixels and folds, of the baseline and of the bootstrap.
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: processes and threads side by side; 0 = one per processor.
        force: run although it is up to date.
        settings: settings of stages, dotted keys to values, such as `{"cluster.k": 8}`.

    Returns:
        all scores, as in `scores/scores.json`, and as `named_map` those of the map under its names.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def cover(
    run: AnyPath,
    *,
    sites: str | None = None,
    by: str | None = None,
    site_pattern: str | None = None,
    gsd: float | None = None,
    labels: str | None = None,
    classes: str | None = None,
    skip_outside: bool | None = None,
    seed: int | None = None,
    device: str | None = None,
    workers: int | None = None,
    force: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """How much of the ground each class covers, by image, by site and over all, with intervals.

    Reads  corpus/   the images, and where they lie on the earth
           masks/    pixel counts
           classes.yaml  what the clusters are called, where a person said so
           the user's table of sites, and labels (points or label maps) if there are some: they correct the cover
    Writes cover/    CSV tables, a figure, cover.json

    Args:
        run: the run directory.
        sites: CSV that names images and their site, and their gsd if it knows.
        by: column of sites that says the site, or `folder`: that of the image; empty = site, transect ..., or the
            folder.
        site_pattern: regular expression whose groups in a file name say the site, such as (?P<dive>D\\d+)_.
        gsd: meters along the side of a pixel, of all images that do not say so.
        labels: CSV of points, or folder of index images, to correct the cover by.
        classes: text file of their class names, one per line in index order.
        skip_outside: leave out points that lie outside their image, and say how many.
        seed: seed of the resamples.
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: processes and threads side by side; 0 = one per processor.
        force: run although it is up to date.
        settings: settings of stages, dotted keys to values, such as `{"cluster.k": 8}`.

    Returns:
        what the stage says of itself.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def report(
    run: AnyPath,
    *,
    seed: int | None = None,
    device: str | None = None,
    workers: int | None = None,
    force: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One HTML page on which a person can judge the run.

    Reads  corpus/    the images, and the skipped files
           features/  patch features of a bounded number of crops
           head/      the head, and how its training went
           clusters/  the centers of the classes
           masks/     pixel counts of all images, class maps of a few
           scores/, cover/  where they exist
           classes.yaml  what the clusters are called, where a person said so
    Writes report/    index.html, which needs no other file; of films films.json and temporal profiles

    Args:
        run: the run directory.
        seed: seed of the random choice of crops to look at, where a corpus holds more than 600.
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: processes and threads side by side; 0 = one per processor.
        force: run although it is up to date.
        settings: settings of stages, dotted keys to values, such as `{"cluster.k": 8}`.

    Returns:
        what the stage says of itself.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def plan(
    run: AnyPath,
    *,
    parts: int,
    images: str | None = None,
    config: str | None = None,
    index: bool = False,
    overwrite: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Cut a run into parts that several machines do, each with a command of its own.

    `index` is finished first, if it is not, or with --index its files are listed. A part is a range of neighboring
    images, by arithmetic; the plan is immutable. See docs/howto/many-machines.md.

    Args:
        run: the run directory, new or begun.
        parts: how many parts; each should take minutes to an hour.
        images: as of `segpipe run`, for a new run.
        config: as of `segpipe run`.
        index: cut `index` into parts too: files are listed now, and opened by `segpipe index IMAGES RUN --part
            I/N`.
        overwrite: replace another plan; what was done is found again, not lost.
        settings: settings of stages, dotted keys to values, such as `{"cluster.k": 8}`.

    Returns:
        the plan: `parts`, `units`, and the key of corpus and settings that it is for.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def status(
    run: AnyPath,
    *,
    lease_minutes: float = 10.0,
) -> dict[str, Any]:
    """Show how far the parts of a run are: done, running, failed, how fast, and how long it will take.

    Args:
        run: the run directory.
        lease_minutes: as of the commands that do parts: who was not heard of for so long has ended.

    Returns:
        by stage: `state`, `parts`, `done`, `running` and `failed` by part, `rate` in parts an hour,
        `seconds_left`, `round` of a stage that is done in rounds.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def merge(
    run: AnyPath,
    *,
    verify: bool = False,
) -> dict[str, Any]:
    """Close every stage of which all parts are done, as if it had been done at once; or say which parts are missing.

    Of a stage that is done in rounds the round that is open is closed, so that the parts of the next can begin.

    Args:
        run: the run directory.
        verify: read again what every part wrote, and compare checksums.

    Returns:
        what each stage that was closed now says of itself, by stage.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def name(
    run: AnyPath,
    *,
    points: AnyPath | None = None,
    labels: AnyPath | None = None,
    classes: AnyPath | None = None,
    skip_outside: bool = False,
    points_in: Literal["auto", "displayed", "stored"] = "auto",
    min_pixels: int = 10,
    min_images: int = 2,
    min_agreement: float = 0.5,
    merge: Sequence[tuple[int | str, int | str]] = (),
    name: Sequence[tuple[int | str, str]] = (),
    color: Sequence[tuple[int | str, str]] = (),
    unmerge: Sequence[int | str] = (),
    ignore: Sequence[int | str] = (),
    keep: Sequence[int | str] = (),
    suggest: int | None = None,
    split: int | str | None = None,
    into: int | None = None,
    by: Literal["auto", "tree", "kmeans"] | None = None,
) -> dict[int, dict[str, Any]]:
    """Write RUN/classes.yaml, where a person says what the clusters are called.

    For each cluster it holds name, color, merge_into, ignore, its share of the pixels and the picture of its best
    patches in RUN/gallery/. What was written before is kept; where the clusters have changed, names follow the pixels.

    Args:
        run: the run directory.
        points: propose names by a CSV of labelled points.
        labels: propose names by labels: a folder of index PNGs, or a CSV of points.
        classes: class names of the labels, one a line in index order.
        skip_outside: leave out points that lie outside their image, and say how many.
        points_in: picture that rows and columns of points count in where EXIF turns it: displayed, or stored as
            in CoralNet.
        min_pixels: labelled pixels that a proposal needs.
        min_images: images that they must lie in.
        min_agreement: share of them that must surely agree: lower end of its 95% interval.
        merge: cluster A joins the class of B; each by number or name; repeatable.
        name: a cluster, by number or name, is called TEXT; "" takes its name away; repeatable.
        color: a cluster has this color, such as #1f77b4; repeatable.
        unmerge: this cluster stands by itself again; repeatable.
        ignore: leave this cluster out of the map; repeatable.
        keep: bring this cluster back onto the map; repeatable.
        suggest: join the most similar clusters until N classes are left.
        split: cut this cluster further, by number or name; others stay as they are.
        into: parts of the split [2]; 1 joins again what was cut off it.
        by: how it is cut: along the class tree, by k-means of patches [auto: the tree where it leaves no tiny
            cluster].

    Returns:
        for every cluster what classes.yaml says of it (name, color, merge_into, ignore, share from 0 to 1,
        picture), and as `class` what it is on the map; None where it is left out.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

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
    input_size: int = 480,
    crop: tuple[int, int, int, int] | None = None,
    resize: int | tuple[int, int] | str | None = None,
    frames: tuple[int, int] | None = None,
    fps: float | None = None,
    npz: bool = False,
    batch: int = 8,
    device: str = "auto",
    workers: int | None = 0,
) -> dict[str, Any]:
    """Show what a backbone attends to: maps of every head, their mean, heads in colors, rollout.

    IMAGES is a folder (walked recursively), one file, a glob in quotes, a text file of paths, or a video. OUT is a
    folder, or a video (.webm plays in browsers; .mp4, .mkv, .mov, .avi) with one frame per image or frame.

    A network without attention (a ResNet, `classical`) shows how strongly its features respond, and says so.

    Args:
        images: a folder, an image, a glob, a text file of paths, or a video.
        out: a folder, or a video (.webm, .mp4, .mkv, .mov, .avi).
        backbone: one of `segpipe backbones`, or of timm [dino_vits16].
        weights: file of the backbone's weights.
        compare: a further backbone, put beside the others; repeatable; `dino` stands for its five networks.
        block: which block of a ViT or stage of a CNN; 0 is the first, -1 the last.
        maps: mean, colors (heads in colors), rollout, heads, or the number of a head; repeatable [all; in a video
            mean].
        style: the map alone, beside the image, over it; the image darkened or gray where the map is weak [map; in
            a video concat].
        threshold: keep the strongest pixels that hold this share of a map's mass, as masks and contours.
        cmap: a color map of matplotlib.
        scale: full strength is each map's own largest value, one value for all pictures, or N times an even map
            [own; in a video shared].
        nearest: show patches as squares instead of interpolating.
        input_size: pixels of a side of a square image as the network sees it; other shapes get about its area.
        crop: process these rows and columns only, the last ones not included.
        resize: then make the longest side at most N pixels, or give width x height.
        frames: frames FROM up to and without TO.
        fps: frames a second of the video [the source's].
        npz: also save every map as floats at the image's own size.
        batch: pictures at once.
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: threads that read and write; 0 = one per processor.

    Returns:
        `pictures`, how many were processed; `files`, how many were written; `rejected`, path to reason of what
        was skipped.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def probe(
    images: AnyPath,
    out: AnyPath | None = None,
    *,
    backbone: str = "dino_vits16",
    weights: AnyPath | None = None,
    block: int = -1,
    input_size: int = 256,
    max_images: int = 60,
    seed: int = 0,
    measures: Sequence[str] = (),
    corruptions: Sequence[str] = (),
    device: str = "auto",
    workers: int | None = 0,
) -> list[Finding]:
    """Measure what a backbone is biased to: the center, focus, artefacts; and what its features are robust to.

    IMAGES is a folder (walked recursively), one file, a glob in quotes, a text file of paths, or a video. OUT gets
    index.html, probe.csv with 95% intervals over the images, probe.json and the figures.

    A network without attention (a ResNet, `classical`) is measured by how strongly its features respond, and the page
    says so. How robust the masks of a run are, `segpipe robustness RUN` tells.

    Args:
        images: a folder, an image, a glob, a text file of paths, or a video.
        out: folder for the page, the table and the figures.
        backbone: one of `segpipe backbones`, or of timm.
        weights: file of the backbone's weights.
        block: which block of a ViT or stage of a CNN; 0 is the first, -1 the last.
        input_size: pixels of a side of the middle square that is processed; brought to a multiple of four
            patches.
        max_images: how many images at most, drawn by the seed.
        seed: seed of all that is random.
        measures: some of center, focus, artefacts, agreement [all].
        corruptions: names of image corruptions [all].
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: pictures side by side; 0 = one per processor.

    Returns:
        the rows of `probe.csv`.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def robustness(
    run: AnyPath,
    out: AnyPath | None = None,
    *,
    max_images: int = 24,
    seed: int = 0,
    corruptions: Sequence[str] = (),
    crf: bool = False,
    max_side: int = 960,
) -> list[Finding]:
    """Measure how far the masks of a finished RUN stay the same when its images are corrupted.

    OUT, by default RUN/robustness, gets index.html, robustness.csv with 95% intervals over the images, robustness.json
    and a figure.

    Args:
        run: the run directory.
        out: folder for the page and the table [RUN/robustness].
        max_images: how many images of the run, spread over it; 0: all.
        seed: seed of all that is random.
        corruptions: names of image corruptions [all].
        crf: refine masks by the run's CRF; takes half as long again.
        max_side: longest side in pixels to which photographs are scaled before they are corrupted.

    Returns:
        the rows of `robustness.csv`.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def similar(
    run: AnyPath,
    query: AnyPath,
    *,
    point: tuple[float, float] | None = None,
    in_image: str | None = None,
    k: int = 11,
    out: AnyPath | None = None,
) -> list[tuple[str, float, tuple[float, float] | None]]:
    """Find the images of RUN most similar to QUERY: a contact sheet and a CSV, in RUN/similar/ or --out.

    QUERY is an image of the run, by its id, path or name, or any other image file. With --point, patches most similar
    to that point of it are found instead, the best of every image, and colors show the similarity of every place.

    Args:
        run: the run directory.
        query: an image of the run, by id, path or name, or any image file.
        point: row and column of a point of the query, pixels.
        in_image: an image in which alone the point is looked for.
        k: how many images to find.
        out: folder to write to; by default one in the run's `similar/`.

    Returns:
        for each image found its id, its cosine and, with a point, the row and column of the most similar patch.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def change(
    run_a: AnyPath,
    second: AnyPath,
    out: AnyPath,
    *,
    joint: bool = False,
    dates: AnyPath | None = None,
    date_pattern: str | None = None,
    sites: AnyPath | None = None,
    by: str = "",
    site_pattern: str | None = None,
    gsd: float | None = None,
    pairs: str | None = None,
    align: Literal["none", "shift"] = "shift",
    harmonize: bool = False,
    unit: Literal["auto", "image", "site"] = "auto",
    tolerance: float = 2.0,
    min_area: int = 25,
    n_resamples: int = 2000,
    seed: int = 0,
    device: str = "auto",
    workers: int | None = 0,
) -> list[dict[str, Any]]:
    """Show what changed between two dates, in the same classes: cover with intervals, transitions, a change map.

    RUN_A is a finished run of the first date. The second date is a run with the clusters of RUN_A, or IMAGES_B, which
    are segmented by the model of RUN_A in OUT/b. Names and merges of RUN_A hold for both. Where both dates lie in one
    run, name it twice and tell the dates apart by --dates or --date-pattern.

    Args:
        run_a: the finished run of the first date.
        second: the second date: a run with the same clusters, RUN_A itself, or images as for `run`.
        out: a folder for what is found.
        joint: find the classes anew in the images of both dates, in OUT/joint, instead of taking those of RUN_A.
        dates: CSV that names images and their date, of a run that holds both.
        date_pattern: regular expression whose first group in an image's path says its date, such as (20\\d\\d).
        sites: CSV that names images of both dates and their site.
        by: column of sites that says the site, or `folder`.
        site_pattern: regular expression whose groups in a file name say the site.
        gsd: meters along the side of a pixel, of all images that do not say so.
        pairs: CSV of two columns, an image of the first date and that of the second which shows the same plot;
            `names` = images of one id.
        align: shift = what is left between two rasters of the same ground is measured by phase correlation and
            taken away; none = coordinates alone.
        harmonize: give the second date the colors and the mean feature of the first, in OUT/harmonized, and show
            both results.
        unit: what is drawn again for intervals over all sites; auto = site where both dates share eight at least.
        tolerance: pixels by which borders of classes may lie wrong: less than that is no certain change.
        min_area: pixels of the smallest polygon in the GeoPackage.
        n_resamples: resamples behind each 95% interval.
        seed: seed of the resamples.
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: processes and threads side by side; 0 = one per processor.

    Returns:
        the rows of `cover.csv`: for every class over all and at each site the shares at both dates, their
        difference, its 95% interval and what may be said of it.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def propagate(
    video: AnyPath,
    out: AnyPath,
    *,
    masks: AnyPath | None = None,
    key_frames: Literal["classes"] | None = None,
    run_video: str | None = None,
    labels: AnyPath | None = None,
    frames: tuple[int, int] | None = None,
    backbone: str | None = None,
    weights: AnyPath | None = None,
    block: int = -1,
    protocol: Literal["dino", "dinov3"] = "dino",
    input_size: int | None = None,
    context: int = 7,
    radius: int = 12,
    neighborhood: Literal["square", "circle"] | None = None,
    temperature: float | None = None,
    top: int = 5,
    no_stretch: bool = False,
    no_confidence: bool = False,
    no_overlay: bool = False,
    fps: float | None = None,
    device: str = "auto",
    workers: int | None = 0,
) -> dict[str, Any]:
    """Carry the classes of one frame, or of several key frames, through a film: nothing is trained.

    VIDEO is a video, a folder of frames, or with --from a run of a video. Masks are index PNGs, value = class, of the
    size of their frames; 0 is a class like the others, 255 (65535 of 16 bits) no class. Between two key frames labels
    come from both. OUT gets a class map, a confidence and a line for every frame, and a film with the classes' colors.

    A call that was interrupted goes on where it was when it is typed again.

    Args:
        video: a video, a folder of frames in order, or a run (with --from).
        out: a folder.
        masks: the mask of the first frame, or a folder of masks whose names end in the number of their frame
            (000120.png, dive_000120.png), or are those of the files of frames.
        key_frames: take the class maps of a run as key frames of all other frames of its film.
        run_video: which video of the run, where it has several.
        labels: index PNGs of what is true, named as masks are: J, F and J&F are printed.
        frames: frames FROM up to and without TO.
        backbone: one of `segpipe backbones`, or of timm [dino_vits16; with --from that of the run].
        weights: file of the backbone's weights.
        block: which block of a ViT or stage of a CNN; 0 is the first, -1 the last.
        protocol: whose defaults and sizes: those of DINO's or of DINOv3's evaluation.
        input_size: pixels of the short side as the network sees it [480; dinov3: 960].
        context: labels come from the key frame and so many frames before.
        radius: how many patches away labels may come from; 0: from anywhere.
        neighborhood: shape of what lies within --radius [square; dinov3: circle].
        temperature: how much the most alike patches count for more [0.1; dinov3: 0.2].
        top: of so many patches labels are averaged.
        no_stretch: compare soft labels as they are; by default those of each class reach from 0 to 1 in every
            frame.
        no_confidence: write no picture of confidence for every frame.
        no_overlay: write no film with the classes' colors.
        fps: frames a second of a folder of frames [25].
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: threads that read and write; 0 = one per processor.

    Returns:
        `frames`, how many were written; `confidence`, their mean; `rejected`, path to reason of what could not be
        read; with labels `scores` (`j`, `f`, `jf`, 0 to 1) and the same by class name in `classes`.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def track(
    video: AnyPath,
    out: AnyPath,
    *,
    objects: int = 3,
    heads: Literal["overlap", "random", "all"] = "overlap",
    tracker: Literal["contrast", "dora"] = "contrast",
    merge: float = 0.1,
    sinkhorn: Literal["coded", "paper"] = "coded",
    seed: int = 0,
    keep: float = 0.4,
    rejoin: float = 0.0,
    cuts: float = 27.0,
    backbone: str = "dino_vits16",
    weights: AnyPath | None = None,
    block: int = -1,
    input_size: int = 480,
    frames: tuple[int, int] | None = None,
    labels: AnyPath | None = None,
    fps: float | None = None,
    no_overlay: bool = False,
    device: str = "auto",
    workers: int | None = 0,
) -> dict[str, Any]:
    """Follow the objects that a backbone's attention heads see through a video; nothing is trained.

    VIDEO is a video, or a folder of frames (frame9 before frame10). OUT becomes a folder of masks, tables and a video,
    whole or not at all: what an interrupted call has done is used by the next one with the same options.

    Args:
        video: a video, or a folder of frames.
        out: the folder to write.
        objects: objects that a scene begins with, at most.
        heads: take the heads that overlap least, draw them, or take every head.
        tracker: objects against their surroundings among the tokens, or the formulas of DoRA.
        merge: heads see one object where they differ less than this share of what sets them off from the
            surroundings.
        sinkhorn: with --tracker dora: prototypes as in DoRA's code, or as in its paper.
        seed: of the draw of heads.
        keep: a track is lost below this score: 1 as in its first frame, 0 as its surroundings; not with dora.
        rejoin: least cosine by which an object of a new scene goes on with an earlier track; 0 begins new tracks.
        cuts: a scene ends where two frames differ so much, as `index.scene_threshold` measures it; 0 = never.
        backbone: one of `segpipe backbones`, or of timm.
        weights: file of the backbone's weights.
        block: which block of the ViT; 0 is the first, -1 the last.
        input_size: pixels of the short side as the network sees it.
        frames: frames FROM up to and without TO.
        labels: folder of index PNGs named like the frames: print J, F and J&F of their objects.
        fps: frames a second of the overlay video [the source's, 25 of a folder].
        no_overlay: write no overlay video.
        device: where the network runs: auto, cpu, cuda, cuda:1 or mps.
        workers: threads that read and write; 0 = one per processor.

    Returns:
        `frames`, `scenes` and `tracks`, how many there are; with labels `objects`, from the value of each to the
        scores of its `best` and its `first` track; `rejected`, path to reason of what was skipped.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def pretrain(
    images: AnyPath,
    out: AnyPath,
    *,
    method: Literal["dino", "dora"] = "dino",
    init: str = "random",
    backbone: str | None = None,
    steps: int | None = None,
    batch: int | None = None,
    micro_batch: int | None = None,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    seed: int = 0,
    preview: bool = False,
    licence: str = "unstated: that of the images it was trained on",
    judge_every: int = 100,
    judge_images: int = 256,
    stop_on_collapse: bool = False,
    checkpoint_minutes: float = 5.0,
    tensorboard: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    workers: int | None = 0,
    outputs: int | None = None,
    lr: float = 0.0005,
    min_lr: float = 1e-06,
    warmup: float = 0.1,
    weight_decay: float = 0.04,
    weight_decay_end: float = 0.4,
    clip: float = 3.0,
    drop_path: float = 0.1,
    momentum: float = 0.996,
    teacher_temp: float = 0.04,
    teacher_temp_start: float = 0.04,
    teacher_temp_warmup: float = 0.0,
    student_temp: float = 0.1,
    center_momentum: float = 0.9,
    freeze_last: float = 0.01,
    free_last_layer: bool = False,
    global_size: int = 224,
    local_size: int = 96,
    local_crops: int = 8,
    global_scale: tuple[float, float] = (0.4, 1.0),
    local_scale: tuple[float, float] = (0.05, 0.4),
    flip: float = 0.5,
    jitter: float = 0.8,
    grayscale: float = 0.2,
    blur_first: float = 1.0,
    blur_second: float = 0.1,
    blur_local: float = 0.5,
    solarize: float = 0.2,
    vertical_flip: float = 0.0,
    rotate: float = 0.0,
    translate: float = 0.0,
    noise: float = 0.0,
    erase: float = 0.0,
    mix: float = 0.0,
    frames: tuple[int, int] | None = None,
    clip_frames: int = 8,
    clip_spacing: int = 60,
    objects: int = 3,
    formulas: Literal["coded", "paper"] = "coded",
    sinkhorn_epsilon: float = 0.05,
    sinkhorn_rounds: int = 30,
    film_side: int = 300,
) -> dict[str, Any]:
    """Train a backbone on your own images, without a label: OUT can be given wherever a backbone is named.

    IMAGES is a folder (walked recursively), one file, a glob in quotes, or a text file of paths; with `--method dora`
    it is one film, or a folder of frames in order (frame9 before frame10), the longer the better. What was stopped goes
    on with the same command, and ends with the same weights. With `torchrun ... -m segpipe pretrain` several GPUs
    or machines share the work; OUT must then lie where all of them see it.

    Args:
        images: a folder, an image, a glob, or a text file of paths; with dora a film.
        out: the folder to write.
        method: self-distillation of views of single images, or of objects followed through one long film.
        init: weights to begin with: random, a name of `segpipe backbones` or of timm, OUT of another call, or a
            file.
        backbone: the ViT to train, by its name in timm [vit_tiny_patch16_224, or the network of --init].
        steps: steps of training [100 times all images, at least 1,000 steps, at most 125,000].
        batch: images of one step, over all processes [an eighth of all, a power of two of 16 to 1,024; with dora
            to 128].
        micro_batch: images that are held at once; gradients add up to the batch [16; on a GPU 64; of clips 2 and
            8].
        precision: number type of the networks; auto: bfloat16 where the device has it.
        seed: of everything that is drawn.
        preview: write OUT/preview.png, a sheet of views of some images, and end.
        licence: licence of the weights, for their card.
        judge_every: steps between judgements of the features without labels; 0 = never.
        judge_images: images that are judged by, at most.
        stop_on_collapse: end the training where the features have collapsed.
        checkpoint_minutes: minutes between checkpoints; 0 = after every step.
        tensorboard: write TensorBoard events to OUT/tb too.
        overwrite: begin anew where OUT holds a training with other settings.
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: threads that make views; 0 = one per processor.
        outputs: prototypes of the head [8 for each image, a power of two of 1,024 to 65,536; published with
            65,536].
        lr: largest learning rate at a batch of 256; it scales with the batch.
        min_lr: learning rate at the end [with dora 1e-5].
        warmup: share of the steps in which the learning rate rises.
        weight_decay: weight decay at the beginning.
        weight_decay_end: weight decay at the end.
        clip: largest length of a parameter's gradient; 0 = any.
        drop_path: share of blocks that the student leaves out, at its last one.
        momentum: of the teacher at the beginning; it rises to 1.
        teacher_temp: temperature of the teacher.
        teacher_temp_start: temperature of the teacher in the first step.
        teacher_temp_warmup: share of the steps in which it moves from there.
        student_temp: temperature of the student.
        center_momentum: of the center of the teacher's outputs.
        freeze_last: share of the steps in which the head's last layer is held.
        free_last_layer: learn the lengths of the last layer's rows instead of holding them at 1 [with dora on].
        global_size: pixels of a side of the two large views.
        local_size: pixels of a side of the small views [with dora 112].
        local_crops: small views of an image; 0 = none [with dora 6].
        global_scale: share of the picture in a large view.
        local_scale: share of the picture in a small view.
        flip: probability of mirroring left and right.
        jitter: probability of changed brightness, contrast, saturation and hue.
        grayscale: probability of losing all color.
        blur_first: probability of blur in the first large view [with dora 0.1].
        blur_second: probability of blur in the second large view.
        blur_local: probability of blur in a small view.
        solarize: probability of inverted bright values in the second large view.
        vertical_flip: probability of mirroring top and bottom.
        rotate: probability of turning by 90, 180 or 270 degrees.
        translate: probability of moving by up to a tenth of the side.
        noise: probability of Gaussian noise.
        erase: probability of a box of noise (random erasing).
        mix: probability that another image shines through all views (mixup).
        frames: of a film: frames FROM up to and without TO.
        clip_frames: with dora: frames of a clip.
        clip_spacing: with dora: frames of the film from one frame of a clip to the next; fewer where the film is
            short.
        objects: with dora: objects that are followed, each an attention head that is drawn.
        formulas: with dora: masks and loss as in its code or in its paper.
        sinkhorn_epsilon: with dora: how evenly patches are shared out among objects.
        sinkhorn_rounds: with dora: rounds of sharing out.
        film_side: with dora: pixels of the short side at which decoded frames are kept on the disk.

    Returns:
        `backbone`, the folder to name as a backbone; `images` and `steps`, how many; `history`, the rows that
        were logged; `ended`, why it ended early; `rejected`, path to reason of what was skipped.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def bundle(
    run: AnyPath,
    model: AnyPath,
    *,
    onnx: bool = False,
) -> None:
    """Write the model of a finished RUN to one FILE, such as reef.segpipe, for `segpipe apply`.

    It holds the network, the head, the clusters, settings and class names; no image, and nothing that could run code.

    Args:
        run: the run directory.
        model: the file.
        onnx: also write network and head as FILE.onnx, compared by ONNX Runtime.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def apply(
    model: AnyPath,
    images: AnyPath,
    *,
    formats: Sequence[str] = (),
    frame_step: int | None = None,
    device: str | None = None,
    workers: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Iterator[tuple[str, Mask]]:
    """Make class maps of new IMAGES with the bundle FILE, the same that its run would make of them.

    Images stream through and nothing is stored but their masks: OUT/masks holds index PNGs, and beside it lies what
    --format asks for.

    Args:
        model: a file made by `segpipe bundle`.
        images: a folder of images and videos (walked recursively), one file, a glob in quotes, or a text file of
            paths.
        formats: what to export; repeatable.
        frame_step: of videos every N-th frame is taken, 1: all of them [about one a second].
        device: where networks run: auto, cpu, cuda, cuda:1 or mps [auto].
        workers: images worked on side by side; 0 = one per processor [0].
        settings: settings of stages, dotted keys to values, such as `{"cluster.k": 8}`.

    Returns:
        one after the other the image's id and its mask (H, W): classes as the bundle names them, 255 (65535
        beyond 255 classes) where there is none; a file that cannot be used is skipped with a warning in the log.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def check(
    run: AnyPath,
    *,
    deep: bool = False,
) -> list[Fault]:
    """Check whether what a run holds is as it was made.

    Every file is read and compared with its checksum. What is damaged is listed with the command that makes it again.

    Args:
        run: the run directory.
        deep: also read every patch feature, and compare the images with those that were indexed.

    Returns:
        what is not as it was made: `path`, `why`, and the `stage` that makes it again; empty where all is well.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def doctor(
    images: AnyPath | None = None,
    *,
    backbone: str | None = None,
    weights: AnyPath | None = None,
    input_size: int = 448,
    max_images: int = 60,
    seed: int = 0,
    device: str = "auto",
    workers: int | None = 0,
) -> BackboneHealth:
    """Check whether this machine has what segpipe needs; with --backbone, whether a backbone suits your IMAGES.

    A backbone is judged without labels, block by block: how its variance is spread, how much of it the place in the
    image explains, tokens that stand out by their norm, and how far similar patches of different images share a class.
    Without IMAGES, drawn ones are looked at, which say little. Nothing is written.

    Args:
        images: a folder of images (walked recursively), one video, a glob in quotes, or a text file of paths.
        backbone: one of `segpipe backbones`, or of timm.
        weights: file of the backbone's weights.
        input_size: pixels of a side of a square image as the network sees it; other shapes get about its area.
        max_images: how many images to look at, spread evenly.
        seed: seed of the patches that are drawn, and of k-means.
        device: where networks run: auto, cpu, cuda, cuda:1 or mps.
        workers: threads that read and compute; 0 = one per processor.

    Returns:
        the table: `blocks` with the measures of each, and what they mean in `sentences`.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """

def sample(
    kind: Literal["photos", "mosaic", "video"],
    out: AnyPath,
    *,
    count: int | None = None,
    seed: int = 0,
) -> Path:
    """Write sample images with exact labels: photographs of a reef, an orthomosaic, or a video.

    All is drawn on this machine, nothing is fetched. KIND is photos, mosaic or video. Beside them lie labels/ (index
    PNGs, 255 = no data) and classes.txt; with photos also points.csv and sites.csv. OUT appears whole or not at all; it
    is a new or empty folder, and the same sample in it is left as it is.

    Args:
        kind: photos, mosaic or video.
        out: folder for the sample, new or empty.
        count: how many photographs; of photos only [24].
        seed: another seed draws another reef.

    Returns:
        the folder.

    Raises:
        SegpipeError: its text says what is wrong and the way out.
    """
