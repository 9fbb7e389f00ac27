import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.base.geometry import Box, Size, five_crops, plan_grid, windows
from segpipe.ops.crf.dense_crf import Crf
from segpipe.ops.maps import segment as under_test
from segpipe.ops.maps.segment import CropCodes, classify, label_pixels, segment
from segpipe.ops.maps.segment_config import SegmentConfig


def _board(size: Size, square: int, classes: int) -> np.ndarray:
    y, x = np.mgrid[: size.height, : size.width]
    return (y // square * 2 + x // square) % classes


def _codes_of(board: np.ndarray, box: Box, *, side: int, patch: int, classes: int) -> np.ndarray:
    """One-hot codes: each patch says which class lies under its center."""
    grid = plan_grid(box.size, side=side, patch=patch)
    y = ((np.arange(grid.rows) + 0.5) * patch * box.height / grid.content.height).astype(int).clip(0, box.height - 1)
    x = ((np.arange(grid.cols) + 0.5) * patch * box.width / grid.content.width).astype(int).clip(0, box.width - 1)
    return np.eye(classes, dtype=np.float32)[board[box.slices][np.ix_(y, x)]]


def _segment(
    image: Size, boxes: list[Box], board: np.ndarray, *, side: int, patch: int, classes: int, canvas: int = 10**6
) -> np.ndarray:
    grids = [plan_grid(box.size, side=side, patch=patch) for box in boxes]
    codes = [_codes_of(board, box, side=side, patch=patch, classes=classes) for box in boxes]
    rgb = np.random.default_rng(0).integers(0, 256, (image.height, image.width, 3), dtype=np.uint8)
    centers = np.eye(classes, dtype=np.float32)
    return segment(CropCodes(codes, grids, boxes), rgb, SegmentConfig(centers, side=canvas))


def test_a_checkerboard_on_the_patch_grid_comes_back_exactly() -> None:
    image = Size(96, 128)
    board = _board(image, 32, 3)
    whole = [Box(0, 0, 96, 128)]
    grid = plan_grid(image, side=int((96 * 128) ** 0.5) + 1, patch=8)
    assert grid.content == image  # network pixels are image pixels, squares are 4 x 4 patches
    labels = _segment(image, whole, board, side=int((96 * 128) ** 0.5) + 1, patch=8, classes=3)
    assert labels.dtype == np.uint8
    # at a corner where four squares meet three classes compete; everywhere else the border is exact
    y, x = np.mgrid[:96, :128]
    corner = (np.abs((y + 16) % 32 - 16) < 4) & (np.abs((x + 16) % 32 - 16) < 4)
    np.testing.assert_array_equal(labels[~corner], board[~corner])


def test_windows_agree_with_the_whole_image() -> None:
    image = Size(128, 192)
    board = _board(image, 64, 2)
    one = _segment(image, [Box(0, 0, 128, 192)], board, side=157, patch=8, classes=2)
    many = _segment(image, windows(image, side=96, overlap=0.4), board, side=96, patch=8, classes=2)
    five = _segment(image, five_crops(image), board, side=78, patch=8, classes=2)
    assert (one == many).mean() > 0.98
    assert (one == five).mean() > 0.98


def test_a_small_canvas_gives_the_same_borders() -> None:
    image = Size(256, 384)
    board = _board(image, 96, 2)
    native = _segment(image, [Box(0, 0, 256, 384)], board, side=314, patch=8, classes=2)
    small = _segment(image, [Box(0, 0, 256, 384)], board, side=314, patch=8, classes=2, canvas=150)
    assert small.shape == native.shape
    assert (native == small).mean() > 0.97


def test_codes_of_a_mirrored_image_give_the_mirrored_mask_and_flip_averaging_is_its_own_mirror() -> None:
    image, box = Size(60, 90), Box(0, 0, 60, 90)
    grid = plan_grid(image, side=73, patch=8)
    rng = np.random.default_rng(1)
    centers = np.linalg.qr(rng.standard_normal((5, 5)))[0].astype(np.float32)
    seen, seen_mirrored = rng.standard_normal((2, grid.rows, grid.cols, 5))
    rgb = rng.integers(0, 256, (60, 90, 3), dtype=np.uint8)
    config = SegmentConfig(centers, side=50)
    there = segment(CropCodes([seen], [grid], [box], [seen_mirrored]), rgb, config)
    back = segment(CropCodes([seen_mirrored], [grid], [box], [seen]), rgb[:, ::-1], config)
    assert (there == back[:, ::-1]).mean() > 0.999  # equal but where two classes tie to the last bit


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    classes=st.integers(1, 12),
    crf=st.booleans(),
    whole=st.booleans(),
)
def test_every_pixel_of_any_shape_gets_a_class(height: int, width: int, classes: int, crf: bool, whole: bool) -> None:
    image = Size(height, width)
    boxes = [Box(0, 0, height, width)] if whole else five_crops(image)
    grids = [plan_grid(box.size, side=32, patch=8) for box in boxes]
    rng = np.random.default_rng(height * 1000 + width)
    codes = [rng.standard_normal((grid.rows, grid.cols, 4)).astype(np.float32) for grid in grids]
    centers = rng.standard_normal((classes, 4))
    rgb = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    config = SegmentConfig(centers, side=40, crf=Crf(iterations=2) if crf else None)
    labels = segment(CropCodes(codes, grids, boxes), rgb, config)
    assert labels.shape == (height, width)
    assert labels.max() < classes


