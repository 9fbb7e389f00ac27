"""FiftyOne: an `ImageSegmentationDirectory`, and what its values mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from segpipe.base import files
from segpipe.base.printable import readable
from segpipe.records.corpus import Image
from segpipe.stages.export.formats.image_links import put_image
from segpipe.stages.export.formats.source import Source


def export_fiftyone(source: Source, out: Path) -> int:
    """`fiftyone/labels/<id>.png`, `fiftyone/data/` (as `export.images` says) and `fiftyone/mask_targets.json`.

    FiftyOne does not show the value 0, so that is no class here: a pixel holds its class plus 1.
    """
    folder, legend = out / "fiftyone", source.legend
    values = np.zeros(legend.nodata + 1, np.uint8 if legend.nodata == 255 else np.uint16)
    values[: legend.classes] = 1 + np.arange(legend.classes)

    def write(image: Image) -> int:
        path = files.inside(folder / "labels", f"{image.id}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(values[source.clean_mask(image)]).save(path, "PNG")
        return 1 + put_image(source, image, folder / "data")

    written = sum(count for _, count in source.map(write, "fiftyone images"))
    targets = {str(k + 1): readable(name) for k, name in enumerate(legend.names)}
    files.write_json(folder / "mask_targets.json", targets)
    return written + 1
