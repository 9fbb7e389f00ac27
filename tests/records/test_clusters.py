import numpy as np
import pytest

from segpipe.records.clusters import ClusterModel


def test_clusters_check_themselves_and_project() -> None:
    eye = np.eye(2, dtype=np.float32)
    with pytest.raises(ValueError, match="unit length"):
        ClusterModel(2 * eye, 1.0)
    with pytest.raises(ValueError, match="together"):
        ClusterModel(eye, 1.0, mean=np.zeros(2, np.float32))
    model = ClusterModel(eye, 1.0, mean=np.ones(3, np.float32), components=np.eye(2, 3, dtype=np.float32))
    np.testing.assert_array_equal(model.project(np.array([[2.0, 3.0, 9.0]])), [[1, 2]])
    assert model.clusters == 2
