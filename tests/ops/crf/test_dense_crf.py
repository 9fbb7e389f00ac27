import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.ops.crf import dense_crf as crf_module
from segpipe.ops.crf import meanfield
from segpipe.ops.crf.dense_crf import TOLERANCE, Crf, refine_probabilities
from segpipe.ops.crf.simd import has_halves
from tests.helpers.places import PACKS


def _mean_field(probabilities: np.ndarray, rgb: np.ndarray, crf: Crf) -> np.ndarray:
    """Brute force: every pixel sends to every pixel; Gaussian kernels, symmetrically normalised, itself included."""
    classes, height, width = probabilities.shape
    at = np.array(list(itertools.product(range(height), range(width))), float)
    color = rgb.reshape(-1, 3).astype(float)
    near = ((at[:, None] - at) ** 2).sum(-1)
    alike = ((color[:, None] - color) ** 2).sum(-1)
    total = np.zeros_like(near)
    for weight, kernel in (
        (crf.gaussian_compat, np.exp(-near / (2 * crf.gaussian_sxy**2))),
        (crf.bilateral_compat, np.exp(-near / (2 * crf.bilateral_sxy**2) - alike / (2 * crf.bilateral_srgb**2))),
    ):
        root = 1 / np.sqrt(kernel.sum(1))
        total += weight * kernel * root[:, None] * root
    unary = -np.log(probabilities.reshape(classes, -1).clip(1e-5))
    q = np.exp(-unary) / np.exp(-unary).sum(0)
    for _ in range(crf.iterations):
        q = np.exp(-unary + q @ total)
        q /= q.sum(0)
    return q.reshape(probabilities.shape)


