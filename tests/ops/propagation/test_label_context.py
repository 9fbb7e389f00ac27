"""The context forgets all but the given frame and the last ones, and goes on from its state."""

import torch
from torch import Tensor

from segpipe.ops.propagation.label_affinity import AffinityRule, carry_labels, unit_features
from segpipe.ops.propagation.label_context import LabelContext

RULE = AffinityRule(radius=2)


def drawn() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return unit_features(torch.randn(6, 4, 5, 8)), torch.rand(4, 5, 2)


def test_labels_come_from_the_given_frame_and_the_last_ones() -> None:
    features, given = drawn()
    context = LabelContext(features[0], given, RULE, recent=2)
    labels = [given]
    for number in range(1, 6):
        used = [0, *range(max(1, number - 2), number)]
        wanted = carry_labels(features[number], [features[n] for n in used], [labels[n] for n in used], RULE)
        labels.append(context.step(features[number]))
        assert torch.equal(labels[-1], wanted)


def test_a_restored_context_goes_on_as_if_nothing_had_happened() -> None:
    features, given = drawn()
    context = LabelContext(features[0], given, RULE, recent=2)
    for number in (1, 2, 3):
        context.step(features[number])
    restored = LabelContext.restored(context.tensors(), RULE, recent=2)
    assert torch.equal(restored.given[1], given)
    for number in (4, 5):
        assert torch.equal(restored.step(features[number]), context.step(features[number]))


def test_without_recent_frames_the_given_one_is_all() -> None:
    features, given = drawn()
    context = LabelContext(features[0], given, RULE, recent=0)
    context.step(features[1])
    assert torch.equal(context.step(features[2]), carry_labels(features[2], [features[0]], [given], RULE))
