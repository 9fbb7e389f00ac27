from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box
from segpipe.records.legend import plain_legend
from segpipe.store.certainty import (
    certainty_path,
    describe_certainty,
    has_certainty,
    join_certainty,
    read_certainty,
    sum_certainty,
    write_certainty,
)


def test_maps_are_gray_pictures_beside_the_masks(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 7), dtype=np.uint8)
    path = certainty_path(tmp_path, "margin", "a/b", Box(256, 512, 5, 7))
    assert path == tmp_path / "certainty" / "margin" / "a" / "b.tiles" / "256_512.png"
    write_certainty(path, values)
    with Image.open(path) as picture:
        assert picture.mode == "L"
        np.testing.assert_array_equal(np.asarray(picture), values)
    np.testing.assert_array_equal(read_certainty(path), values)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UsageError, match="missing or damaged"):
        read_certainty(path)
    with pytest.raises(UsageError):
        certainty_path(tmp_path, "margin", "../../a")


def described(mask: np.ndarray, margin: np.ndarray, entropy: np.ndarray) -> dict[str, object]:
    pixels = {str(k): int((mask == k).sum()) for k in range(3) if (mask == k).any()}
    return {"pixels": pixels, **describe_certainty(mask, margin, entropy, classes=3)}


def test_tiles_say_together_what_the_whole_says() -> None:
    rng = np.random.default_rng(1)
    mask = rng.choice(np.array([0, 2, 255], np.uint8), (20, 30))
    margin, entropy = (rng.integers(0, 256, mask.shape, dtype=np.uint8) for _ in range(2))
    whole = described(mask, margin, entropy)
    assert set(whole["margin"]) == {"0", "2"}  # type: ignore[call-overload]
    for k in (0, 2):
        assert whole["margin"][str(k)] == pytest.approx(margin[mask == k].mean() / 255, abs=1e-6)  # type: ignore[index]
    assert whole["entropy"] == pytest.approx(entropy[mask != 255].mean() / 255, abs=1e-6)
    parts = [described(*(a[:, cut] for a in (mask, margin, entropy))) for cut in (slice(0, 11), slice(11, 30))]
    joined = join_certainty(parts)
    assert joined["margin"] == pytest.approx(whole["margin"], abs=3e-6)
    assert joined["entropy"] == pytest.approx(whole["entropy"], abs=3e-6)
    assert join_certainty([{"pixels": {}, "margin": {}, "entropy": None}]) == {"margin": {}, "entropy": None}


def test_sums_by_class_leave_out_what_is_not_there() -> None:
    index = [
        {"pixels": {"0": 30, "1": 10}, "margin": {"0": 0.5, "1": 0.9}, "entropy": 0.4},
        {"pixels": {"0": 10}, "margin": {"0": 0.1}, "entropy": 0.8},
        {"pixels": {}, "margin": {}, "entropy": None},
    ]
    assert has_certainty(index)
    assert not has_certainty([{"pixels": {}}])
    assert not has_certainty([])
    margin, entropy, doubt = sum_certainty(index, plain_legend(3))
    np.testing.assert_allclose(margin, [0.4, 0.9, np.nan])
    np.testing.assert_allclose(entropy, [0.4, 0.8, np.nan])
    np.testing.assert_allclose(doubt, [[15, 1, 0], [9, 0, 0], [0, 0, 0]])
