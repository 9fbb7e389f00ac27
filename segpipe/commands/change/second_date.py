"""The second date: a run with the clusters of the first, the other half of one run, or images that become a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from segpipe import pipeline
from segpipe.base import files
from segpipe.base.errors import UsageError, named
from segpipe.base.files import absolute
from segpipe.base.runtime import Track
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.survey import SurveyDate, open_survey, split_dates
from segpipe.images.listing import list_images
from segpipe.records.legend import Legend
from segpipe.store import masks
from segpipe.store.class_names import clustering, open_legend
from segpipe.store.run_dir import RunDir

_MACHINE = ("device", "workers")


def open_surveys(run_a: RunDir, options: ChangeOptions, track: Track) -> tuple[SurveyDate, SurveyDate]:
    """The two dates, in the same classes; images of the second one are segmented where no run holds them yet.

    Raises:
        UsageError: the runs do not have the same clusters, or one is not finished.
    """
    path = Path(options.second)
    whole = pipeline.is_run(path)
    if options.joint:
        if whole:
            raise UsageError(
                f"{named('joint')}: {path} is a run; name its images, which are put into one run with those of "
                f"{run_a.root}, or one run of both dates twice with {named('date_pattern')}"
            )
        return _join(run_a, options, track)
    first = open_survey(run_a, legend_of(run_a), _name(run_a.root))
    if whole and path.resolve() == run_a.root.resolve():
        return split_dates(first, options)
    if options.dates is not None or options.date_pattern is not None:
        which = "dates" if options.dates is not None else "date_pattern"
        raise UsageError(f"{named(which)} tells the dates of one run apart; name {run_a.root} twice, or leave it out")
    if whole:
        run_b = pipeline.existing_run(path)
        pipeline.require_finished(run_b, "refine")
        check_same(run_a, run_b)
    else:
        run_b = segment(run_a, options.second, options.out / "b", options, track)
    return first, open_survey(run_b, first.legend, _name(path))


def segment(
    run_a: RunDir, images: str, root: Path, options: ChangeOptions, track: Track, *, source: RunDir | None = None
) -> RunDir:
    """A run of other images by the settings and classes of a run; what is up to date in it is kept.

    Args:
        run_a: gives the settings.
        images: as the setting `index.images` means them.
        root: of the new run.
        options: device and workers.
        track: shows how far the work is.
        source: the run whose classes are kept, if not `run_a`.

    Raises:
        SegpipeError: as stages raise them.
    """
    settings = pipeline.resolve(run_a, more={"index.images": absolute(images), **machine_settings(options)})
    run_b = pipeline.open_run(root)
    pipeline.keep_classes(run_b, settings, source or run_a)
    pipeline.work(run_b, settings, track, stop="refine")
    return run_b


def _join(run_a: RunDir, options: ChangeOptions, track: Track) -> tuple[SurveyDate, SurveyDate]:
    """One run of the images of both dates, with classes of its own, as the dates that it is made of."""
    own = pipeline.resolve(run_a)["index"].model_dump()["images"]
    listings = [list_images(images, skip=run_a.root, videos=True) for images in (own, absolute(options.second))]
    sides = [[str(listing.root / path) for path in listing.paths] for listing in listings]
    root = options.out / "joint"
    names = options.out / "joint.txt"
    files.write_text(names, "".join(f"{path}\n" for side in sides for path in side))
    settings = pipeline.resolve(run_a, more={"index.images": str(names.absolute()), **machine_settings(options)})
    run_dir = pipeline.open_run(root)
    pipeline.work(run_dir, settings, track, stop="refine")
    both, first = open_survey(run_dir, legend_of(run_dir), "both"), {*map(_real, sides[0])}
    corpus = both.corpus
    sources = [image.path if image.moment is None else image.moment.video for image in corpus.images]
    early = [_real(str(corpus.root / source)) in first for source in sources]
    titles = _name(Path(own)), _name(Path(options.second))
    if titles[0] == titles[1]:
        titles = f"{titles[0]} (first)", f"{titles[1]} (second)"
    one, other = (
        replace(
            both,
            images=tuple(i for i, held in enumerate(early) if held == wanted),
            name=title,
            under=_under(listing.root, corpus.root),
        )
        for wanted, title, listing in zip((True, False), titles, listings, strict=True)
    )
    if not one.images or not other.images:
        raise UsageError(f"{root}: all images that can be used are of one date; {root}/corpus/rejected.jsonl says why")
    return one, other


def _under(folder: Path, root: Path) -> str:
    """The folder as ids of a corpus begin with it; empty where it is the root."""
    own, home = folder.resolve(), root.resolve()
    return own.relative_to(home).as_posix() if own != home and own.is_relative_to(home) else ""


def _real(path: str) -> str:
    return str(Path(path).resolve())


def machine_settings(options: ChangeOptions) -> dict[str, object]:
    """The settings of the machine that a new run is made with."""
    return {f"runtime.{name}": getattr(options, name) for name in _MACHINE}


def legend_of(run_dir: RunDir) -> Legend:
    """The classes of a run's masks.

    Raises:
        UsageError: masks are missing, or the names speak of other clusters.
    """
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
