"""Settings of segmentation: the cluster centers, and how codes become a class map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.ops.crf.dense_crf import Crf
from segpipe.records.clusters import ClusterModel, Split


@dataclass(frozen=True, slots=True)
class SegmentConfig:
    """Centers of the classes, and all that decides on the class of a pixel."""

    centers: npt.NDArray[np.floating]
    """(F, d) unit rows."""
    members: npt.NDArray[np.integer] | None = None
    """(F,) class 0 to K - 1 of each center; None where every center is a class of its own."""
    side: int = 480
    """Longest side of the canvas, pixels; an image below it is worked on at its own size."""
    sharpness: float = 2.0
    """Factor of the cosines under the softmax (STEGO: 2)."""
    flip: bool = False
    """Whether the codes of the mirrored crops are averaged in."""
    crf: Crf | None = None
    """Constants of the dense CRF in canvas pixels; None leaves it out."""
    certainty: bool = False
    """Whether margin and entropy of every pixel are wanted too."""
    threads: int = 1
    """How many the CRF may use; the result does not depend on it."""
    splits: tuple[Split, ...] = ()
    """Clusters cut further, pixel by pixel inside the map that the others leave them."""
    steady: int = 0
    """Frames on each side that a video's frame is averaged with (`ops.maps.steady`)."""

    @classmethod
    def from_header(cls, clusters: ClusterModel, header: Mapping[str, Any], *, crf: bool = True) -> SegmentConfig:
        """What masks were made with, by their header or a bundle.

        Args:
            clusters: of the run.
            header: has side, sharpness, flip and crf.
            crf: False leaves the CRF out.
        """
        return cls(
            centers=clusters.centers,
            members=clusters.members,
            side=header["side"],
            sharpness=header["sharpness"],
            flip=header["flip"],
            crf=Crf(**header["crf"]) if crf and header["crf"] is not None else None,
            splits=clusters.splits,
            steady=header.get("steady", 0),
        )

    @property
    def header(self) -> dict[str, Any]:
        """What `from_header` reads, for JSON."""
        return {
            "side": self.side,
            "sharpness": self.sharpness,
            "flip": self.flip,
            "crf": asdict(self.crf) if self.crf else None,
            **({"steady": self.steady} if self.steady else {}),
        }

    @property
    def classes(self) -> int:
        """How many classes, parts of split ones counted."""
        whole = len(self.centers) if self.members is None else int(self.members.max()) + 1
        return whole + sum(split.parts - 1 for split in self.splits)

    def of_split(self, split: Split) -> SegmentConfig:
        """To tell the parts of a cluster: on a canvas of half the side, which takes a quarter of the time."""
        return replace(
            self,
            centers=split.centers,
            members=split.members,
            side=self.side // 2,
            crf=None if self.crf is None else self.crf.halved(),
            splits=(),
        )
