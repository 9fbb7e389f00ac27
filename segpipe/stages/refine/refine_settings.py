"""Settings of `refine`, and what segmentation takes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segpipe.base.config import Section, setting
from segpipe.ops.crf.dense_crf import Crf
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.records.clusters import ClusterModel


class Config(Section):
    """Settings of `refine`."""

    canvas_size: int = setting(
        480,
        "longest side, in pixels, of the canvas on which codes become classes; of a mosaic that of a window",
        ge=16,
        le=16_384,
        was=("side",),
    )
    sharpness: float = setting(2.0, "factor of the cosines under the softmax", gt=0)
    flip: bool = setting(False, "average with the codes of the mirrored image (needs extract.flip=true)")
    crf: bool = setting(True, "move class borders to the image's edges with a dense CRF")
    crf_gaussian_sxy: float = setting(1.0, "reach of the smoothness kernel in canvas pixels", gt=0)
    crf_gaussian_compat: float = setting(3.0, "weight of the smoothness kernel", ge=0)
    crf_bilateral_sxy: float = setting(67.0, "reach of the appearance kernel in canvas pixels", gt=0)
    crf_bilateral_srgb: float = setting(3.0, "reach of the appearance kernel in gray levels of 0 to 255", gt=0)
    crf_bilateral_compat: float = setting(4.0, "weight of the appearance kernel", ge=0)
    crf_iterations: int = setting(10, "mean-field steps of the CRF", ge=1, le=1000)
    steady: int = setting(
        2,
        "frames on each side that the codes of a video's frame are averaged with, along similar patches, so that "
        "classes do not flicker; 0 = not",
        before=0,
        ge=0,
        le=100,
    )
    certainty: bool = setting(False, "write margin and entropy of every pixel beside the masks; masks stay the same")

    def identity(self) -> dict[str, Any]:
        """As of `Section`; where nothing is steadied what it was before that could be, so earlier runs stay valid."""
        found = super().identity()
        return found if self.steady else {key: value for key, value in found.items() if key != "steady"}


def settings_of(made: Mapping[str, Any]) -> Config:
    """The settings that masks were made with, from what a bundle says of them (see `SegmentConfig.header`).

    Raises:
        pydantic.ValidationError: a value is none that a run could have had.
        KeyError, TypeError: something is missing, or is no mapping.
    """
    crf = made["crf"]
    if not isinstance(crf, Mapping | None):
        raise TypeError(f"constants of the CRF instead of {crf}")
    constants = {} if crf is None else {f"crf_{name}": value for name, value in crf.items()}
    return Config(
        canvas_size=made["side"],
        sharpness=made["sharpness"],
        flip=made["flip"],
        steady=made.get("steady", 0),
        crf=crf is not None,
        **constants,
    )


def segment_config(config: Config, clusters: ClusterModel) -> SegmentConfig:
    """The settings of this stage with the centers of a run."""
    crf = Crf(**{name: getattr(config, f"crf_{name}") for name in Crf.__dataclass_fields__})
    return SegmentConfig(
        centers=clusters.centers,
        members=clusters.members,
        side=config.canvas_size,
        sharpness=config.sharpness,
        flip=config.flip,
        crf=crf if config.crf else None,
        certainty=config.certainty,
        splits=clusters.splits,
        steady=config.steady,
    )
