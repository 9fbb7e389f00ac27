"""Settings of `cluster`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from segpipe.base.config import AbsolutePath, Section, setting
from segpipe.base.errors import UsageError, named
from segpipe.ops.clustering.linkage import MERGE_COSINE
from segpipe.records.point_rules import PointsIn, without_later
from segpipe.stages.cluster.hierarchy import POOL

GUIDE_SETTINGS = ("guide", "guide_classes", "hold_out", "skip_outside", "points_in")
"""Those on which no tree depends."""
_PER_CLASS = 4  # small clusters for each class wanted, at least


class Config(Section):
    """Settings of `cluster`."""

    k: Annotated[int, Field(ge=1, le=65535)] | Literal["auto"] = setting(
        27,
        "number of clusters, the classes of the masks; auto = merge while patches agree by a mean cosine of "
        f"{MERGE_COSINE}",
    )
    method: Literal["auto", "tree", "kmeans"] = setting(
        "auto",
        f"tree = merge small clusters of all patches; kmeans = plain k-means of an even sample of {POOL}; auto = the "
        "one by whose classes patches that look alike agree better (neighbor agreement, weighted by entropy)",
    )
    prototypes: int = setting(120, "small clusters of the tree, 4 for each cluster at least", ge=1, le=4096)
    smooth: float = setting(0.5, "weight of the 8 neighbors of a patch in its code, against 1 of its own", ge=0, le=1)
    n_init: int = setting(
        3, "independent k-means runs, of which the tightest is kept", ge=1, le=1000, was=("restarts",)
    )
    max_iter: int = setting(30, "steps of each k-means run", ge=1, le=100_000, was=("iterations",))
    patches: int = setting(
        1_000_000,
        "most patches that the first steps of k-means see, an even random sample; the last steps see all patches",
        ge=1,
    )
    primaps: int = setting(
        0, "steps of PriMaPs-EM, which fits the clusters anew to regions of alike patches", ge=0, le=1_000_000
    )
    seed: int = setting(0, "seed of the sample and of every k-means run", ge=0)
    guide: AbsolutePath | None = setting(
        None,
        "labelled points that steer the classes: a CSV, or a folder of index images; null = no label takes part",
        flags=("--guide",),
        metavar="DIR|CSV",
    )
    guide_classes: AbsolutePath | None = setting(
        None, "text file of the guide's class names, one per line in index order", flags=("--classes",), metavar="FILE"
    )
    skip_outside: bool = setting(
        False, "leave out points of the guide that lie outside their image, and say how many", flags=("--skip-outside",)
    )
    points_in: PointsIn = setting(
        "auto",
        "picture that the guide's points count in where EXIF turns it: displayed, or stored as in CoralNet",
    )
    hold_out: float = setting(
        0.0,
        "share of the guide's images, drawn by seed, that do not steer, so that `evaluate` may judge by them",
        flags=("--hold-out",),
        ge=0,
        lt=1,
    )

    def identity(self) -> dict[str, Any]:
        """As of `Section`; without a guide, and its newer settings, what it was before there were any.

        So earlier runs stay up to date.
        """
        found = super().identity()
        if self.guide is not None:
            return without_later(found)
        return {key: found[key] for key in found if key not in GUIDE_SETTINGS}


def prototypes(config: Config) -> int:
    """How many small clusters to look for."""
    return config.prototypes if config.k == "auto" else max(config.prototypes, _PER_CLASS * config.k)


def check_guide(config: Config) -> None:
    """Refuse settings that do not go together.

    Raises:
        UsageError: which.
    """
    if config.guide is None:
        for name in ("guide_classes", "hold_out"):
            if value := getattr(config, name):
                raise UsageError(
                    f"{named(f'cluster.{name}', value)}: nothing steers; give {named('cluster.guide')} too, or leave "
                    "it out"
                )
    elif config.method == "kmeans" or config.primaps:
        which = named("cluster.primaps", config.primaps) if config.primaps else named("cluster.method", "kmeans")
        raise UsageError(f"{which}: points steer the cut of the tree alone; leave it out, or {named('cluster.guide')}")
