import cv2
import numpy as np
import pytest

from segpipe.nn import classical


def scene(height=64, width=96, seed=0):
    """Coloured blobs with texture."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 16, width // 16, 3)).astype(np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int64)
    return np.clip(image + rng.integers(-30, 31, image.shape), 0, 255).astype(np.uint8)


def group(raw, name):
    start = 0
    for other, length in classical.GROUPS.items():
        if other == name:
            return raw[..., start : start + length]
        start += length
    raise KeyError(name)


@pytest.fixture(scope="module")
def pieces():
    return [classical.raw_features(scene(160, 160, seed=s)).reshape(-1, classical.RAW_DIM) for s in range(8)]


@pytest.fixture(scope="module")
def whitening(pieces):
    return classical.fit_whitening(pieces)


def test_shape_and_finiteness():
    raw = classical.raw_features(scene())
    assert raw.shape == (4, 6, classical.RAW_DIM)
    assert raw.dtype == np.float32
    assert np.isfinite(raw).all()


@pytest.mark.parametrize("value", [0, 255])
def test_flat_images_and_a_single_patch_are_finite(value):
    flat = classical.raw_features(np.full((16, 16, 3), value, np.uint8))
    assert flat.shape == (1, 1, classical.RAW_DIM)
    assert np.isfinite(flat).all()


def test_a_crop_without_whole_patches_is_refused():
    with pytest.raises(ValueError, match="whole patches"):
        classical.raw_features(np.zeros((20, 16, 3), np.uint8))


def test_every_run_gives_the_same_bits_on_any_number_of_threads(whitening):
    first = classical.describe(scene(), whitening)
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        again = classical.describe(scene(), whitening)
    finally:
        cv2.setNumThreads(threads)
    np.testing.assert_array_equal(first, again)
    fits = [classical.fit_whitening([classical.raw_features(scene()).reshape(-1, classical.RAW_DIM)]) for _ in range(2)]
    np.testing.assert_array_equal(fits[0].projection, fits[1].projection)


def test_color_agrees_with_a_plain_statement():
    image = scene()
    color = group(classical.raw_features(image), "color")
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    patch = lab[16:32, 32:48].reshape(-1, 3).astype(np.float64)
    around = lab[0:48, 16:64].reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(color[1, 2, :3], patch.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(color[1, 2, 3:6], patch.std(axis=0), atol=1e-2)
    expected = np.percentile(patch, [10, 25, 50, 75, 90], axis=0, method="nearest")
    np.testing.assert_allclose(color[1, 2, 6:21].reshape(5, 3), expected, atol=0.5)
    np.testing.assert_allclose(color[1, 2, 21:24], around.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(color[1, 2, 24:27], around.std(axis=0), atol=1e-2)


def test_oriented_gradients_find_the_orientation():
    ramp = np.linspace(0, 255, 96, dtype=np.uint8)
    upright = np.repeat(np.repeat(ramp[None], 96, 0)[..., None], 3, -1)  # gets brighter to the right: angle 0
    raw = group(classical.raw_features(upright), "hog")[2, 3].reshape(3, 37)
    lying = group(classical.raw_features(upright.swapaxes(0, 1).copy()), "hog")[3, 2].reshape(3, 37)
    for window in range(3):
        assert raw[window, :36].reshape(4, 9).sum(0).argmax() == 0
        assert lying[window, :36].reshape(4, 9).sum(0).argmax() in (4, 5)  # 90 degrees lie between bins 4 and 5 of 9
        assert np.linalg.norm(raw[window, :36]) == pytest.approx(1, abs=0.05)


def test_oriented_gradients_look_at_windows_centered_on_the_patch():
    image = np.full((160, 160, 3), 100, np.uint8)
    image[64 - 20 : 64 - 10, 80 - 3 : 80 + 3] = 200  # 10 to 20 pixels above the patch at row 4, column 5
    hog = group(classical.raw_features(image), "hog").reshape(10, 10, 3, 37)
    seen = (np.abs(hog[4, 5, :, :36]) > 1e-6).any(axis=-1)
    assert list(seen) == [False, False, True]  # 8 and 16 pixels around the center miss it, 32 reach it
    assert not (np.abs(hog[0, 0, :, :36]) > 1e-6).any()


def test_binary_patterns_agree_with_a_plain_statement():
    light = np.random.default_rng(0).uniform(0, 100, (16, 16)).astype(np.float32)
    found = classical._patterns(light, 1.0)
    padded = np.pad(light.astype(np.float64), 2, mode="edge")
    half = np.sqrt(0.5)
    for y in range(16):
        for x in range(16):
            bits = []
            for i in range(8):
                v, u = y + 2 - np.sin(i * np.pi / 4), x + 2 + np.cos(i * np.pi / 4)
                top, left = int(np.floor(v + 1e-9)), int(np.floor(u + 1e-9))
                b, a = v - top, u - left
                square = padded[top : top + 2, left : left + 2]
                value = (1 - b) * ((1 - a) * square[0, 0] + a * square[0, 1]) + b * (
                    (1 - a) * square[1, 0] + a * square[1, 1]
                )
                bits.append(value >= light[y, x] - 0.05)
            changes = sum(bits[i] != bits[i - 1] for i in range(8))
            assert found[y, x] == (sum(bits) if changes <= 2 else 9), (y, x)
    assert half == pytest.approx(np.cos(np.pi / 4))


def test_brightness_changes_color_but_not_texture():
    image = np.clip(scene(96, 96), 60, 150)
    plain, bright = (classical.raw_features(x.astype(np.uint8)) for x in (image, image + 60))
    distance = {}
    for name in classical.GROUPS:
        a, b, c = group(plain, name), group(bright, name), group(plain, name)[::-1]
        distance[name] = np.abs(a - b).mean() / np.abs(a - c).mean()
    assert (group(bright, "color")[..., 0] - group(plain, "color")[..., 0]).min() > 10
    assert max(distance[name] for name in ("hog", "lbp", "sift")) < 0.5


def test_a_place_in_the_image_is_not_described():
    tile = scene(48, 48)
    image = np.tile(tile, (4, 4, 1))
    raw = classical.raw_features(image)
    # away from the border the same surroundings give the same vector
    np.testing.assert_allclose(raw[4, 4], raw[7, 7], atol=0.05)


def test_groups_weigh_the_same_and_directions_are_uncorrelated(pieces, whitening):
    samples = np.concatenate(pieces).astype(np.float64)
    assert whitening.dim == classical.DIM
    features = (samples - whitening.mean) @ whitening.projection.astype(np.float64)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-3)
    covariance = np.cov(features.T)
    variances = np.diag(covariance)
    assert np.abs(covariance - np.diag(variances)).max() < 1e-3
    assert (np.diff(variances) <= 1e-6).all()
    # against an independent route: scale the groups, then scikit-learn's PCA
    from sklearn.decomposition import PCA

    start, parts = 0, []
    for length in classical.GROUPS.values():
        part = samples[:, start : start + length] - samples[:, start : start + length].mean(axis=0)
        parts.append(part / np.sqrt(part.var(axis=0).sum()))
        start += length
    pca = PCA(classical.DIM, svd_solver="full").fit(np.hstack(parts))
    scores = pca.transform(np.hstack(parts))
    variance = pca.explained_variance_ * (len(samples) - 1) / len(samples)
    expected = np.abs(scores / np.sqrt(variance + 0.2 * variance[0]))
    np.testing.assert_allclose(np.abs(features)[:, :20], expected[:, :20], atol=1e-3)


def test_features_do_not_depend_on_their_neighbors_in_a_batch(whitening):
    wide = classical.describe(scene(64, 96), whitening)
    assert wide.shape == (4, 6, classical.DIM)
    line = (classical.raw_features(scene(64, 96))[2] - whitening.mean) @ whitening.projection
    np.testing.assert_array_equal(wide[2], line)


def test_a_corpus_without_variance_gives_zeros():
    flat = np.full((64, 64, 3), 128, np.uint8)
    fit = classical.fit_whitening([classical.raw_features(flat)[:1, :1].reshape(1, -1)])
    assert np.isfinite(fit.projection).all()
    assert not classical.describe(flat, fit)[0, 0].any()
    with pytest.raises(ValueError, match="no vectors"):
        classical.fit_whitening([])


def test_other_channels_are_each_described_and_patches_differ_by_any_of_them():
    image = np.full((64, 96, 5), 100, np.uint8)
    image[:, 48:, 4] = 160
    raw = classical.raw_features(image)
    lengths = classical.groups_of(raw.shape[-1])
    assert lengths["color"] == 5 * 9
    assert raw.shape == (4, 6, classical.RAW_DIM + 2 * 9)
    changed = np.abs(raw[1, 0] - raw[1, 5]) > 1e-3
    assert changed[: lengths["color"]].reshape(9, 5).any(axis=0).tolist() == [False] * 4 + [True]
    fit = classical.fit_whitening([raw.reshape(-1, raw.shape[-1])])
    assert classical.describe(image, fit).shape == (4, 6, fit.dim)
    alone = classical.raw_features(image[..., 4:])
    assert classical.groups_of(alone.shape[-1])["color"] == 9
    with pytest.raises(ValueError, match="no raw vector has 400 numbers"):
        classical.groups_of(400)
