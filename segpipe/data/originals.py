"""Read the images of a corpus again, long after they were indexed."""

from __future__ import annotations

from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Size
from segpipe.data.images import BadImage, Pixels, read_image
from segpipe.records.corpus import Corpus, Image


def read_original(corpus: Corpus, image: Image) -> Pixels:
    """The pixels of an image of the corpus, as they were when it was indexed.

    Comparing the file's size in bytes costs nothing and catches a file that was edited, replaced or cut short.

    Raises:
        CorpusError: the file is gone, or is not the one that was indexed. Unlike `BadImage` the error can be raised
            in a worker process.
    """
    path = corpus.path(image)
    try:
        found = path.stat().st_size
    except OSError as error:
        raise CorpusError(
            f"{path} cannot be opened any more ({error.strerror}); put it back, or index the folder again"
        ) from error
    if found != image.bytes:
        raise CorpusError(
            f"{path} has changed since it was indexed ({image.bytes} bytes then, {found} now); "
            "put the old file back, or index the folder again"
        )
    try:
        pixels = read_image(path, depth=image.depth, scaling=corpus.scaling)
    except BadImage as error:
        raise CorpusError(
            f"{path} has changed since it was indexed ({error.reason}); "
            "put the old file back, or index the folder again"
        ) from error
    size = Size(*pixels.rgb.shape[:2])
    if size != image.size:
        raise CorpusError(
            f"{path} has changed since it was indexed ({image.size.width} x {image.size.height} pixels then, "
            f"{size.width} x {size.height} now); put the old file back, or index the folder again"
        )
    return pixels
