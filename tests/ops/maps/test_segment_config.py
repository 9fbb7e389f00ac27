"""One set of numbers from the settings to the CRF."""

import json

import numpy as np
import pytest

from segpipe.ops.crf.dense_crf import Crf
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.records.clusters import ClusterModel, Split

MEMBERS = np.array([0, 1, 1, 2])
SPLIT = Split(1, 3, np.eye(3, 4, dtype=np.float32), np.array([0, 1, 2]))
MODEL = ClusterModel(np.eye(4, dtype=np.float32), 0.5, members=MEMBERS, splits=(SPLIT,))


@pytest.mark.parametrize("crf", [None, Crf(iterations=3, bilateral_sxy=40.0)])
def test_a_header_through_json_gives_the_same_settings(crf: Crf | None) -> None:
    config = SegmentConfig(MODEL.centers, MODEL.members, 96, 3.5, True, crf, splits=MODEL.splits)
    again = SegmentConfig.from_header(MODEL, json.loads(json.dumps(config.header)))
    for name in ("side", "sharpness", "flip", "crf"):
        assert getattr(again, name) == getattr(config, name)
    assert again.centers is MODEL.centers
    assert SegmentConfig.from_header(MODEL, config.header, crf=False).crf is None


def test_classes_count_the_parts_of_splits() -> None:
    assert SegmentConfig(np.eye(4)).classes == 4
    assert SegmentConfig(np.eye(4), MEMBERS).classes == 3
    assert SegmentConfig(np.eye(4), MEMBERS, splits=(SPLIT,)).classes == 5  # 3 clusters, one of them cut into three


def test_a_split_is_told_on_half_the_canvas() -> None:
    config = SegmentConfig(np.eye(4), MEMBERS, side=101, crf=Crf(bilateral_sxy=40.0), threads=3, splits=(SPLIT,))
    part = config.of_split(SPLIT)
    assert (part.side, part.classes, part.threads, part.splits) == (50, 3, 3, ())
    assert part.crf is not None
    assert part.crf.bilateral_sxy == 20.0
