"""Segmentation of an image in memory: its mask is made as a run makes the masks of its images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError, named
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.inference.codes import encode, open_head
from segpipe.inference.encoder import Encoder, reopen_encoder
from segpipe.inference.extraction import describe_crops
from segpipe.inference.segmenter import divide_labels, photograph_classifier
from segpipe.ops.maps.crops import cut
from segpipe.ops.maps.segment import CropCodes, label_at
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.records.clusters import ClusterModel
from segpipe.records.features import FeatureHeader
from segpipe.records.palette import nodata
from segpipe.store.clusters import open_clusters
from segpipe.store.features import FeatureStore
from segpipe.store.masks import Mask, load_header
from segpipe.store.run_dir import RunDir

if TYPE_CHECKING:
    from segpipe.nn.head import Head

Rgb = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Segmenter:
    """A run's network, head and clusters, opened."""

    header: FeatureHeader
    encoder: Encoder
    head: Head
    clusters: ClusterModel
    config: SegmentConfig


def open_segmenter(run_dir: RunDir, runtime: Runtime, *, crf: bool) -> Segmenter:
    """Open what a finished run made its masks with.

    Args:
        run_dir: a run up to `refine`.
        runtime: device and workers.
        crf: whether masks are sharpened by the run's dense CRF.

    Raises:
        UsageError: an artefact is missing, the weights are others now, a CRF is wanted and the run has none, or its
            images are more than red, green and blue.
        MachineError: the weights are not at hand.
    """
    made, features = load_header(run_dir.path("masks")), run_dir.path("features")
    if crf and made["crf"] is None:
        raise UsageError(f"{run_dir.root} was refined without a CRF (refine.crf=false); leave out {named('crf', True)}")
    clusters, header = open_clusters(run_dir), FeatureStore(features).header
    if header.channels:
        raise UsageError(
            f"{run_dir.root} looks at {', '.join(header.channels)}, and pictures of red, green and blue alone are "
            "disturbed here; name a run of such"
        )
    config = SegmentConfig.from_header(clusters, made, crf=crf)
    encoder = reopen_encoder(header, features, runtime)
    return Segmenter(replace(header, flipped=made["flip"]), encoder, open_head(run_dir.path("head")), clusters, config)


def segment_picture(segmenter: Segmenter, rgb: Rgb, valid: Bools | None, *, name: str) -> Mask:
    """The clusters (H, W) of a picture that the network sees as one crop; where it holds no image, `nodata`.

    Args:
        segmenter: of `open_segmenter`.
        rgb: (H, W, 3).
        valid: (H, W), False where there is no image; None where all pixels hold image.
        name: of the picture, for messages.

    Raises:
        MachineError: the network's features of it are not finite.
    """
    size, config = Size(*rgb.shape[:2]), segmenter.config
    box, grid = Box(0, 0, size.height, size.width), segmenter.header.grid(size)
    crop = cut(rgb, valid, box, grid, row=0, flip=config.flip)
    described = describe_crops(
        [crop], segmenter.encoder.describe, pool=segmenter.header.pool, name=lambda _: f"{name}, disturbed"
    )[0]
    codes = encode(segmenter.head, segmenter.clusters, described.patches, described.valid)
    mirrored = None
    if described.flipped is not None:
        mirrored = [encode(segmenter.head, segmenter.clusters, described.flipped, described.valid[:, ::-1])]

    classifier = photograph_classifier(CropCodes([codes], [grid], [box], mirrored), rgb, config)
    labels: Mask = divide_labels(label_at(*classifier(None)), config, classifier)
    if valid is not None:
        labels[~valid] = nodata(config.classes)
    return labels
