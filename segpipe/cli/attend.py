"""`segpipe attend`: what a frozen backbone attends to, on images, folders and videos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from segpipe.base.errors import UsageError
from segpipe.base.files import write_json, write_jsonl
from segpipe.base.runtime import Runtime, cpu_count, pick_device
from segpipe.cli import terminal
from segpipe.cli.attend_options import (
    as_options,
    attend_options,
    parse_backbones,
    parse_crop,
    parse_maps,
    parse_resize,
    parse_scale,
)
from segpipe.cli.options import common
from segpipe.cli.work import absolute, tell_rejected
from segpipe.pipeline import log

if TYPE_CHECKING:
    from segpipe.data.listing import Listing
    from segpipe.ops.framing import Framing
    from segpipe.parts.attend import Done
    from segpipe.parts.attend_out import Output
    from segpipe.parts.looking import Looker
    from segpipe.parts.views import Source

EXAMPLES = """\b
Examples:
  segpipe attend photos/ seen/                                  maps and a sheet of every image
  segpipe attend photos/ seen/ --backbone classical             the same with no download
  segpipe attend reef.jpg seen/ --compare dino                  five DINO networks on one sheet
  segpipe attend dive.mp4 seen.webm --style overlay --threshold 0.6
  segpipe attend frames/ seen.mp4 --fps 15 --map rollout
