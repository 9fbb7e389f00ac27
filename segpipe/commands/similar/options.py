"""Options of `segpipe similar`."""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from segpipe.base.errors import named
from segpipe.base.options import Options, argument, option


class SimilarOptions(Options):
    """Find the images of RUN most similar to QUERY: a contact sheet and a CSV, in RUN/similar/ or --out.

    QUERY is an image of the run, by its id, path or name, or any other image file. With --point, patches most similar
    to that point of it are found instead, the best of every image, and colors show the similarity of every place.
    """

    run: Path = argument("the run directory", metavar="RUN")
    query: str = argument("an image of the run, by id, path or name, or any image file", metavar="QUERY")
    point: tuple[float, float] | None = option(
        None, "row and column of a point of the query, pixels", metavar="ROW COL"
    )
    in_image: str | None = option(
        None, "an image in which alone the point is looked for", metavar="IMAGE", was=("other", "with")
    )
    k: int = option(11, "how many images to find", flags=("-k", "--k"), limits={"ge": 1})
    out: Path | None = option(None, "folder to write to; by default one in the run's `similar/`", metavar="DIR")

    @model_validator(mode="after")
    def _has_point(self) -> SimilarOptions:
        if self.in_image is not None and self.point is None:
            raise ValueError(
                f"{named('in_image')} shows where a point lies in another image; give it, such as "
                f"{named('point', '120 300')}"
            )
        return self