def test_a_panorama_keeps_its_shape() -> None:
    image = Size(7, 3000)
    grid = plan_grid(image, side=64, patch=8)
    codes = np.random.default_rng(0).standard_normal((grid.rows, grid.cols, 3))
    rgb = np.zeros((7, 3000, 3), np.uint8)
    labels = segment(
        CropCodes([codes], [grid], [Box(0, 0, 7, 3000)]), rgb, SegmentConfig(np.eye(3), side=640, crf=Crf())
    )
    assert labels.shape == (7, 3000)
    assert len(np.unique(labels)) == 3


def test_class_probabilities_are_the_softmax_of_the_sharpened_cosines() -> None:
    image, box = Size(40, 56), Box(0, 0, 40, 56)
    grid = plan_grid(image, side=47, patch=8)
    rng = np.random.default_rng(2)
    codes, centers = rng.standard_normal((grid.rows, grid.cols, 6)), rng.standard_normal((4, 6))
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    found = classify(
        CropCodes([codes], [grid], [box]), SegmentConfig(centers), image=image, out=image, strip=56 * 6 * 3
    )
    # OpenCV enlarges with the same convention: pixel centers, borders repeated
    assert grid.content == grid.input
    field = cv2.resize(codes.astype(np.float32), (56, 40), interpolation=cv2.INTER_LINEAR)
    logits = 2 * (field / np.linalg.norm(field, axis=-1, keepdims=True)) @ centers.T
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(found.transpose(1, 2, 0), expected, atol=1e-4)


def test_a_code_of_zero_length_is_no_accident() -> None:
    grid = plan_grid(Size(16, 16), side=16, patch=8)
    codes = np.zeros((grid.rows, grid.cols, 3), np.float32)
    crops = CropCodes([codes], [grid], [Box(0, 0, 16, 16)])
    found = classify(crops, SegmentConfig(np.eye(3)), image=Size(16, 16), out=Size(16, 16))
    np.testing.assert_allclose(found, 1 / 3, atol=1e-6)


@pytest.mark.parametrize("classes", [3, 27, 300])
def test_labels_in_strips_are_bit_for_bit_the_whole_and_absent_classes_change_nothing(classes: int) -> None:
    rng = np.random.default_rng(classes)
    probabilities = rng.dirichlet(np.full(classes, 0.1), (31, 23)).astype(np.float32)
    image = Size(403, 299)
    whole = label_pixels(probabilities, image, strip=10**9)
    np.testing.assert_array_equal(label_pixels(probabilities, image, strip=5000), whole)
    assert whole.dtype == (np.uint8 if classes <= 255 else np.uint16)
    y, x = (np.arange(403) + 0.5) * 31 / 403 - 0.5, (np.arange(299) + 0.5) * 23 / 299 - 0.5
    np.testing.assert_array_equal(whole, under_test.blend.upsample(probabilities, y, x).argmax(-1))


def test_enlarging_agrees_with_opencv() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), (20, 30)).astype(np.float32)
    expected = cv2.resize(probabilities, (97, 71), interpolation=cv2.INTER_LINEAR).argmax(-1)
    assert (label_pixels(probabilities, Size(71, 97)) == expected).mean() > 0.999


def test_at_the_canvas_size_labels_are_the_largest_probability() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.full(9, 0.3), (20, 30)).astype(np.float32)
    np.testing.assert_array_equal(label_pixels(probabilities, Size(20, 30)), probabilities.argmax(-1))


def test_memory_of_a_large_image_does_not_hold_all_classes_at_full_size() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.full(27, 0.05), (120, 180)).astype(np.float32)
    tracemalloc.start()
    try:
        labels = label_pixels(probabilities, Size(2000, 3000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(np.unique(labels)) == 27
    assert peak < 200e6  # all classes at full size are 648 MB


def test_a_class_with_several_centers_is_as_near_as_its_nearest():
    rng = np.random.default_rng(3)
    codes, size = rng.normal(size=(3, 4, 5)).astype(np.float32), Size(12, 16)
    grid, box = plan_grid(size, side=14, patch=4), Box(0, 0, 12, 16)
    centers = rng.normal(size=(6, 5)).astype(np.float32)
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    members = np.array([2, 0, 1, 0, 2, 2])
    crops = CropCodes([codes], [grid], [box])
    found = classify(crops, SegmentConfig(centers, members), image=size, out=size)
    single = np.log(classify(crops, SegmentConfig(centers), image=size, out=size))
    logits = np.stack([single[members == k].max(axis=0) for k in range(3)])
    expected = np.exp(logits) / np.exp(logits).sum(axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
