"""Options of `segpipe name`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from segpipe.base.errors import named
from segpipe.base.options import Options, argument, option
from segpipe.records.point_rules import PointsIn


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _pairs(value: Any) -> Any:
    return tuple(tuple(map(_text, pair)) for pair in value) if isinstance(value, list | tuple) else value


def _texts(value: Any) -> Any:
    return tuple(map(_text, value)) if isinstance(value, list | tuple) else value


Cluster = Annotated[str | None, BeforeValidator(_text)]
Several = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class NameOptions(Options):
    """Write RUN/classes.yaml, where a person says what the clusters are called.

    For each cluster it holds name, color, merge_into, ignore, its share of the pixels and the picture of its best
    patches in RUN/gallery/. What was written before is kept; where the clusters have changed, names follow the pixels.
    """

    run: Path = argument("the run directory", metavar="RUN")
    points: Path | None = option(None, "propose names by a CSV of labelled points", metavar="CSV")
    labels: Path | None = option(
        None, "propose names by labels: a folder of index PNGs, or a CSV of points", metavar="DIR|CSV"
    )
    classes: Path | None = option(None, "class names of the labels, one a line in index order", metavar="FILE")
    skip_outside: bool = option(False, "leave out points that lie outside their image, and say how many")
    points_in: PointsIn = option(
        "auto",
        "picture that rows and columns of points count in where EXIF turns it: displayed, or stored as in CoralNet",
    )
    min_pixels: int = option(10, "labelled pixels that a proposal needs", limits={"ge": 1}, was=("least",))
    min_images: int = option(2, "images that they must lie in", limits={"ge": 1}, was=("spread",))
    min_agreement: float = option(
        0.5,
        "share of them that must surely agree: lower end of its 95% interval",
        limits={"ge": 0, "le": 1},
        was=("share",),
    )
    merge: Annotated[tuple[tuple[str, str], ...], BeforeValidator(_pairs)] = option(
        (),
        "cluster A joins the class of B; each by number or name; repeatable",
        metavar="A B",
        python="Sequence[tuple[int | str, int | str]]",
    )
    name: Annotated[tuple[tuple[str, str], ...], BeforeValidator(_pairs)] = option(
        (),
        'a cluster, by number or name, is called TEXT; "" takes its name away; repeatable',
        metavar="CLUSTER TEXT",
        python="Sequence[tuple[int | str, str]]",
    )
    color: Annotated[tuple[tuple[str, str], ...], BeforeValidator(_pairs)] = option(
        (),
        "a cluster has this color, such as #1f77b4; repeatable",
        metavar="CLUSTER COLOR",
        python="Sequence[tuple[int | str, str]]",
    )
    unmerge: Several = option(
        (), "this cluster stands by itself again; repeatable", metavar="CLUSTER", python="Sequence[int | str]"
    )
    ignore: Several = option(
        (), "leave this cluster out of the map; repeatable", metavar="CLUSTER", python="Sequence[int | str]"
    )
    keep: Several = option(
        (), "bring this cluster back onto the map; repeatable", metavar="CLUSTER", python="Sequence[int | str]"
    )
    suggest: int | None = option(
        None, "join the most similar clusters until N classes are left", metavar="N", limits={"ge": 1}
    )
    split: Cluster = option(
        None,
        "cut this cluster further, by number or name; others stay as they are",
        metavar="CLUSTER",
        python="int | str | None",
    )
    into: int | None = option(
        None, "parts of the split [2]; 1 joins again what was cut off it", metavar="N", limits={"ge": 1}
    )
    by: Literal["auto", "tree", "kmeans"] | None = option(
        None,
        "how it is cut: along the class tree, by k-means of patches [auto: the tree where it leaves no tiny cluster]",
    )

    @model_validator(mode="after")
    def _together(self) -> NameOptions:
        if self.points is not None and self.labels is not None:
            raise ValueError(
                f"{named('points', self.points)} and {named('labels', self.labels)} both propose names; give one"
            )
        if self.classes and not self.proposals:
            raise ValueError(
                f"{named('classes', self.classes)} names labels; give them with {named('points', 'CSV')} or "
                f"{named('labels', 'DIR')}"
            )
        if self.split is None and (self.into or self.by):
            raise ValueError(
                f"{named('into')} and {named('by')} say how a cluster is split; name one, such as {named('split', 3)}"
            )
        if self.split is not None and (self.proposals or self.edits or self.suggest):
            raise ValueError(f"{named('split', self.split)} goes alone; propose and merge with another `segpipe name`")
        return self

    @property
    def edits(self) -> bool:
        """Whether something is said of single clusters."""
        return any((self.name, self.color, self.merge, self.unmerge, self.ignore, self.keep))

    @property
    def proposals(self) -> Path | None:
        """The labels by which names are proposed."""
        return self.points or self.labels
