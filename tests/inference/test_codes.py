"""What clusters are compared with."""

import numpy as np

from segpipe.inference.codes import encode
from segpipe.records.clusters import ClusterModel


def test_features_are_projected_and_then_smoothed_over_valid_neighbors():
    patches = np.zeros((1, 3, 2), np.float32)
    patches[0, :, 0] = (3, 5, 7)
    patches[0, 1] = (1, 5)
    mean, components = np.array([1, 1], np.float32), np.array([[1, 0], [0, 2]], np.float32)
    model = ClusterModel(np.eye(2, dtype=np.float32), 1.0, mean=mean, components=components)
    valid = np.array([[True, True, False]])
    np.testing.assert_allclose(encode(None, model, patches, valid), [[[2, -2], [0, 8], [6, -2]]])
    smoothed = ClusterModel(np.eye(2, dtype=np.float32), 1.0, smooth=1.0, mean=mean, components=components)
    first = (np.array([2, -2]) / np.sqrt(8) + np.array([0, 1])) / 2  # the mean of two directions
    np.testing.assert_allclose(encode(None, smoothed, patches, valid), [[first, first, [0, 0]]], atol=1e-6)
