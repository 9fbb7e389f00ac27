"""Read the images of a corpus again, long after they were indexed: as a whole, or boxes of them.

`index` decoded every file in a guarded process. Here a file is decoded in this process only if it is still the same:
its bytes must have the recorded SHA-256, which costs a fortieth of decoding them. So no other file, however harmful,
is ever decoded here, and none is used in the place of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.checksums import check_file
from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Box, Size
from segpipe.images.mosaics import open_mosaic
from segpipe.images.nodata import fingerprint
from segpipe.images.readers import BadImage, Pixels, read_image
from segpipe.images.remote_files import local
from segpipe.records.corpus import Corpus, Image

ReadBox = Callable[[Box], Pixels]
_STRIP = 1 << 23  # pixels
_HASHED = 1 << 30  # bytes: of larger mosaics, of which little may be wanted, only the size is compared


def read_original(corpus: Corpus, image: Image) -> Pixels:
    """The pixels of an image of the corpus, as they were when it was indexed. A mosaic may not fit into memory.

    Raises:
        CorpusError: the file is gone, or is not the one that was indexed. Unlike `BadImage` the error can be raised
            in a worker process.
    """
    if image.mosaic:
        return read_region(corpus, image, Box(0, 0, image.size.height, image.size.width))
    with original_file(corpus, image) as file:
        try:
            pixels = read_image(file, depth=image.depth, scaling=corpus.scaling, view=corpus.view(image))
        except BadImage as error:
            raise changed(corpus, image, error.reason) from error
    check_size(corpus, image, Size(*pixels.rgb.shape[:2]))
    return pixels


def read_region(corpus: Corpus, image: Image, box: Box) -> Pixels:
    """The pixels of a box of an image of the corpus. Of a mosaic nothing else is held.

    Raises:
        CorpusError: as `read_original`.
    """
    with open_original(corpus, image) as read:
        return read(box)


@contextmanager
def open_original(corpus: Corpus, image: Image) -> Iterator[ReadBox]:
    """Open an image of the corpus for reading boxes of it, by one thread; a photograph is decoded now, and held.

    Raises:
        CorpusError: as `read_original`; also by the function that is yielded.
    """
    if not image.mosaic:
        pixels = read_original(corpus, image)
        yield pixels.cut
        return
    with original_file(corpus, image) as path:
        valid = corpus.valid_path(image)
        if not valid.exists():
            raise CorpusError(f"{valid} is gone; run `segpipe index` again")
        check_file(valid)
        view = replace(corpus.view(image), beside=())  # the picture of valid pixels holds what they say
        opened = open_mosaic(path, valid, depth=image.depth, scaling=corpus.limits(image), view=view)
        try:
            size, read = opened.__enter__()
        except BadImage as error:
            raise changed(corpus, image, error.reason) from error
        try:
            check_size(corpus, image, size)

            def read_box(box: Box) -> Pixels:
                try:
                    return read(box)
                except BadImage as error:
                    raise changed(corpus, image, error.reason) from error

            yield read_box
        finally:
            opened.__exit__(None, None, None)


def read_reduced(corpus: Corpus, image: Image, size: Size) -> npt.NDArray[np.uint8]:
    """An image scaled down to `size`, (h, w, 3) 8-bit RGB; of a mosaic a strip of rows is held at a time.

    Raises:
        CorpusError: as `read_original`.
    """
    picture = np.empty((size.height, size.width, 3), np.uint8)
    step = size.height if not image.mosaic else max(1, _STRIP * size.height // (image.size.height * image.size.width))
    with open_original(corpus, image) as read:
        for first in range(0, size.height, step):
            last = min(first + step, size.height)
            top, bottom = (place * image.size.height // size.height for place in (first, last))
            strip = read(Box(top, 0, bottom - top, image.size.width)).rgb
            picture[first:last] = cv2.resize(strip, (size.width, last - first), interpolation=cv2.INTER_AREA)
    return picture


@contextmanager
def original_file(corpus: Corpus, image: Image) -> Iterator[Path]:
    """Yield a file of this machine with the bytes that were indexed; above 1 GiB their number alone is compared.

    Raises:
        CorpusError: the file of the corpus has others, or is gone.
    """
    path = corpus.path(image)
    for again in (False, True):
        with ExitStack() as stack:
            try:
                file = stack.enter_context(local(path, fresh=again))
                _check_bytes(corpus, image, file)
            except CorpusError:
                if again or file == path:
                    raise
                continue  # a copy of what the store held before
            except OSError as error:
                way = _again(image) if image.moment else "name the folder where it is now: `segpipe run FOLDER RUN`"
                raise CorpusError(
                    f"{path} cannot be opened any more ({error.strerror or 'it is gone'}); put it back, or {way}"
                ) from error
            yield file
            return


def _check_bytes(corpus: Corpus, image: Image, file: Path) -> None:
    now = file.stat()
    if now.st_size != image.bytes:
        raise changed(corpus, image, f"{image.bytes} bytes then, {now.st_size} now")
    if image.mosaic and image.bytes > _HASHED:
        return
    identity = [_identity(each) for each in (file, *(file.parent / name for name in image.view.files))]
    if _sha256(file, image.view.files, *identity) != image.sha256:
        what = "it or a file beside it has other bytes" if image.view.files else "as many bytes, but others"
        raise changed(corpus, image, what, force=True)


def _identity(path: Path) -> tuple[int, ...]:
    now = path.stat()
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns


@lru_cache(1 << 14)
def _sha256(path: Path, beside: tuple[str, ...], *identity: tuple[int, ...]) -> str:
    """Of a file's bytes, see `fingerprint`; once for files whose `identity`, the times among it, is the same."""
    return fingerprint(path, beside)


def check_size(corpus: Corpus, image: Image, size: Size) -> None:
    """See that a file that was opened has the size that was recorded.

    Raises:
        CorpusError: it has not.
    """
    if size != image.size:
        then = f"{image.size.width} x {image.size.height} pixels then"
        raise changed(corpus, image, f"{then}, {size.width} x {size.height} now")


def changed(corpus: Corpus, image: Image, what: str, *, force: bool = False) -> CorpusError:
    """The error of a file that is no longer the one that was indexed."""
    way = _again(image, force=force)
    return CorpusError(
        f"{corpus.path(image)} has changed since it was indexed ({what}); put the old file back, or {way}"
    )


def _again(image: Image, *, force: bool = False) -> str:
    """The way out; by its size and time alone `index` would not see such a change, or that of a frame."""
    return "index the folder again" + (" (`segpipe index IMAGES RUN --force`)" if force or image.moment else "")
