"""Directions of clusters before PriMaPs-EM, by hand."""

import numpy as np

from segpipe.records.clusters import ClusterModel
from segpipe.stages.cluster.primaps import class_means


def test_class_means_are_weighted_by_patches_and_of_unit_length() -> None:
    centers = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    joined = ClusterModel(centers, 1.0, members=np.array([0, 1, 0]))
    found = class_means(joined, np.array([3, 7, 4]))
    np.testing.assert_allclose(found, [[0.6, 0, 0.8], [0, 1, 0]], atol=1e-7)
    np.testing.assert_allclose(class_means(ClusterModel(centers, 1.0), np.array([3, 7, 4])), centers)
