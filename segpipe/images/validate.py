"""From a listing of files to the images of a corpus: files are checked, videos become frames, one after the other."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter, methodcaller
from pathlib import Path

from segpipe.base.geometry import Size
from segpipe.base.guarded import Gone, Guard, Guards
from segpipe.base.shortage import raise_shortage
from segpipe.images.bands import numbers
from segpipe.images.container import Container
from segpipe.images.decoding import allow_pixels, memory_for
from segpipe.images.exif import read_gps
from segpipe.images.frames import Choice, FrameTaker, Taken, write_frame
from segpipe.images.guarded_video import VIDEO_MEMORY, ask_there, frames_there, local_only, open_there
from segpipe.images.headers import BadImage, inspect
from segpipe.images.listing import Listing, make_ids
from segpipe.images.mosaics import is_mosaic, probe_mosaic
from segpipe.images.nodata import fingerprint
from segpipe.images.rasters import read_geo
from segpipe.images.readers import check_pixels, has_collar, probe_image
from segpipe.images.remote_files import local
from segpipe.images.stack_plan import StackPlan
from segpipe.images.stack_views import find_stack
from segpipe.images.video import BadVideo, is_video
from segpipe.images.views import ViewFound, find_view
from segpipe.records.corpus import FrameInfo, Image, Rejected, frame_path, valid_path

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Item:
    """A file that may become an image, or a frame that was decoded."""

    name: str
    """Path of the file below the root; of a frame that of its video."""
    id: str
    """What the image will be called."""
    taken: Taken | None = None
    """The frame, where it is one."""
    layers: tuple[str, ...] = ()
    """The files that hold its bands, where it is not this one alone, see `View.layers`."""
    size: int | None = None
    """Bytes, where the object store that it lies on says so."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What files are checked by."""

    window: int
    """Side of the windows of mosaics, pixels."""
    bands: tuple[int | str, ...]
    """Bands of rasters that are red, green, blue, by number or name; empty: as the file says, or the first ones."""
    max_pixels: int
    """Larger images and frames are skipped; mosaics may have any size."""
    any_band: bool = False
    """Whether one band without data is enough for a pixel to be no image."""
    stack: StackPlan | None = None
    """Which channels images have, where they are more than red, green and blue; then `bands` is empty."""

    @property
    def memory(self) -> int:
        """Bytes that decoding one file may take."""
        return memory_for(self.max_pixels)


def find_images(
    listing: Listing, choice: Choice, limits: Limits, guards: Guards, ids: Sequence[str] | None = None
) -> Iterator[Item | Rejected]:
    """The files of a listing in order, of videos their frames, decoded in a process of `guards` as they are asked for.

    Why a video is skipped, or was not read to its end, comes in its place. `ids`: where the listing is a part of one,
    what its files are called in that.
    """
    ids = make_ids(listing.names) if ids is None else ids
    for name, id_ in zip(listing.paths, ids, strict=True):  # repairing one file renames no other
        if is_video(Path(name)) and limits.stack is not None:
            yield Rejected(name, "a video is red, green and blue; index.bands and its like name other channels")
        elif is_video(Path(name)):
            with local(listing.root / name, size=listing.size(name)) as film, guards.one() as guard:
                yield from _take_frames(guard, film, name, id_, choice, limits)
        else:
            scene = listing.scenes.get(name)
            yield Item(name, id_, layers=scene.layers if scene else (), size=listing.size(name))


def _take_frames(
    guard: Guard, path: Path, name: str, id_: str, choice: Choice, limits: Limits
) -> Iterator[Item | Rejected]:
    try:
        open_there(guard, partial(FrameTaker, path, choice))
        size, digits = ask_there(guard, attrgetter("size", "digits"))
        if size.height * size.width > limits.max_pixels:
            yield Rejected(name, _too_large(size.width, size.height, limits))
            return
        count = 0
        for taken in frames_there(guard):
            count += 1
            yield Item(name, f"{id_}/{taken.frame.index:0{digits}}", taken)
        shortfall = ask_there(guard, methodcaller("shortfall"))
        if count == 1 and choice.scenes and not choice.every and not choice.seconds:
            _log.warning(
                "%s: index.scene_threshold=%g finds no change of scene in it, so its first frame alone is taken; "
                "a smaller number finds lesser changes, index.frame_step=N takes every N-th frame too",
                name,
                choice.scenes,
            )
        if shortfall:
            yield Rejected(name, shortfall)
    except BadVideo as error:
        yield Rejected(name, error.reason)
    except Gone as gone:
        yield Rejected(name, str(gone))


def expect_images(listing: Listing, choice: Choice) -> int:
    """About how many images `find_images` will give; opens every video."""
    videos = [listing.root / name for name in listing.paths if is_video(Path(name))]
    return len(listing.paths) - len(videos) + expect_frames(videos, choice).frames


@dataclass(frozen=True, slots=True)
class Expected:
    """What is to be expected of videos, before they are decoded."""

    frames: int
    """Those that will be taken."""
    megapixels: float
    """Of these."""
    decoded: float
    """Megapixels of all frames that are decoded for them."""


