"""How sure the masks are, as pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.records.corpus import Image
from segpipe.stages.export.formats.source import Source
from segpipe.store.certainty import KINDS, certainty_path, has_certainty, read_certainty


def export_certainty(source: Source, out: Path) -> int:
    """8-bit gray PNGs of margin and entropy, and a picture for the eye: `certainty/margin`, `entropy`, `color`.

    In the picture dark is certain and bright is not; pixels without a class are gray. Of a mosaic the maps lie as tiles
    as its mask does, and there is no picture.

    Raises:
        UsageError: the masks came without their certainty.
    """
    if not has_certainty(source.index):
        raise UsageError(
            "export.formats=certainty: these masks came without it; make them again with "
            "`segpipe refine RUN --set refine.certainty=true`"
        )

    def write(image: Image, path: Path) -> None:
        if image.mosaic:
            for kind in KINDS:
                for box in source.pieces(image):
                    found = certainty_path(source.directory, kind, image.id, box)
                    beside = certainty_path(out, kind, image.id, box)
                    beside.parent.mkdir(parents=True, exist_ok=True)
                    files.write_bytes(beside, found.read_bytes())
            return
        maps = {kind: certainty_path(source.directory, kind, image.id) for kind in KINDS}
        for kind, found in maps.items():
            files.write_bytes(files.inside(out / "certainty" / kind, f"{image.id}.png"), found.read_bytes())
        painted = cv2.applyColorMap(read_certainty(maps["entropy"]), cv2.COLORMAP_INFERNO)[..., ::-1].copy()
        painted[source.mask(image) == source.legend.nodata] = 128
        Pillow.fromarray(np.asarray(painted, np.uint8)).save(path, "PNG")

    source.each(write, out / "certainty" / "color", ".png")
    return sum(len(KINDS) * len(source.pieces(image)) + (not image.mosaic) for image in source.images)
