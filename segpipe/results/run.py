"""Run: a finished or half-done run, opened in Python."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import SegpipeError, warn
from segpipe.base.geometry import Box
from segpipe.base.remote_path import place
from segpipe.records.legend import Mask
from segpipe.results import arrays, tables
from segpipe.results.maps_figure import draw_maps, view_map
from segpipe.results.page import render_run
from segpipe.results.reader import RunReader

_SHOWN_SIDE = 1000  # pixels of a picture in a figure

Float32 = npt.NDArray[np.float32]


class Run(Mapping[str, dict[str, Any]]):
    """A run: its images and classes as tables, its features and maps as arrays.

    Everything is read when it is asked for, and nothing is written. A stage that is missing, a file that is damaged
    or a photograph that is gone raises a `segpipe.base.errors.SegpipeError` whose text is one line: what is wrong,
    where, and the command that mends it.

    As a mapping it holds what every finished stage says of itself: `run["train"]["chosen"]`.

    Images are meant by id (`dive3/0012`), by path, or by file name where only one image has it.
    Tables are a pandas.DataFrame where pandas is installed, else a list of dicts with the same columns.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the run in a directory.

        Raises:
            UsageError: it is not a run, or its manifest is damaged.
        """
        self._reader = RunReader(place(os.fspath(path)).expanduser())

    @property
    def path(self) -> Path:
        """The directory of the run."""
        return self._reader.root

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        """What every finished stage says of itself, by name, in the order in which they run."""
        return {name: dict(record.summary) for name, record in self._reader.finished().items()}

    def __getitem__(self, stage: str) -> dict[str, Any]:
        return self.stages[stage]

    def __iter__(self) -> Iterator[str]:
        return iter(self.stages)

    def __len__(self) -> int:
        return len(self.stages)

    # --- tables ---------------------------------------------------------------------------------------------------

    @property
    def images(self) -> Any:
        """A row per image: id, path of the file, size (height, width), site.

        Sites are those of `segpipe cover`; None before it has been run.
        """
        return tables.table(tables.image_rows(self._reader), tables.IMAGE_COLUMNS)

    @property
    def classes(self) -> Any:
        """A row per class of the map: number, name, color `#rrggbb`, share, pixels, images that hold it, clusters.

        Numbers are those of `mask`, of the masks in `export/` and of all tables; clusters those of classes.yaml.

        Clusters that classes.yaml merges are one class, those it ignores are left out. Shares add up to 1.
        """
        return tables.table(tables.class_rows(self._reader), tables.CLASS_COLUMNS)

    @property
    def cover(self) -> Any:
        """A row per class, of all images: number, name, share, low and high end of its 95% interval, pixels, area.

        Areas are square meters; None (in pandas NaN) where they are not known.
        """
        return tables.table(tables.cover_rows(self._reader), tables.COVER_COLUMNS)

    @property
    def cover_by_site(self) -> Any:
        """The rows of `cover` for each site: site, images of the site, and the same columns."""
        return tables.table(tables.site_rows(self._reader), tables.SITE_COLUMNS)

    @property
    def scores(self) -> Any:
        """A row per way of judging the masks by labels: score, accuracy, miou, the ends of their 95% intervals."""
        return tables.table(tables.score_rows(self._reader), tables.SCORE_COLUMNS)

    @property
    def scores_json(self) -> dict[str, Any]:
        """All that scores.json says, such as the IoU of each labelled class."""
        return self._reader.scores.model_dump(mode="json")

    # --- arrays ---------------------------------------------------------------------------------------------------

    def crops(self, image: str) -> tuple[Box, ...]:
        """The boxes of the image that the network saw, in pixels of the image; `image[box.slices]` cuts one out.

        A photograph seen as a whole has one; one cut into windows or five crops, and a mosaic, have several.
        """
        return arrays.crop_boxes(self._reader, self._reader.find(image))

    def features(self, image: str, crop: int = 0) -> Float32:
        """The backbone's features (rows, cols, d) of one of the image's `crops`, a vector per patch.

        Patches that show no image have a vector too, which means nothing.
        """
        return arrays.crop_features(self._reader, self._reader.find(image), crop)

    def codes(self, image: str, crop: int = 0) -> Float32:
        """The vectors (rows, cols, c) of one of the image's `crops` that clusters are compared with, by cosine.

        They are what the head makes of the features, projected and smoothed where the clusters were fitted so.
        """
        return arrays.crop_codes(self._reader, self._reader.find(image), crop)

    def mask(self, image: str, *, classes: bool = True) -> Mask:
        """The class of every pixel (H, W), uint8, a number of `classes`; pixels that have none are 255.

        Beyond 255 classes it is uint16, and 65535.

        Args:
            image: which.
            classes: False: the clusters that classes.yaml speaks of, as in `RUN/masks/`; the same numbers as long as
                none is named, merged or left out.
        """
        index = self._reader.find(image)
        return arrays.class_mask(self._reader, index)[0] if classes else arrays.cluster_mask(self._reader, index)

    def class_map(self, image: str) -> Mask:
        """What `mask` gives; an earlier name."""
        warn("Run.class_map(image) is called Run.mask(image) now")
        return self.mask(image)

    def probabilities(self, image: str) -> Float32:
        """How probable each cluster is (H', W', K) float32, from which the mask of the image was made.

        They lie on the canvas of `refine`: the image at most `refine.canvas_size` pixels long. Where the run used a CRF
        they are what it left, and what it was given otherwise. The last axis sums to 1. Brought to the image's size
        bilinearly, the most probable cluster of a pixel is that of `mask(image, classes=False)`.

        Clusters that `segpipe name --split` cut stand in the column of the cluster they were cut from: K counts the
        clusters before. A mosaic's canvas is made in tiles, and NaN in tiles that hold no image; all of it is in
        memory at once, 4 K bytes a pixel. They are computed anew with every call; that takes what `refine` takes for
        one image.
        """
        return arrays.canvas_probabilities(self._reader, self._reader.find(image))

    # --- pictures -------------------------------------------------------------------------------------------------

    def show(self, image: str, *more: str) -> Any:
        """A matplotlib Figure: of each image the photograph and the class map over it, and a legend.

        Save it with `figure.savefig(path)`; a notebook shows it by itself. pyplot knows nothing of it.
        """
        reader = self._reader
        legend, found = reader.legend, [reader.find(name) for name in (image, *more)]
        return draw_maps([view_map(reader, index, legend, side=_SHOWN_SIDE) for index in found], legend)

    def __repr__(self) -> str:
        try:
            missing = self._reader.missing()
        except SegpipeError:
            return f"Run({str(self.path)!r}: damaged)"
        state = f"{', '.join(missing)} not run yet" if missing else "finished"
        return f"Run({str(self.path)!r}: {state})"

    def _repr_html_(self) -> str:
        return render_run(self._reader)
