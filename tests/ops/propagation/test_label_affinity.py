"""Labels are carried as the published evaluations of DINO and DINOv3 do: numbers of both on the same features.

The numbers were made by running `label_propagation` of github.com/facebookresearch/dino (eval_video_segmentation.py)
and `propagate` of github.com/facebookresearch/dinov3 (notebooks/segmentation_tracking.ipynb) in their own loops on the
features drawn here, with a context of the first and the last two frames and a radius of two patches.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from segpipe.base.geometry import Size
from segpipe.ops.propagation.label_affinity import AffinityRule, carry_labels, unit_features
from segpipe.ops.propagation.label_context import LabelContext
from segpipe.ops.propagation.soft_maps import Deciding, decide, one_hot

ROWS, COLS, WIDTH, FRAMES = 6, 8, 12, 5
DINO = AffinityRule(radius=2)
DINOV3 = AffinityRule(radius=2, shape="circle", temperature=0.2)
SUMS = {
    "dino": [
        [34.45458, 7.56485, 5.98057],
        [34.81517, 8.99152, 4.19331],
        [33.68893, 12.23282, 2.07824],
        [33.76765, 13.904, 0.32835],
    ],
    "dinov3": [
        [35.29033, 6.8929, 5.81677],
        [35.46537, 8.20549, 4.32914],
        [35.32706, 10.25592, 2.41703],
        [34.80047, 11.97564, 1.2239],
    ],
}
PIXELS = {
    "dino": [[873, 179, 148], [904, 198, 98], [869, 285, 46], [887, 292, 21]],
    "dinov3": [[875, 175, 150], [900, 200, 100], [850, 300, 50], [825, 325, 50]],
}
LAST_ROW = {
    "dino": [0.24875, 0.40164, 0.03033, 0.0048, 0.003, 0.00033, 0.02975, 0.0],
    "dinov3": [0.25367, 0.0156, 0.00151, 7e-05, 0.00403, 0.0, 0.00038, 0.0],
}
MAP = (
    "11100010000000000000 11100010000000000000 00011101110001111100 00011000000001111100 00011000000002211100 "
    "00111000000001111100 00111000110001111100 00011000000002200000 00011000000000000000 00000000000000000000"
)


def drawn() -> tuple[Tensor, np.ndarray]:
    rng = np.random.default_rng(11)
    base = rng.standard_normal((ROWS, COLS, WIDTH)).astype(np.float32)
    moved = [
        np.roll(base, t, axis=1) + 0.3 * rng.standard_normal((ROWS, COLS, WIDTH)).astype(np.float32)
        for t in range(FRAMES)
    ]
    mask = np.zeros((24, 32), np.uint8)
    mask[4:16, 4:14], mask[14:22, 18:30] = 1, 2
    return unit_features(torch.from_numpy(np.stack(moved).astype(np.float32))), mask


@pytest.mark.parametrize(("name", "rule", "upsample"), [("dino", DINO, "bilinear"), ("dinov3", DINOV3, "nearest")])
def test_labels_and_maps_are_those_of_the_originals(name: str, rule: AffinityRule, upsample: str) -> None:
    features, mask = drawn()
    context = LabelContext(features[0], one_hot(mask, ROWS, COLS, classes=3, empty=255), rule, recent=2)
    deciding = Deciding(4, upsample=upsample)  # type: ignore[arg-type]
    carried = [context.step(each) for each in features[1:]]
    for labels, sums in zip(carried, SUMS[name], strict=True):
        assert labels.sum(dim=(0, 1))[:3].tolist() == pytest.approx(sums, abs=2e-5)
    assert carried[-1][-1, :, 1].tolist() == pytest.approx(LAST_ROW[name], abs=1e-5)
    maps = [decide(labels, Size(30, 40), deciding, empty=255) for labels in carried]
    assert [np.bincount(each.ravel(), minlength=3).tolist() for each in maps] == PIXELS[name]
    if name == "dino":
        assert ["".join(map(str, row)) for row in maps[-1][::3, ::2].tolist()] == MAP.split()


def test_tiles_change_nothing() -> None:
    torch.manual_seed(0)
    target, source = unit_features(torch.randn(23, 31, 6)), unit_features(torch.randn(23, 31, 6))
    labels = torch.rand(23, 31, 3)
    rule = AffinityRule(radius=4, shape="circle", top=3)
    y, x = torch.meshgrid(torch.arange(23), torch.arange(31), indexing="ij")
    far = torch.hypot((y[:, :, None, None] - y).float(), (x[:, :, None, None] - x).float()) > 4
    cosines = torch.einsum("ijd,uvd->ijuv", target, source).masked_fill(far, -torch.inf).reshape(23, 31, -1)
    values, which = cosines.topk(3)
    weights = (values / 0.1).exp()
    wanted = torch.einsum("ijk,ijkc->ijc", weights / weights.sum(-1, keepdim=True), labels.reshape(-1, 3)[which])
    torch.testing.assert_close(carry_labels(target, [source], [labels], rule), wanted, atol=1e-6, rtol=0)


def test_a_frame_that_is_shown_twice_counts_as_often_as_it_is_shown() -> None:
    torch.manual_seed(1)
    frame = unit_features(torch.randn(3, 4, 8))
    one, other = torch.zeros(3, 4, 2), torch.ones(3, 4, 2)
    found = carry_labels(frame, [frame, frame], [one, other], AffinityRule(top=1))
    torch.testing.assert_close(found, torch.full((3, 4, 2), 0.5))


def test_fewer_patches_than_are_averaged_are_all_taken() -> None:
    frame = unit_features(torch.eye(2).reshape(1, 2, 2))
    found = carry_labels(frame, [frame], [torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])], AffinityRule(top=5))
    assert found.sum(-1).tolist() == [[1.0, 1.0]]
    assert float(found[0, 0, 0]) == pytest.approx(1 / (1 + np.exp(-10)), abs=1e-6)
