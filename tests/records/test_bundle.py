import dataclasses

import numpy as np
import pytest

from segpipe.records.bundle import Bundle
from segpipe.records.features import FeatureHeader
from segpipe.records.legend import plain_legend


def test_a_bundle_is_not_changed_later() -> None:
    header = FeatureHeader("vit", "token", (-1,), 48, 16, 5, "mean", False)
    bundle = Bundle(header, {}, {}, {}, plain_legend(3), "MIT", "0.1.0")
    with pytest.raises(dataclasses.FrozenInstanceError):
        bundle.licence = "none"  # type: ignore[misc]
    assert dataclasses.replace(bundle, licence="none").header is header
    np.testing.assert_array_equal(bundle.legend.classes_of, [0, 1, 2])
