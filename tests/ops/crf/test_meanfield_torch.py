import numpy as np
import pytest

from segpipe.base.parallel import ThreadTeam
from segpipe.ops.crf.meanfield_torch import infer
from segpipe.ops.crf.permutohedral import build_lattice
from tests.helpers.lattice_filter import plain_filter

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize("iterations", [0, 1, 3])
def test_steps_are_those_of_the_plain_filter(iterations: int) -> None:
    rng = np.random.default_rng(0)
    near = rng.normal(0, 2, (63, 2)).astype(np.float32)  # on a grid rounding would decide which corners exist
    far = np.concatenate([near / 3, rng.normal(size=(63, 3)).astype(np.float32)], axis=1)
    given, weights = rng.dirichlet(np.ones(4), 63).astype(np.float32), (1.0, 2.0)
    with ThreadTeam(1) as crew:
        lattices = build_lattice(near, crew), build_lattice(far, crew)
    found = infer(given, *lattices, weights, iterations=iterations, tolerance=0.0, device="cpu")
    q = given.astype(float)
    for _ in range(iterations):
        message = np.zeros_like(q)
        for features, weight in zip((near, far), weights, strict=True):
            root = np.sqrt(plain_filter(features.astype(float), np.ones((63, 1))))
            message += weight * plain_filter(features.astype(float), q / root) / root
        q = given * np.exp(message)
        q /= q.sum(1, keepdims=True)
    np.testing.assert_allclose(found, q, atol=2e-4)
