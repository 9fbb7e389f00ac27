"""Index: find the images, check every file by decoding it, take frames of videos, and plan what the network will see.

Reads  the user's images and videos
Writes corpus/  the images that can be used with their crops, frames of videos, and the files skipped with the reason
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, model_validator

from segpipe.base import files
from segpipe.base.config import Section, setting
from segpipe.base.cost import Cost, Work
from segpipe.base.errors import SegpipeError, UsageError, named
from segpipe.base.guarded import Guards
from segpipe.base.remote_path import is_url
from segpipe.base.runtime import Runtime
from segpipe.images.crop_plan import CropPlan
from segpipe.images.datasets import FOLDER, known_layout, list_layout
from segpipe.images.frames import Choice
from segpipe.images.known_files import KnownFiles, count_known, known_files
from segpipe.images.label_masks import leave_out_labels
from segpipe.images.listing import Listing, list_images
from segpipe.images.nodata import MASK, NOTES
from segpipe.images.scenes import BANDS_TOO, group_scenes
from segpipe.images.stack_plan import StackPlan
from segpipe.stages.index.checking import Checking, Checks
from segpipe.stages.index.corpus_building import build_corpus
from segpipe.stages.index.setting_types import AbsoluteName, Bands, Endings, Formulas, Frames, Rule
from segpipe.stages.index.summary import FORMAT as FORMAT
from segpipe.stages.index.summary import Summary, summarize, told_of_labels
from segpipe.store import listed_files
from segpipe.store.corpus import load_corpus, save_corpus
from segpipe.store.kept import settled_scaling
from segpipe.store.run_dir import RunDir
from segpipe.store.shared_work import Sharing

NAME = "index"
ARTEFACT = "corpus"
PROGRESS = listed_files.FOLDER
NEEDS: tuple[str, ...] = ()
FILES = {
    "corpus.jsonl": (
        "an image a line: `id`, `path`, `size` (height, width), `depth`, `sha256`, place on the earth, "
        "`crops` (top, left, height, width)"
    ),
    "header.json": "the images' folder, how many there are, and how deep pixels are scaled to 8 bits",
    "rejected.jsonl": "a skipped file a line: `path`, `reason`",
    "frames/*": "the frames that were taken of videos: `VIDEO/000120.png` is frame 120, counted from 0",
    "valid/*": "of every mosaic which pixels hold image",
}

_log = logging.getLogger(__name__)

_WHICH = ("images", "layout", "split", "labels_too", "preview")
"""Settings that say which files are taken, and nothing of any file."""
_LEAST_STEP = 4  # pixels from a window to the next; a patch is 8 or more

_LATER: tuple[tuple[str, Any], ...] = (
    *(("nodata", "all"), ("frame_seconds", 0.0), ("labels_too", False), ("preview", 0)),
    *(("band_math", []), ("band_files", ""), ("beside", [])),
)
"""Settings that earlier versions did not have, and what means that they change nothing."""


class Config(Section):
    """Settings of `index`."""

    images: AbsoluteName = setting(
        "", "folder of images and videos (searched with its sub-folders), one file, glob, or list of paths (.txt, .lst)"
    )
    layout: Annotated[str, AfterValidator(known_layout)] = setting(
        FOLDER, "how the folder is laid out: folder (any), or a published set such as cityscapes27"
    )
    split: str = setting("", "the images of a published set to take, such as train (where layout is not folder)")
    crops: Literal["whole", "five", "windows"] = setting(
        "whole", "what the network sees of an image: all of it, five crops of half its size, or overlapping windows"
    )
    window: int = setting(448, "side of a window in image pixels (crops=windows, and mosaics always)", ge=16)
    overlap: float = setting(0.5, "share of a window that the next one repeats at least", ge=0, le=0.9)
    bands: Bands = setting(
        (),
        "bands of TIFFs that are red, green, blue, or one, or any other number of channels, by number or name, such as "
        "4,3,2 or B04,B03,B02,B08; all: all there are; empty: red, green, blue as the file says, or the first ones",
    )
    band_math: Formulas = setting(
        (), "channels computed of bands, NAME=EXPRESSION, such as ndvi=(B08-B04)/(B08+B04); b4 is band number 4"
    )
    band_files: Rule = setting(
        "",
        "how files of one band each are called: sentinel2 (.SAFE and plain folders), or a rule such as "
        "'*_{band}.tif'; empty: a file is an image",
    )
    beside: Endings = setting(
        (), "endings of files beside an image that hold more bands of it, such as _nir,_thermal for a_nir.tif of a.jpg"
    )
    nodata: Literal["all", "any"] = setting(
        "all", "a pixel of a TIFF is no image where all bands that are looked at have their no-data value, or any has"
    )
    labels_too: bool = setting(
        False, "take label masks (few small numbers or a palette) that are called like photographs as images too"
    )
    max_pixels: int = setting(
        200_000_000, "images of more pixels are skipped before they are decoded; mosaics may have any number", ge=1
    )
    frame_step: int = setting(
        0,
        "of videos every n-th frame is taken; 0: one a second by time, or by scenes alone",
        ge=0,
        was=("every",),
    )
    frame_seconds: float = setting(
        0.0, "of videos one frame every so many seconds, by time stamps; 0: by index.frame_step", ge=0
    )
    scene_threshold: float = setting(
        0.0,
        "of videos a frame is taken wherever the scene changes: where hue, saturation and value (0 to 255) change by "
        "this on average from one frame to the next; 27 finds cuts; 0: scenes do not matter",
        ge=0,
        was=("scenes",),
    )
    frames: Frames = setting((), "of videos only frames FROM,TO, counted from 0, TO not included; empty: all")

    preview: int = setting(
        0,
        "take an even sample of so many images and frames alone; 0: all. `segpipe run --preview N` sets it for one run",
        ge=0,
    )

    def identity(self) -> dict[str, Any]:
        """As of `Section`; without what earlier versions did not have, where it changes nothing."""
        values = super().identity()
        for name, nothing in _LATER:
            if values.get(name) == nothing:
                del values[name]
        return values

    @model_validator(mode="after")
    def _one_rhythm(self) -> Self:
        if self.frame_step and self.frame_seconds:
            raise ValueError(f"frame_step={self.frame_step} and frame_seconds={self.frame_seconds:g}: set one of them")
        return self

    @model_validator(mode="after")
    def _windows_move(self) -> Self:
        if self.window * (1 - self.overlap) < _LEAST_STEP:
            raise ValueError(
                f"window={self.window} with overlap={self.overlap} moves by less than {_LEAST_STEP} pixels; "
                "take larger windows or less overlap"
            )
        return self


def choice_of(config: Config) -> Choice:
    """Which frames of videos the settings mean."""
    start, stop = config.frames or (0, None)
    return Choice(config.frame_step, config.frame_seconds, config.scene_threshold, start, stop)


def plan_of(config: Config) -> CropPlan:
    """How the settings cut images into crops."""
    stack = stack_of(config)
    bands = config.bands if stack is None else ()
    return CropPlan(
        config.crops, config.window, config.overlap, bands, config.max_pixels, config.nodata == "any", stack
    )


def stack_of(config: Config) -> StackPlan | None:
    """Which channels the settings make of bands; None where images are red, green and blue, or gray."""
    every = tuple(str(band).casefold() for band in config.bands) == ("all",)
    if not (config.band_math or config.band_files or config.beside or every or len(config.bands) not in (0, 1, 3)):
        return None
    return StackPlan(() if every else config.bands, config.band_math, config.beside, config.band_files)


def list_files(config: Config, *, skip: Path | None = None) -> Listing:
    """The files that the settings mean; see `list_images` and `list_layout`.

    Raises:
        UsageError: there are none, or a split is given for a plain folder.
    """
    stack = stack_of(config)
    if is_url(config.images) and (config.layout != FOLDER or (stack is not None and (stack.files or stack.beside))):
        raise UsageError(
            f"{named('index.images', config.images)}: published layouts and bands in several files are read from "
            "folders of this machine alone; copy them to one"
        )
    if config.layout != FOLDER:
        return list_layout(config.images, layout=config.layout, split=config.split)
    if config.split:
        raise UsageError(f"index.split={config.split}: a plain folder has no splits; set index.layout, or leave it out")
    if stack is None:
        return list_images(config.images, skip=skip, videos=True)
    return group_scenes(list_images(config.images, skip=skip, videos=True, more=BANDS_TOO), stack)


def accept(config: Config) -> None:
    """See that there are files.

    Raises:
        SegpipeError: as of `list_files`.
    """
    list_files(config)


def input_files(config: Config) -> list[Path]:
    """The files found now, without opening them: a file added, changed or gone makes `index` run again."""
    return [path if isinstance(path, Path) else Path(path) for path in files_of(list_files(config))]


def stamps(config: Config) -> str:
    """A fingerprint of these files, of which there may be millions."""
    return files.stamps(files_of(list_files(config)))


def files_of(listing: Listing) -> Iterator[str | Path]:
    """The paths of the files of a listing, and of those beside them that say something of them."""
    if listing.objects:
        beside = (name for path in listing.paths for name in (path, path + MASK, path + NOTES))
        yield from (listing.file(name) for name in beside if name in listing.objects)
        return
    root = os.fspath(listing.root)
    for path in listing.paths:
        own = f"{root.rstrip('/')}/{path}"
        yield own
        scene = listing.scenes.get(path)
        folder = own[: own.rindex("/")]
        yield from (
            f"{folder}/{name}" for entry in (scene.layers if scene else ()) if (name := entry.partition("=")[2])
        )
        if own.lower().endswith((".tif", ".tiff")):  # which of its pixels hold image, these may say
            yield from (beside for beside in (own + MASK, own + NOTES) if os.path.isfile(beside))  # noqa: PTH113


def open_known(config: Config, run_dir: RunDir) -> KnownFiles:
    """The files that an earlier index of the run has decoded with settings that say the same of each of them."""
    record = run_dir.manifest().stages.get(NAME)
    now = {key: value for key, value in config.identity().items() if key not in _WHICH}
    then = record.parts.get("settings", {}) if record else {}
    if record is None or record.parts.get("format") != FORMAT or now != {k: then[k] for k in then if k not in _WHICH}:
        return known_files(None)
    try:
        return known_files(load_corpus(run_dir.path(ARTEFACT)))
    except SegpipeError as error:
        _log.warning("%s", error)
        return known_files(None)


def cost(config: Config, work: Work) -> Cost:
    """What a run is expected to take: decoding and hashing, about 30 ms a megapixel, and a few lines of text.

    Frames of videos take 3 ms a megapixel, and another 30 ms and 1.5 MB where they are kept.
    """
    seconds = 0.03 * work.megapixels + 0.003 * work.decoded_megapixels
    return Cost(0.5 + seconds / work.workers, 350 * work.images + 25 * work.crops + 1.5e6 * work.frame_megapixels)


def _list(config: Config, run_dir: RunDir, guards: Guards) -> tuple[Listing, list[str]]:
    """The files without label masks, and what is to be said of those that are not among them."""
    listing = list_files(config, skip=run_dir.root)
    told = [listing.told_of_others()]
    if config.layout == FOLDER and not config.labels_too:
        listing, labels = leave_out_labels(listing, guards)
        told.append(told_of_labels(labels))
    return listing, [note for note in told if note]


def _checks(config: Config, out: Path, runtime: Runtime, known: KnownFiles) -> Checks:
    return Checks(choice_of(config), plan_of(config).limits, known, out, runtime.workers, runtime.track)


def open_checking(config: Config, run_dir: RunDir, out: Path, runtime: Runtime) -> Checking:
    """The work of checking the files, to be done in parts.

    Raises:
        UsageError: a preview is to be made, for which one process is enough.
    """
    if config.preview:
        raise UsageError(
            f"{named('index.preview', config.preview)}: a preview is indexed by one process; leave it out, or plan "
            f"without {named('index')}"
        )
    return Checking(
        out, lambda: _checks(config, out, runtime, open_known(config, run_dir)), partial(_list, config, run_dir)
    )


SHARING = Sharing(open_checking, listed_files.has_listing)


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Write `corpus/`; where parts have begun, of what they have found."""
    begun = not config.preview and listed_files.has_listing(run_dir.root / f"{ARTEFACT}.partial")
    known, plan, preview_of = open_known(config, run_dir), plan_of(config), None
    with Guards(plan.limits.memory) as guards:
        listing, told = (None, list[str]()) if begun else _list(config, run_dir, guards)
        with (run_dir.resuming if begun else run_dir.writing)(ARTEFACT) as out:
            checks = _checks(config, out, runtime, known)
            if listing is None:
                work = Checking(out, lambda: checks, partial(_list, config, run_dir))
                listing, told, checked = (
                    Listing(work.listed.root, (), work.listed.rejected),
                    list(work.listed.told),
                    work.joined(),
                )
            else:
                total = checks.expect(listing)
                checked = checks.of(listing, guards, total=total, preview=config.preview)
                preview_of = total if 0 < config.preview < total else None
            settled = settled_scaling(run_dir.root)
            corpus, rejected = build_corpus(listing, checked, out, plan=plan, guards=guards, settled=settled)
            save_corpus(corpus, rejected, out)
    for item in rejected[:20]:
        _log.warning("skipped: %s: %s", item.path, item.reason)
    summary = summarize(corpus, rejected, told, preview_of=preview_of)
    if known.images:
        summary.known = count_known(known, corpus.images)
        _log.info("%d images: %d known, %d new", summary.images, summary.known, summary.images - summary.known)
    for note in summary.notes:
        _log.info("%s", note)
    return summary
