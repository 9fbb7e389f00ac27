"""The overlap to be expected of soft labels."""

import pytest
import torch

from segpipe.ops.propagation.label_confidence import sureness


def test_sure_labels_overlap_wholly() -> None:
    labels = torch.zeros(2, 2, 3)
    labels[0, :, 0], labels[1, :, 1] = 1.0, 1.0
    found = sureness(labels, stretch=True)
    assert found.patches.tolist() == [[1, 1], [1, 1]]
    assert found.overlap[:2].tolist() == [1, 1]
    assert bool(found.overlap[2].isnan())


def test_the_overlap_is_that_of_labels_taken_for_probabilities() -> None:
    labels = torch.tensor([[[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]])
    found = sureness(labels, stretch=False)
    assert found.patches.tolist() == [pytest.approx([0.9, 0.8, 0.6])]
    assert found.overlap.tolist() == pytest.approx([1.5 / 2.2, 0.8 / 1.5])


def test_a_class_without_a_place_counts_from_a_patch_s_worth_on() -> None:
    labels = torch.tensor([[[0.7, 0.3], [0.6, 0.4], [0.65, 0.35]]])
    assert sureness(labels, stretch=False).overlap.tolist() == pytest.approx([1.95 / 3, 0.0])
    assert bool(sureness(labels[:, :2], stretch=False).overlap[1].isnan())