"""


@click.command("attend", epilog=EXAMPLES)
@click.argument("images", metavar="IMAGES")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@attend_options
@common
def attend_command(images: str, out: Path, **options: Any) -> int:
    """See what a backbone attends to: maps of every head, their mean, heads in colors, rollout.

    IMAGES is a folder (walked recursively), one file, a glob in quotes, a text file of paths, or a video. OUT is a
    folder, or a video (.webm plays in browsers; .mp4, .mkv, .mov, .avi) with one frame per image or frame.

    A network without attention (a ResNet, `classical`) shows how strongly its features respond, and says so.
    """
    with as_options():
        return _attend(images, out, options)


def _attend(images: str, out: Path, options: dict[str, Any]) -> int:
    from segpipe.data.video import is_video
    from segpipe.parts.attend import attend_folder, attend_video

    film = is_video(out)
    _check(out, film=film, options=options)
    screen, quiet = click.get_current_context().obj
    runtime = Runtime(pick_device(options["device"]), cpu_count(), terminal.tracker(screen, quiet=quiet))
    source, listed = _open_source(images, options, runtime, film=film)
    fps = options["fps"] or source.fps
    if film and not fps:
        raise UsageError(f"{images} does not say how many frames a second it has; give --fps, such as --fps 25")
    wanted = parse_maps(options["maps"]) or (("mean",) if film else ("mean", "colors", "heads", "rollout"))
    if options["compare"] and not options["maps"] and not film:
        wanted = ("mean", "colors", "rollout")
    backbones = parse_backbones(options["backbone"], options["weights"], options["compare"])
    lookers = _open_lookers(backbones, wanted, runtime, block=options["block"])
    sizes = {"side": options["size"], "batch": options["batch"]}
    output = _output(source, lookers, wanted, options, film=film, sizes=sizes)
    if film:
        done = attend_video(source, lookers, out, output, runtime, fps=fps, **sizes)
    else:
        done = attend_folder(source, lookers, out, output, runtime, **sizes)
    rejected = [*listed.rejected, *done.rejected] if listed is not None else list(done.rejected)
    if not film:
        _write_facts(out, lookers, output, done, options)
        write_jsonl(out / "rejected.jsonl", [asdict(item) for item in rejected])
    _tell(out, source, done, film=film)
    return tell_rejected(rejected, None if film else out / "rejected.jsonl")


def _check(out: Path, *, film: bool, options: dict[str, Any]) -> None:
    from segpipe.data.video import check_writable

    if film:
        check_writable(out)
        if options["npz"]:
            raise UsageError(f"--npz writes files into a folder, and {out} is a video; name a folder as OUT")
    elif options["fps"]:
        raise UsageError(
            f"--fps is the speed of a video, and {out} is a folder; name a video as OUT, such as seen.webm"
        )
    elif out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; name a folder or a video (.webm, .mp4) as OUT")


def _open_source(
    images: str, options: dict[str, Any], runtime: Runtime, *, film: bool
) -> tuple[Source, Listing | None]:
    from segpipe.data.listing import list_images
    from segpipe.data.video import is_video
    from segpipe.ops.framing import Framing
    from segpipe.parts.views import ImageSource, VideoSource, in_frame_order

    framing: Framing = Framing(parse_crop(options["crop"]), parse_resize(options["resize"]))
    start, stop = options["frames"] or (0, None)
    if start < 0 or (stop is not None and stop <= start):
        raise UsageError(f"--frames {start} {stop}: give FROM < TO, counted from 0")
    path = Path(absolute(images))
    if is_video(path) and not path.is_dir():
        return VideoSource(path, framing, start=start, stop=stop), None
    listing = list_images(images)
    ordered = in_frame_order(listing) if film else listing
    source = ImageSource(ordered, framing, workers=runtime.workers, chosen=slice(start, stop))
    if not len(source):
        raise UsageError(f"--frames {start} {stop}: {images} holds {len(listing.paths)} images")
    return source, listing


def _open_lookers(
    backbones: Sequence[tuple[str, Path | None]], wanted: Sequence[str], runtime: Runtime, *, block: int
) -> list[Looker]:
    from segpipe.parts.looking import open_looker

    lookers = []
    for name, weights in backbones:
        looker = open_looker(name, weights, runtime, block=block, rollout="rollout" in wanted)
        lookers.append(looker)
        if looker.kind == "activation":
            log.info("%s has no attention; shown is its feature activation (%s)", name, looker.where)
            continue
        missing = [text for text in wanted if text.startswith("head") and text not in ("heads", *looker.heads)]
        if missing:
            count = len(looker.heads)
            raise UsageError(f"--map {int(missing[0][4:])}: {name} has {count} heads, 0 to {count - 1}")
    return lookers


def _output(
    source: Source,
    lookers: Sequence[Looker],
    wanted: tuple[str, ...],
    options: dict[str, Any],
    *,
    film: bool,
    sizes: dict[str, int],
) -> Output:
    from segpipe.parts.attend_out import Output
    from segpipe.parts.attending import Drawing, Scale, shared_scale
    from segpipe.plots.attention import color_table

    table = color_table(options["cmap"])
    given = parse_scale(options["scale"] or ("shared" if film else "own"))
    if given == "shared":
        scale = shared_scale(source, lookers, **sizes)
    else:
        scale = Scale(None if isinstance(given, str) else given)
    drawing = Drawing(table, scale, nearest=options["nearest"], threshold=options["threshold"])
    return Output(drawing, options["style"] or ("concat" if film else "map"), wanted, npz=options["npz"])


def _write_facts(out: Path, lookers: Sequence[Looker], output: Output, done: Done, options: dict[str, Any]) -> None:
    tops = output.drawing.scale.tops
    facts = {
        "backbones": [
            {"name": looker.backbone, "shows": looker.kind, "where": looker.where, "patch": looker.patch}
            for looker in lookers
        ],
        "options": {key: str(value) if isinstance(value, os.PathLike) else value for key, value in options.items()},
        "full_strength": tops
        if tops is None or isinstance(tops, float)
        else {f"{name} {key}": top for (name, key), top in tops.items()},
        "images": done.pictures,
        "files": done.files,
    }
    write_json(out / "attend.json", facts)


def _tell(out: Path, source: Source, done: Done, *, film: bool) -> None:
    if film:
        click.echo(f"video    {out}  ({done.pictures} frames)")
    else:
        click.echo(f"sheets   {out / 'sheets'}  ({done.pictures} {source.unit}, {done.files} files)")