def _picture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Two flat colors with a little noise, the border between them slanted."""
    y, x = np.mgrid[:height, :width]
    flat = np.where((x + 0.3 * y > width / 2)[..., None], (200, 90, 40), (60, 120, 180))
    return (flat + rng.integers(-2, 3, flat.shape)).astype(np.uint8)


@pytest.mark.parametrize("crf", [Crf(), Crf(iterations=3), Crf(bilateral_sxy=8, bilateral_srgb=12, gaussian_compat=1)])
def test_agrees_with_brute_force_mean_field(crf: Crf) -> None:
    rng = np.random.default_rng(3)
    rgb = _picture(rng, 12, 10)
    logits = rng.standard_normal((3, 12, 10)) + 1.2 * np.stack([rgb[..., 0] > 128, rgb[..., 0] <= 128, rgb[..., 0] < 0])
    probabilities = np.exp(logits) / np.exp(logits).sum(0)
    ours, slow = refine_probabilities(probabilities.astype(np.float32), rgb, crf), _mean_field(probabilities, rgb, crf)
    assert (ours.argmax(0) == slow.argmax(0)).mean() > 0.97  # the permutohedral filter is an approximation
    assert np.abs(ours - slow).mean() < 0.05
    assert (slow.argmax(0) != probabilities.argmax(0)).mean() > 0.1  # the field had work to do


def test_probabilities_sum_to_one_and_zeros_do_no_harm() -> None:
    rng = np.random.default_rng(4)
    probabilities = np.zeros((4, 15, 20), np.float32)
    probabilities[rng.integers(0, 4, (15, 20)), *np.mgrid[:15, :20]] = 1
    found = refine_probabilities(probabilities, rng.integers(0, 256, (15, 20, 3), dtype=np.uint8), Crf())
    assert found.shape == (4, 15, 20)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-5)


def test_nothing_known_stays_nothing_known() -> None:
    found = refine_probabilities(np.full((5, 9, 14), 0.2, np.float32), np.full((9, 14, 3), 77, np.uint8), Crf())
    np.testing.assert_allclose(found, 0.2, atol=1e-5)


def test_a_border_moves_to_the_edge_of_the_image() -> None:
    rgb = np.zeros((30, 40, 3), np.uint8)
    rgb[:, 20:] = 200
    right = 1 / (1 + np.exp(-(np.arange(40) - 24.5) / 3))  # the codes put the border five pixels too far right
    probabilities = np.broadcast_to(np.stack([1 - right, right])[:, None], (2, 30, 40)).astype(np.float32)
    labels = refine_probabilities(probabilities, rgb, Crf()).argmax(0)
    assert (probabilities.argmax(0)[:, 20:25] == 0).all()
    np.testing.assert_array_equal(labels, np.broadcast_to(np.arange(40) >= 20, (30, 40)))


def test_color_order_makes_little_difference_and_read_only_memory_none() -> None:
    rng = np.random.default_rng(5)
    rgb = rng.integers(0, 40, (40, 32, 3), dtype=np.uint8)  # texture: flat pictures have one lattice in any order
    rgb.flags.writeable = False
    probabilities = rng.dirichlet([1, 1, 1], (40, 32)).transpose(2, 0, 1).astype(np.float32)
    first, second = (refine_probabilities(probabilities, image, Crf()) for image in (rgb, rgb[..., ::-1]))
    assert 0.001 < (first.argmax(0) != second.argmax(0)).mean() < 0.03  # the filter's approximation
    np.testing.assert_array_equal(first, refine_probabilities(probabilities, rgb.copy(), Crf()))


@settings(max_examples=25, deadline=None)
@given(classes=st.integers(1, 6), height=st.integers(1, 9), width=st.integers(1, 9))
def test_any_small_shape_works(classes: int, height: int, width: int) -> None:
    rng = np.random.default_rng(classes + 10 * height + 100 * width)
    probabilities = rng.dirichlet(np.ones(classes), (height, width)).transpose(2, 0, 1).astype(np.float32)
    found = refine_probabilities(probabilities, rng.integers(0, 256, (height, width, 3), dtype=np.uint8), Crf())
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-5)


def test_wrong_input_is_refused() -> None:
    half = np.full((2, 4, 5), 0.5, np.float32)
    with pytest.raises(ValueError, match=r"rgb must be \(4, 5, 3\)"):
        refine_probabilities(half, np.zeros((5, 4, 3), np.uint8), Crf())
    with pytest.raises(ValueError, match="finite"):
        refine_probabilities(half * np.nan, np.zeros((4, 5, 3), np.uint8), Crf())


def _soft(rgb: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
    """Soft classes as a run has them: twice the cosines to directions, of codes on a grid of 20 x 20."""
    small = cv2.resize(rgb, (20, 20), interpolation=cv2.INTER_AREA).reshape(-1, 3) / 40
    place = np.mgrid[:20, :20].reshape(2, -1).T / 12
    codes = np.concatenate([small, place, rng.normal(scale=0.3, size=(400, 3))], 1)
    codes = (codes - codes.mean(0)) @ rng.normal(size=(8, 24))
    centers = codes[rng.choice(400, classes, replace=False)] + rng.normal(scale=0.3, size=(classes, 24))
    field = cv2.resize(codes.reshape(20, 20, 24), rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    cosines = (field / np.linalg.norm(field, axis=-1, keepdims=True)) @ (
        centers / np.linalg.norm(centers, axis=1, keepdims=True)
    ).T
    odds = np.exp(2 * cosines)
    return (odds / odds.sum(-1, keepdims=True)).transpose(2, 0, 1).astype(np.float32)


def _reference(probabilities: np.ndarray, rgb: np.ndarray, crf: Crf) -> np.ndarray:
    reference = pytest.importorskip("pydensecrf.densecrf", reason="the extra `crf` is not installed")
    classes, height, width = probabilities.shape
    field = reference.DenseCRF2D(width, height, classes)
    unary = -np.log(np.clip(probabilities, 1e-5, 1), dtype=np.float32)
    field.setUnaryEnergy(np.ascontiguousarray(unary.reshape(classes, -1)))
    field.addPairwiseGaussian(sxy=crf.gaussian_sxy, compat=crf.gaussian_compat)
    rgb = np.require(rgb, np.uint8, ["C", "W"])
    sxy, srgb, compat = crf.bilateral_sxy, crf.bilateral_srgb, crf.bilateral_compat
    field.addPairwiseBilateral(sxy=sxy, srgb=srgb, rgbim=rgb, compat=compat)
    return np.asarray(field.inference(crf.iterations)).reshape(classes, height, width)


def _scene(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Smooth color with edges and some noise."""
    smooth = cv2.resize(rng.random((6, 8, 3)), (width, height), interpolation=cv2.INTER_CUBIC) * 160 + 40
    smooth[_picture(rng, height, width)[..., 0] > 128] += 30
    return (smooth + rng.normal(scale=3, size=smooth.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("crf", "classes", "height", "width"),
    [
        (Crf(), 3, 40, 60),
        (Crf(), 27, 96, 120),
        (Crf(), 11, 120, 64),
        (Crf(gaussian_sxy=3, bilateral_sxy=20, bilateral_srgb=13, gaussian_compat=10, bilateral_compat=5), 17, 100, 92),
        (Crf(gaussian_sxy=0.7, bilateral_sxy=160, bilateral_srgb=1, iterations=4), 40, 64, 64),
    ],
)
def test_marginals_are_those_of_pydensecrf(crf: Crf, classes: int, height: int, width: int) -> None:
    """Sizes are multiples of 4: pydensecrf fills up to 4 pixels with black ones in the corner, and blurs them in."""
    rng = np.random.default_rng(classes)
    rgb = _scene(rng, height, width)
    probabilities = _soft(rgb, classes, rng)
    wanted = _reference(probabilities, rgb, crf)
    all_carried = refine_probabilities(probabilities, rgb, crf, tolerance=0)
    assert np.abs(all_carried - wanted).mean() < (2e-5 if has_halves() else 2e-6)
    assert (all_carried.argmax(0) == wanted.argmax(0)).mean() > 0.9995
    found = refine_probabilities(probabilities, rgb, crf)
    assert np.abs(found - wanted).mean() < TOLERANCE
    assert (found.argmax(0) == wanted.argmax(0)).mean() > 0.998
    assert (wanted.argmax(0) != probabilities.argmax(0)).mean() > 0.02  # the field had work to do


def test_with_32_bits_throughout_marginals_differ_by_rounding_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meanfield, "has_halves", lambda: False)
    rng = np.random.default_rng(27)
    rgb = _scene(rng, 96, 120)
    probabilities = _soft(rgb, 27, rng)
    wanted = _reference(probabilities, rgb, Crf())
    found = refine_probabilities(probabilities, rgb, Crf(), tolerance=0)
    assert np.abs(found - wanted).mean() < 2e-6
    assert (found.argmax(0) == wanted.argmax(0)).mean() > 0.9995


