"""Export: masks as files that other programs and people open.

Reads  corpus/  the images
       masks/   class maps
Writes export/  one folder per format, classes.csv
"""

from __future__ import annotations

import csv
import difflib
import io
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from pydantic import BaseModel, field_validator

from segpipe.base import files, parallel
from segpipe.base.config import Section, setting
from segpipe.base.errors import CorpusError
from segpipe.base.runtime import Runtime
from segpipe.data.originals import read_original
from segpipe.plots.overlay import colorize, overlay
from segpipe.records.corpus import Corpus, Image
from segpipe.records.labels import class_colors
from segpipe.store import masks
from segpipe.store.corpus import load_corpus
from segpipe.store.run_dir import RunDir

NAME = "export"
ARTEFACT = "export"
NEEDS = ("index", "refine")
FORMAT = 1

_JPEG_LIMIT = 65500  # longest side of a JPEG, pixels


class Config(Section):
    """Settings of `export`."""

    formats: tuple[str, ...] = setting(
        ("png", "color", "overlay", "classes"), "what to write: png, color, overlay, classes"
    )
    opacity: float = setting(0.5, "share of the class colour in overlays, 0 to 1", ge=0, le=1)

    @field_validator("formats", mode="before")
    @classmethod
    def _known(cls, formats: Any) -> Any:
        names = formats.split(",") if isinstance(formats, str) else formats
        if not isinstance(names, list | tuple):
            return names  # pydantic says what it must be
        for name in names:
            if name not in FORMATS:
                close = difflib.get_close_matches(str(name), FORMATS, 1)
                hint = f"did you mean {close[0]}?" if close else f"formats are {', '.join(FORMATS)}"
                raise ValueError(f"holds {name!r}, which is not a format; {hint}")
        return tuple(dict.fromkeys(names))


class Summary(BaseModel):
    """What the manifest, the log line and the report say about this stage."""

    images: int
    files: dict[str, int]
    """Files written by format."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a format may use."""

    corpus: Corpus
    directory: Path
    """`masks/` of the run."""
    index: Sequence[Mapping[str, Any]]
    """One line per image, in the corpus's order; see `store.masks`."""
    classes: int
    nodata: int
    colors: npt.NDArray[np.uint8]
    """(classes, 3) RGB."""
    opacity: float
    runtime: Runtime

    def mask(self, image: Image) -> masks.Mask:
        """The class map (H, W) of an image."""
        return masks.read_mask(masks.mask_path(self.directory, image.id))

    def each(self, write: Callable[[Image, Path], None], folder: Path, ending: str) -> int:
        """Call `write` in threads for every image with the file to write in `folder`; returns how many."""

        def one(image: Image) -> None:
            path = files.inside(folder, f"{image.id}{ending}")
            path.parent.mkdir(parents=True, exist_ok=True)
            write(image, path)

        images, workers = self.corpus.images, self.runtime.workers
        written = parallel.thread_map(one, images, workers=workers, ahead=workers)
        return len(list(self.runtime.track(written, total=len(images), unit=f"{folder.name} files")))


def export_png(source: Source, out: Path) -> int:
    """Index PNGs, value = class: `png/<id>.png`. Copies, so that nobody who edits one edits the run."""

    def write(image: Image, path: Path) -> None:
        source.mask(image)  # a damaged or missing mask is not passed on
        shutil.copyfile(masks.mask_path(source.directory, image.id), path)

    return source.each(write, out / "png", ".png")


def export_color(source: Source, out: Path) -> int:
    """RGB PNGs in the classes' colours, no data black: `color/<id>.png`."""

    def write(image: Image, path: Path) -> None:
        Pillow.fromarray(colorize(source.mask(image), source.colors, source.nodata)).save(path, "PNG")

    return source.each(write, out / "color", ".png")


def export_overlay(source: Source, out: Path) -> int:
    """JPEGs of the images under their classes' colours, borders drawn: `overlay/<id>.jpg`."""

    def write(image: Image, path: Path) -> None:
        rgb, mask = read_original(source.corpus, image).rgb, source.mask(image)
        if mask.shape != rgb.shape[:2]:
            raise CorpusError(f"the mask of {image.id} is {mask.shape}, the image {rgb.shape[:2]}; refine again")
        step = -(-max(mask.shape) // _JPEG_LIMIT)  # 1 but for pictures that JPEG cannot hold
        picture = overlay(rgb[::step, ::step], mask[::step, ::step], source.colors, opacity=source.opacity)
        Pillow.fromarray(picture).save(path, "JPEG", quality=92, subsampling=0)

    return source.each(write, out / "overlay", ".jpg")


def export_classes(source: Source, out: Path) -> int:
    """The class table: `classes.csv` with colour, pixels, share of all pixels with a class, images that show it."""
    pixels, images = masks.count_pixels(source.index, classes=source.classes)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["class", "color", "pixels", "share", "images"])
    for k, color in enumerate(source.colors.tolist()):
        share = pixels[k] / max(1, pixels.sum())
        table.writerow([k, "#{:02x}{:02x}{:02x}".format(*color), pixels[k], f"{share:.6f}", images[k]])
    files.write_text(out / "classes.csv", text.getvalue())
    return 1


FORMATS: dict[str, Callable[[Source, Path], int]] = {
    "png": export_png,
    "color": export_color,
    "overlay": export_overlay,
    "classes": export_classes,
}
"""Each format writes under `export/` and returns how many files it wrote. To add one: a function and its line here."""


def run(config: Config, run_dir: RunDir, runtime: Runtime) -> Summary:
    """Write every format that is asked for."""
    directory = run_dir.path("masks")
    header = masks.load_header(directory)
    source = Source(
        corpus=load_corpus(run_dir.path("corpus")),
        directory=directory,
        index=masks.load_index(directory),
        classes=header["classes"],
        nodata=header["nodata"],
        colors=class_colors(header["classes"]),
        opacity=config.opacity,
        runtime=runtime,
    )
    with run_dir.writing(ARTEFACT) as out:
        written = {name: FORMATS[name](source, out) for name in config.formats}
    return Summary(images=len(source.index), files=written)
