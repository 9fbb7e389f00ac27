"""What backbones attend to in images and videos: sources, backbones and writers put together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segpipe.base.errors import UsageError, named
from segpipe.base.files import write_json, write_jsonl
from segpipe.base.runtime import Runtime
from segpipe.commands.attend.options import AttendOptions
from segpipe.pipeline import log
from segpipe.records.corpus import Rejected
from segpipe.store.ownership import ATTENDED, check_free, claim

if TYPE_CHECKING:
    from segpipe.commands.attend.process import WriteCounts
    from segpipe.commands.attend.writers import Output
    from segpipe.images.listing import Listing
    from segpipe.images.sources import MediaSource
    from segpipe.inference.backbone_view import BackboneView


_SETTINGS = "attend.json"
_KEYS = {"input_size": "size"}  # options that attend.json knows by their first names


@dataclass(frozen=True, slots=True)
class AttendResult:
    """What came of it."""

    pictures: int
    files: int
    unit: str
    """What the pictures are called."""
    film: bool
    """Whether a video was written."""
    rejected: Sequence[Rejected]


def attend(options: AttendOptions, runtime: Runtime) -> AttendResult:
    """Write maps and sheets of pictures to a folder, or a video.

    Args:
        options: what to process, and how.
        runtime: device, workers, progress.

    Raises:
        UsageError: something asked for cannot be meant.
        CorpusError: not one picture can be used.
        MachineError: weights are not at hand, or the video cannot be written.
    """
    from segpipe.commands.attend.process import attend_folder, attend_video
    from segpipe.images.video import is_video

    out, film = options.out, is_video(options.out)
    _check(options, film=film)
    source, listed = _open_source(options, runtime, film=film)
    fps = options.fps or source.fps
    if film and not fps:
        raise UsageError(
            f"{options.images} does not say how many frames a second it has; give it, such as {named('fps', 25)}"
        )
    wanted = options.map_names or (("mean",) if film else ("mean", "colors", "heads", "rollout"))
    if options.compare and not options.maps and not film:
        wanted = ("mean", "colors", "rollout")
    views = _open_views(options.backbones, wanted, runtime, block=options.block)
    sizes = {"side": options.input_size, "batch": options.batch}
    output = _output(source, views, wanted, options, film=film)
    if film:
        done = attend_video(source, views, out, output, runtime, fps=fps, **sizes)
    else:
        claim(out, ATTENDED, earlier=(out / _SETTINGS).is_file)
        done = attend_folder(source, views, out, output, runtime, **sizes)
    rejected = [*listed.rejected, *done.rejected] if listed is not None else list(done.rejected)
    if not film:
        _write_settings(options, views, output, done)
        write_jsonl(out / "rejected.jsonl", [asdict(item) for item in rejected])
    return AttendResult(done.pictures, done.files, source.unit, film, tuple(rejected))


def _check(options: AttendOptions, *, film: bool) -> None:
    from segpipe.images.video_writing import check_writable

    out = options.out
    if film:
        check_writable(out)
        images = Path(options.images).expanduser()
        if out.exists() and images.exists() and out.samefile(images):
            raise UsageError(f"{out} is what is looked at; name another file as OUT")
        if images.is_dir() and out.resolve().is_relative_to(images.resolve()):
            raise UsageError(
                f"{out} lies in {options.images}, where it would be taken for one more film; name another place"
            )
        if options.npz:
            raise UsageError(f"{named('npz')} writes files into a folder, and {out} is a video; name a folder as OUT")
    elif options.fps:
        raise UsageError(
            f"{named('fps')} is the speed of a video, and {out} is a folder; name a video as OUT, such as seen.webm"
        )
    elif out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; name a folder or a video (.webm, .mp4) as OUT")
    else:
        check_free(out, ATTENDED, earlier=(out / _SETTINGS).is_file)


def _open_source(options: AttendOptions, runtime: Runtime, *, film: bool) -> tuple[MediaSource, Listing | None]:
    from segpipe.images.label_masks import photographs
    from segpipe.images.listing import list_images
    from segpipe.images.sources import ImageSource, VideoSource, in_frame_order
    from segpipe.images.transform import CropResize
    from segpipe.images.video import is_video

    transform, images = CropResize(options.box, options.new_size), options.images
    start, stop = options.frames or (0, None)
    path = Path(images).expanduser()
    if is_video(path) and not path.is_dir():
        return VideoSource(path, transform, start=start, stop=stop), None
    listing = photographs(list_images(images))
    ordered = in_frame_order(listing) if film else listing
    source = ImageSource(ordered, transform, workers=runtime.workers, chosen=slice(start, stop))
    if not len(source):
        raise UsageError(f"{named('frames', f'{start} {stop}')}: {images} holds {len(listing.paths)} images")
    return source, listing


def _open_views(
    backbones: Sequence[tuple[str, Path | None]], wanted: Sequence[str], runtime: Runtime, *, block: int
) -> list[BackboneView]:
    from segpipe.inference.backbone_view import open_backbone_view

    views = []
    for name, weights in backbones:
        view = open_backbone_view(name, weights, runtime, block=block, rollout="rollout" in wanted)
        views.append(view)
        if view.kind == "activation":
            log.info("%s has no attention; shown is its feature activation (%s)", name, view.where)
            continue
        missing = [text for text in wanted if text.startswith("head") and text not in ("heads", *view.heads)]
        if missing:
            count = len(view.heads)
            raise UsageError(f"{named('maps', int(missing[0][4:]))}: {name} has {count} heads, 0 to {count - 1}")
    return views


def _output(
    source: MediaSource,
    views: Sequence[BackboneView],
    wanted: tuple[str, ...],
    options: AttendOptions,
    *,
    film: bool,
) -> Output:
    from segpipe.commands.attend.maps import RenderConfig, Scale, shared_scale
    from segpipe.commands.attend.writers import Output
    from segpipe.plots.heatmap import color_table

    table = color_table(options.cmap)
    given = options.scale or ("shared" if film else "own")
    if given == "shared":
        scale = shared_scale(source, views, side=options.input_size, batch=options.batch)
    else:
        scale = Scale(None if given == "own" else float(given))
    drawing = RenderConfig(table, scale, nearest=options.nearest, threshold=options.threshold)
    return Output(drawing, options.style or ("concat" if film else "map"), wanted, npz=options.npz)


def _write_settings(options: AttendOptions, views: Sequence[BackboneView], output: Output, done: WriteCounts) -> None:
    tops = output.drawing.scale.tops
    facts = {
        "backbones": [
            {"name": view.name, "shows": view.kind, "where": view.where, "patch": view.patch} for view in views
        ],
        "options": {
            _KEYS.get(key, key): str(value) if isinstance(value, os.PathLike) else value
            for key, value in options.model_dump(exclude={"images", "out", "workers"}).items()
        },
        "full_strength": tops
        if tops is None or isinstance(tops, float)
        else {f"{name} {key}": top for (name, key), top in tops.items()},
        "images": done.pictures,
        "files": done.files,
    }
    write_json(options.out / _SETTINGS, facts)