@pytest.mark.packs
@pytest.mark.skipif(not PACKS.exists(), reason="the labelled image sets are not there")
@pytest.mark.parametrize("pack", ["camvid/val", "msrc21", "eilat_reef", "pulleyridge_points"])
def test_marginals_on_real_images_are_those_of_pydensecrf(pack: str) -> None:
    rng = np.random.default_rng(8)
    for path in sorted((PACKS / pack / "images").iterdir())[3::10][:3]:
        rgb = cv2.resize(cv2.imread(str(path))[..., ::-1], (240, 200), interpolation=cv2.INTER_AREA)
        probabilities = _soft(rgb, 27, rng)
        wanted, found = _reference(probabilities, rgb, Crf()), refine_probabilities(probabilities, rgb, Crf())
        assert np.abs(found - wanted).mean() < TOLERANCE
        assert (found.argmax(0) == wanted.argmax(0)).mean() >= 0.998


def test_a_large_image_in_pieces_is_what_it_is_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a tenth of the reach, and of the side from which images are cut into pieces: 4 x 5 of them."""
    rng, crf = np.random.default_rng(10), Crf(bilateral_sxy=6.7)
    rgb = _scene(rng, 230, 261)
    probabilities = _soft(rgb, 9, rng)
    whole = refine_probabilities(probabilities, rgb, crf)
    monkeypatch.setattr(crf_module, "_WHOLE", 102**2)
    found = refine_probabilities(probabilities, rgb, crf)
    assert np.abs(found - whole).mean() < 3e-3
    assert (found.argmax(0) == whole.argmax(0)).mean() > 0.99
    assert np.abs(found - whole).max() > 0  # pieces they were
    assert (whole.argmax(0) != probabilities.argmax(0)).mean() > 0.02  # the field had work to do
    first = refine_probabilities(probabilities[:, :78, :73], rgb[:78, :73], crf)  # the first piece and its margin
    np.testing.assert_array_equal(found[:, :57, :52], first[:, :57, :52])


def test_classes_that_are_not_there_are_dropped_and_hardly_missed() -> None:
    """Two of 27 classes share the picture: the others fall to where dropping them is allowed."""
    rng = np.random.default_rng(9)
    rgb = _picture(rng, 60, 80)
    odds = rng.random((27, 60, 80)) * 0.2
    odds[3] += np.where(rgb[..., 0] > 128, 1.5, 0.4)
    odds[20] += np.where(rgb[..., 0] > 128, 0.4, 1.5)
    probabilities = (np.exp(odds) / np.exp(odds).sum(0)).astype(np.float32)
    carried = refine_probabilities(probabilities, rgb, Crf(), tolerance=0)
    dropped = refine_probabilities(probabilities, rgb, Crf())
    assert 0 < np.abs(carried - dropped).mean() < TOLERANCE / 4
    np.testing.assert_allclose(dropped.sum(0), 1, atol=1e-5)
    np.testing.assert_array_equal(carried.argmax(0), dropped.argmax(0))


@pytest.mark.parametrize("tolerance", [0.0, TOLERANCE])
def test_torch_does_the_same(tolerance: float) -> None:
    rng = np.random.default_rng(10)
    rgb = _scene(rng, 70, 50)
    probabilities = _soft(rgb, 20, rng)
    ours = refine_probabilities(probabilities, rgb, Crf(), tolerance=tolerance)
    theirs = refine_probabilities(probabilities, rgb, Crf(), tolerance=tolerance, device="cpu")
    assert np.abs(ours - theirs).mean() < 1e-5
    np.testing.assert_allclose(theirs.sum(0), 1, atol=1e-5)
    assert (ours.argmax(0) == theirs.argmax(0)).mean() > 0.999


@settings(max_examples=12, deadline=None)
@given(classes=st.integers(1, 20), height=st.integers(1, 70), width=st.integers(1, 40), threads=st.integers(2, 5))
def test_the_number_of_threads_changes_no_bit(classes: int, height: int, width: int, threads: int) -> None:
    rng = np.random.default_rng(classes + 10 * height + 100 * width)
    probabilities = rng.dirichlet(np.ones(classes), (height, width)).transpose(2, 0, 1).astype(np.float32)
    rgb = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
    one, several = (refine_probabilities(probabilities, rgb, Crf(), threads=n) for n in (1, threads))
    np.testing.assert_array_equal(one, several)
    np.testing.assert_allclose(one.sum(0), 1, atol=1e-5)


@settings(max_examples=12, deadline=None)
@given(data=st.data(), classes=st.integers(2, 30))
def test_the_order_of_classes_does_not_matter(data: st.DataObject, classes: int) -> None:
    order = data.draw(st.permutations(range(classes)))
    rng = np.random.default_rng(classes)
    rgb = _scene(rng, 24, 31)
    probabilities = _soft(rgb, classes, rng)
    found = refine_probabilities(probabilities, rgb, Crf())
    shuffled = refine_probabilities(probabilities[order], rgb, Crf())
    np.testing.assert_allclose(shuffled, found[order], atol=2e-3)
    assert np.abs(shuffled - found[order]).mean() < 1e-5


@pytest.mark.parametrize(
    ("classes", "height", "width"), [(1, 1, 1), (2, 1, 1), (27, 1, 300), (5, 300, 1), (33, 3, 4), (255, 9, 12)]
)
def test_extreme_shapes(classes: int, height: int, width: int) -> None:
    rng = np.random.default_rng(11)
    probabilities = rng.dirichlet(np.ones(classes), (height, width)).transpose(2, 0, 1).astype(np.float32)
    for rgb in (np.zeros((height, width, 3), np.uint8), rng.integers(0, 256, (height, width, 3), dtype=np.uint8)):
        found = refine_probabilities(probabilities, rgb, Crf())
        assert found.shape == probabilities.shape
        np.testing.assert_allclose(found.sum(0), 1, atol=1e-5)
        assert found.min() >= 0


def test_one_pixel_sharpens_itself_as_the_formula_says() -> None:
    """A pixel alone is its own neighbor: both kernels are 1, so that q = softmax(log p + 7 q), step by step."""
    p = np.array([0.5, 0.3, 0.2])
    q = p
    for _ in range(10):
        q = p * np.exp(7 * q)
        q /= q.sum()
    found = refine_probabilities(p.astype(np.float32)[:, None, None], np.full((1, 1, 3), 9, np.uint8), Crf())
    np.testing.assert_allclose(found[:, 0, 0], q, atol=1e-4)


def test_kernels_without_weight_change_nothing_and_strong_ones_stay_finite() -> None:
    rng = np.random.default_rng(12)
    rgb = _scene(rng, 30, 30)
    probabilities = _soft(rgb, 12, rng)
    silent = refine_probabilities(probabilities, rgb, Crf(gaussian_compat=0, bilateral_compat=0))
    np.testing.assert_allclose(silent, probabilities, atol=1e-5)
    strong = refine_probabilities(probabilities, rgb, Crf(gaussian_compat=300, bilateral_compat=400))
    assert np.isfinite(strong).all()
    np.testing.assert_allclose(strong.sum(0), 1, atol=1e-5)
    none = refine_probabilities(probabilities, rgb, Crf(iterations=0))
    np.testing.assert_allclose(none, probabilities, atol=1e-5)


def test_classes_first_or_last_in_memory_and_other_floats_are_the_same() -> None:
    rng = np.random.default_rng(13)
    rgb = _scene(rng, 20, 26)
    probabilities = _soft(rgb, 7, rng)
    last = np.ascontiguousarray(probabilities.transpose(1, 2, 0)).transpose(2, 0, 1)
    wanted = refine_probabilities(probabilities, rgb, Crf())
    for same in (
        last,
        probabilities.astype(np.float64),
        probabilities[:, ::-1][:, ::-1],
        np.asfortranarray(probabilities),
    ):
        np.testing.assert_array_equal(refine_probabilities(same, rgb, Crf()), wanted)