def expect_frames(videos: Sequence[Path], choice: Choice) -> Expected:
    """Open every video and believe what it says of its length; those that cannot be used count as nothing."""
    frames, taken, decoded = 0, 0.0, 0.0
    with Guards(VIDEO_MEMORY) as guards:
        for path in videos:
            try:
                with local(path) as film:
                    found = guards.call(_expect, film, choice)
            except (BadVideo, Gone):
                continue
            frames, taken, decoded = frames + found.frames, taken + found.megapixels, decoded + found.decoded
    return Expected(frames, taken, decoded)


def _expect(path: Path, choice: Choice) -> Expected:
    local_only()
    taker = FrameTaker(path, choice)
    megapixels = taker.size.height * taker.size.width / 1e6
    return Expected(len(taker), len(taker) * megapixels, taker.decodes * megapixels)


def check(
    item: Item | Rejected, *, root: Path, corpus_dir: Path, limits: Limits, guards: Guards | None = None
) -> Image | Rejected:
    """Decode one file completely, a mosaic piece by piece, and fingerprint it; of a frame keep the pixels.

    Args:
        item: of `find_images`.
        root: folder of the files.
        corpus_dir: the directory `corpus/`, where frames and the valid pixels of a mosaic are written.
        limits: what it is checked by.
        guards: processes to decode in; None: this one.

    Raises:
        MachineError: the file cannot be read, or the disk is full; the file is not to blame.
    """
    if isinstance(item, Rejected):
        return item
    if item.taken is not None:
        return keep_frame(item, item.taken, corpus_dir)
    try:
        with local(root / item.name, size=item.size) as file:
            work = partial(_check_file, item, file, corpus_dir, limits)
            return work() if guards is None else guards.call(work)
    except BadImage as error:
        return Rejected(item.name, error.reason)
    except Gone as gone:
        return Rejected(item.name, str(gone))
    except OSError as error:
        raise_shortage(root / item.name, error)
        return Rejected(item.name, f"cannot be read ({error.strerror})")


def _check_file(item: Item, path: Path, corpus_dir: Path, limits: Limits) -> Image:
    container = inspect(path)
    allow_pixels(container.size)
    geo, controlled = read_geo(path, container)
    if controlled:
        _log.warning(
            "%s: has ground control points only, so it is used as a picture without a place on the earth; "
            "`gdalwarp IN OUT` makes a georeferenced one of it",
            item.name,
        )
    mosaic = is_mosaic(container, georeferenced=geo is not None, window=limits.window)
    mosaic = mosaic and _is_text(item.name)
    if not mosaic:
        check_pixels(path, container.size, limits.max_pixels)
    if limits.stack is None:
        found = find_view(path, container, limits.bands, any_band=limits.any_band, mosaic=mosaic)
    else:
        found = find_stack(path, container, limits.stack, item.layers, any_band=limits.any_band, mosaic=mosaic)
    if not mosaic and geo is not None and container.raster:
        found = _with_collar(found, path, container, limits)
    view = replace(found.view, bands=found.view.bands or numbers(limits.bands))
    if mosaic:
        probe = probe_mosaic(path, container, valid_path(corpus_dir, item.id), view=view)
    else:
        probe = probe_image(path, max_pixels=limits.max_pixels, view=view)
    return Image(
        *(item.id, item.name, probe.size, probe.depth, fingerprint(path, found.view.files), path.stat().st_size),
        geo=geo,
        gps=read_gps(path, container),
        mosaic=mosaic,
        view=found.view,
        levels=found.levels,
        notes=(*_told_of_pages(container), *found.notes),
    )


def _with_collar(found: ViewFound, path: Path, container: Container, limits: Limits) -> ViewFound:
    """A raster on the earth that is looked at as a whole, with the no data that it would have as a mosaic."""
    if not has_collar(path, container, replace(found.view, bands=found.view.bands or numbers(limits.bands))):
        return found
    note = "what is exactly black or white at its border is taken for no data"
    return replace(found, view=replace(found.view, collar=True), notes=(*found.notes, note))


def _told_of_pages(container: Container) -> list[str]:
    told = []
    if container.page:
        told.append(f"page {container.page + 1} is the image: those before it are marked as thumbnails or masks")
    if container.pages > 1:
        told.append(
            f"the first of {container.pages} pages alone is taken; `magick IN.tif OUT-%03d.tif` makes a file of each"
        )
    return told


def keep_frame(item: Item, taken: Taken, corpus_dir: Path) -> Image:
    """Write the pixels of a frame under `corpus_dir`, where `Corpus.path` finds them.

    Raises:
        OSError: there is no room.
    """
    frame = taken.frame
    content = write_frame(frame_path(corpus_dir, item.id), frame.rgb)
    return Image(
        id=item.id,
        path=f"{item.id}.png",
        size=Size(*frame.rgb.shape[:2]),
        depth="uint8",
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        moment=FrameInfo(item.name, frame.index, round(frame.seconds, 6), round(taken.lasts, 6)),
    )


def _is_text(name: str) -> bool:
    """Whether a name is UTF-8: GDAL writes no others."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _too_large(width: int, height: int, limits: Limits) -> str:
    return f"{width} x {height} pixels are more than index.max_pixels={limits.max_pixels}; raise it if they are meant"
