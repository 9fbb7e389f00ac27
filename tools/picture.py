"""The README's picture: images of a run, their class maps, and one laid over the other.

Usage: python tools/picture.py RUN OUT.jpg [ID ...]        default: the first six images
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from segpipe.base import files
from segpipe.base.geometry import Size
from segpipe.images.corpus_reader import read_original, read_reduced
from segpipe.plots.overlay import colorize, overlay
from segpipe.records.palette import class_colors
from segpipe.store.corpus import load_corpus
from segpipe.store.masks import load_header, load_index, read_part
from segpipe.store.masks import read_reduced as read_reduced_mask

HEIGHT, GAP = 150, 6


def main() -> None:
    """Write the picture."""
    run, out, *wanted = sys.argv[1:]
    corpus = load_corpus(Path(run) / "corpus")
    masks = Path(run) / "masks"
    header, entries = load_header(masks), {line["id"]: line for line in load_index(masks)}
    colors, nodata = class_colors(header["classes"]), header["nodata"]
    columns = []
    for image in [i for i in corpus.images if not wanted or i.id in wanted][:6]:
        small = Size(HEIGHT, max(1, round(image.size.width * HEIGHT / image.size.height)))
        size = (small.width, small.height)
        if image.mosaic:  # read strip by strip, tile by tile
            rgb, mask = read_reduced(corpus, image, small), read_reduced_mask(masks, entries[image.id], small)
        else:
            rgb, mask = read_original(corpus, image).rgb, read_part(masks, entries[image.id])
        rows = (rgb, colorize(mask, colors, nodata), overlay(rgb, mask, colors, opacity=0.5))
        cells = [cv2.resize(np.ascontiguousarray(row), size, interpolation=cv2.INTER_AREA) for row in rows]
        spaced = [part for cell in cells for part in (cell, np.full((GAP, size[0], 3), 255, np.uint8))]
        columns += [np.concatenate(spaced[:-1]), np.full((3 * HEIGHT + 2 * GAP, GAP, 3), 255, np.uint8)]
    picture = np.concatenate(columns[:-1], axis=1)
    _, encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    files.write_bytes(Path(out), encoded.tobytes())


if __name__ == "__main__":
    main()
