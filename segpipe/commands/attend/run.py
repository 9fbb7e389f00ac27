"""What backbones attend to in images and videos: `segpipe attend` without its options."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from segpipe.base.errors import UsageError
from segpipe.base.files import write_json, write_jsonl
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.pipeline import log
from segpipe.records.corpus import Rejected

if TYPE_CHECKING:
    from segpipe.commands.attend.process import WriteCounts
    from segpipe.commands.attend.writers import Output
    from segpipe.images.listing import Listing
    from segpipe.images.sources import MediaSource
    from segpipe.images.transform import CropResize
    from segpipe.inference.backbone_view import BackboneView

FIVE = ("dino_vits16", "dino_vits8", "dino_vitb16", "dino_vitb8", "dino_resnet50")
"""What `--compare dino` stands for."""


def parse_resize(text: str | None) -> Size | int | None:
    """`640` (longest side at most) or `640x360` (width x height).

    Raises:
        UsageError: neither.
    """
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})(?:[xX×]([1-9]\d{0,4}))?", text)
    if not found:
        raise UsageError(f"--resize {text}: give the longest side such as 640, or width x height such as 640x360")
    return Size(int(found[2]), int(found[1])) if found[2] else int(found[1])


def parse_crop(edges: Sequence[int] | None) -> Box | None:
    """Y0 Y1 X0 X1, the last ones not included.

    Raises:
        UsageError: they enclose nothing.
    """
    if edges is None:
        return None
    y0, y1, x0, x1 = edges
    if not (0 <= y0 < y1 and 0 <= x0 < x1):
        raise UsageError(f"--crop {y0} {y1} {x0} {x1}: give rows Y0 < Y1 and columns X0 < X1, counted from 0")
    return Box(y0, x0, y1 - y0, x1 - x0)


def parse_scale(text: str) -> str | float:
    """`own`, `shared`, or a number above 0.

    Raises:
        UsageError: none of these.
    """
    if text in ("own", "shared"):
        return text
    try:
        top = float(text)
    except ValueError:
        top = 0.0
    if not 0 < top < 1e9:
        raise UsageError(f"--scale {text}: give own, shared, or a number such as 8 (times an even map)")
    return top


def parse_maps(given: Sequence[str]) -> tuple[str, ...]:
    """Names of maps as the parts know them; a bare number is a head.

    Raises:
        UsageError: an unknown name.
    """
    names = []
    for name in given:
        if re.fullmatch(r"\d{1,2}", name):
            names.append(f"head{int(name):02}")
        elif name in ("mean", "heads", "colors", "rollout"):
            names.append(name)
        else:
            raise UsageError(f"--map {name}: give mean, colors, rollout, heads (each of them) or the number of a head")
    return tuple(names)


def parse_backbones(
    backbone: str | None, weights: Path | None, compare: Sequence[str]
) -> list[tuple[str, Path | None]]:
    """Names of backbones, each with a weights file or None.

    Raises:
        UsageError: one is named twice, or weights belong to none.
    """
    found = [(backbone or "dino_vits16", weights)] if backbone or weights or not compare else []
    for text in compare:
        if text == "dino":
            found += [(name, None) for name in FIVE]
        else:
            name, _, file = text.partition("=")
            found.append((name, Path(file) if file else None))
    names = [name for name, _ in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"--compare {twice} is named twice; leave one out (`dino` stands for {', '.join(FIVE)})")
    return found


@dataclass(frozen=True, slots=True)
class Asked:
    """How to look, and what to show; the options of the command."""

    backbone: str | None = None
    weights: Path | None = None
    compare: Sequence[str] = ()
    """Further backbones, NAME or NAME=FILE."""
    block: int = -1
    maps: Sequence[str] = ()
    """mean, colors, rollout, heads, or numbers of heads; empty: all, in a video the mean."""
    style: Literal["map", "concat", "overlay", "mask", "gray"] | None = None
    threshold: float | None = None
    cmap: str = "inferno"
    scale: str | None = None
    """own, shared, or a number; None: own, in a video shared."""
    nearest: bool = False
    size: int = 480
    crop: tuple[int, int, int, int] | None = None
    """First row, row after the last, first column, column after the last."""
    resize: str | None = None
    """N or WxH."""
    frames: tuple[int, int] | None = None
    fps: float | None = None
    npz: bool = False
    batch: int = 8
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class AttendResult:
    """What came of it."""

    pictures: int
    files: int
    unit: str
    """What the images are called."""
    film: bool
    """Whether a video was written."""
    rejected: Sequence[Rejected]


def attend(images: str, out: Path, asked: Asked, runtime: Runtime) -> AttendResult:
    """Write maps and sheets of images to a folder, or a video.

    Args:
        images: a folder, a file, a glob, a text file of paths, or a video.
        out: a folder, or a video.
        asked: how.
        runtime: device, workers, progress.

    Raises:
        UsageError: something asked for cannot be meant.
        CorpusError: not one image can be used.
        MachineError: weights are not at hand, or the video cannot be written.
    """
    from segpipe.commands.attend.process import attend_folder, attend_video
    from segpipe.images.video import is_video

    film = is_video(out)
    _check(out, film=film, asked=asked)
    source, listed = _open_source(images, asked, runtime, film=film)
    fps = asked.fps or source.fps
    if film and not fps:
        raise UsageError(f"{images} does not say how many frames a second it has; give --fps, such as --fps 25")
    wanted = parse_maps(asked.maps) or (("mean",) if film else ("mean", "colors", "heads", "rollout"))
    if asked.compare and not asked.maps and not film:
        wanted = ("mean", "colors", "rollout")
    backbones = parse_backbones(asked.backbone, asked.weights, asked.compare)
    views = _open_views(backbones, wanted, runtime, block=asked.block)
    sizes = {"side": asked.size, "batch": asked.batch}
    output = _output(source, views, wanted, asked, film=film, sizes=sizes)
    if film:
        done = attend_video(source, views, out, output, runtime, fps=fps, **sizes)
    else:
        done = attend_folder(source, views, out, output, runtime, **sizes)
    rejected = [*listed.rejected, *done.rejected] if listed is not None else list(done.rejected)
    if not film:
        _write_settings(out, views, output, done, asked)
        write_jsonl(out / "rejected.jsonl", [asdict(item) for item in rejected])
    return AttendResult(done.pictures, done.files, source.unit, film, tuple(rejected))


def _check(out: Path, *, film: bool, asked: Asked) -> None:
    from segpipe.images.video import check_writable

    if film:
        check_writable(out)
        if asked.npz:
            raise UsageError(f"--npz writes files into a folder, and {out} is a video; name a folder as OUT")
    elif asked.fps:
        raise UsageError(
            f"--fps is the speed of a video, and {out} is a folder; name a video as OUT, such as seen.webm"
        )
    elif out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; name a folder or a video (.webm, .mp4) as OUT")


def _open_source(images: str, asked: Asked, runtime: Runtime, *, film: bool) -> tuple[MediaSource, Listing | None]:
    from segpipe.images.listing import list_images
    from segpipe.images.sources import ImageSource, VideoSource, in_frame_order
    from segpipe.images.transform import CropResize
    from segpipe.images.video import is_video

    transform: CropResize = CropResize(parse_crop(asked.crop), parse_resize(asked.resize))
    start, stop = asked.frames or (0, None)
    if start < 0 or (stop is not None and stop <= start):
        raise UsageError(f"--frames {start} {stop}: give FROM < TO, counted from 0")
    path = Path(images).expanduser()
    if is_video(path) and not path.is_dir():
        return VideoSource(path, transform, start=start, stop=stop), None
    listing = list_images(images)
    ordered = in_frame_order(listing) if film else listing
    source = ImageSource(ordered, transform, workers=runtime.workers, chosen=slice(start, stop))
    if not len(source):
        raise UsageError(f"--frames {start} {stop}: {images} holds {len(listing.paths)} images")
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
            raise UsageError(f"--map {int(missing[0][4:])}: {name} has {count} heads, 0 to {count - 1}")
    return views


def _output(
    source: MediaSource,
    views: Sequence[BackboneView],
    wanted: tuple[str, ...],
    asked: Asked,
    *,
    film: bool,
    sizes: dict[str, int],
) -> Output:
    from segpipe.commands.attend.maps import RenderConfig, Scale, shared_scale
    from segpipe.commands.attend.writers import Output
    from segpipe.plots.heatmap import color_table

    table = color_table(asked.cmap)
    given = parse_scale(asked.scale or ("shared" if film else "own"))
    if given == "shared":
        scale = shared_scale(source, views, **sizes)
    else:
        scale = Scale(None if isinstance(given, str) else given)
    drawing = RenderConfig(table, scale, nearest=asked.nearest, threshold=asked.threshold)
    return Output(drawing, asked.style or ("concat" if film else "map"), wanted, npz=asked.npz)


def _write_settings(out: Path, views: Sequence[BackboneView], output: Output, done: WriteCounts, asked: Asked) -> None:
    tops = output.drawing.scale.tops
    facts = {
        "backbones": [
            {"name": view.name, "shows": view.kind, "where": view.where, "patch": view.patch} for view in views
        ],
        "options": {
            key: str(value) if isinstance(value, os.PathLike) else value for key, value in asdict(asked).items()
        },
        "full_strength": tops
        if tops is None or isinstance(tops, float)
        else {f"{name} {key}": top for (name, key), top in tops.items()},
        "images": done.pictures,
        "files": done.files,
    }
    write_json(out / "attend.json", facts)
