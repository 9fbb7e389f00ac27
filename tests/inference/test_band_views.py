import numpy as np

from segpipe.inference.band_views import describe_views, see
from segpipe.records.band_view import BandView, choosing


def test_a_view_chooses_channels_or_sums_them() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 4), np.uint8)
    np.testing.assert_array_equal(see(choosing("x", (3, 0, 0), 4), images), images[..., [3, 0, 0]])
    weights = ((0.5, 0.5, 0.0, 0.0), (0.0, 0.0, 3.0, 0.0), (0.0, 0.0, 0.0, -1.0))
    found = see(BandView("y", weights, (0.0, -10.0, 255.0)), images).astype(int)
    exact = images.astype(np.float64) @ np.array(weights).T + np.array([0, -10, 255])
    assert np.abs(found - exact.clip(0, 255)).max() <= 0.5
    np.testing.assert_array_equal(see(BandView("y", weights, (0.0, -10.0, 255.0)), images[1, 2:5]), found[1, 2:5])


def test_features_of_views_are_joined_and_cls_alike() -> None:
    images = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 2), np.uint8)

    def describe(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        patches = rgb.reshape(2, 2, 4, 2, 4, 3).mean(axis=(2, 4), dtype=np.float32)
        return patches, patches.mean(axis=(1, 2))

    views = [choosing("a", (0, 0, 1), 2), choosing("b", (1, 1, 1), 2)]
    patches, cls = describe_views(describe, views, images)
    assert patches.shape == (2, 2, 2, 6)
    assert cls is not None
    np.testing.assert_array_equal(patches[..., :3], describe(images[..., [0, 0, 1]])[0])
    np.testing.assert_array_equal(cls[:, 3:], describe(images[..., [1, 1, 1]])[1])
    assert describe_views(lambda rgb: (describe(rgb)[0], None), views, images)[1] is None
