"""Records of corruptions refuse what cannot be."""

import numpy as np
import pytest

from segpipe.ops.corruptions.registry import (
    CORRUPTIONS,
    CorruptedImage,
    Corruption,
)


def test_records_refuse_what_cannot_be() -> None:
    rgb = np.zeros((4, 5, 3), np.uint8)
    with pytest.raises(ValueError, match="uint8"):
        CorruptedImage(rgb.astype(float))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="homography"):
        CorruptedImage(rgb, back=np.eye(2))
    with pytest.raises(ValueError, match="touched"):
        CorruptedImage(rgb, touched=np.zeros((5, 4), bool))
    apply = CORRUPTIONS["blur"].apply
    with pytest.raises(ValueError, match="families"):
        Corruption("blur", "fog", (1, 2), "px", apply)
    with pytest.raises(ValueError, match="rise or fall"):
        Corruption("blur", "focus", (1, 3, 2), "px", apply)
