import itertools

import numpy as np
import pytest

from segpipe.base.parallel import ThreadTeam
from segpipe.ops.crf import meanfield_loops as loops
from segpipe.ops.crf import spatial_filter as plane_of
from segpipe.ops.crf.permutohedral import build_lattice
from tests.helpers.lattice_filter import LIKE, WIDTH, our_filter


@pytest.mark.parametrize(("height", "width", "reach"), [(190, 60, 1.0), (190, 60, 0.4), (150, 70, 2.5), (7, 900, 1.0)])
def test_bands_of_the_plane_say_what_the_whole_says(
    height: int, width: int, reach: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plane_of, "_KEPT", 0)
    monkeypatch.setattr(plane_of, "_BAND", 1000)
    rng = np.random.default_rng(6)
    values = rng.random((height * width, WIDTH))
    q = values.astype(np.float32).ravel()
    with ThreadTeam(1) as crew:
        plane = plane_of.build_plane(height, width, reach, crew)
        whole = build_lattice(plane_of.positions(0, height, width, reach), crew)
    assert (len(plane.bands) > 1) == (height > 7)
    assert plane.cuts[0] == 0
    assert plane.cuts[-1] == height * width
    np.testing.assert_array_equal(plane.weights, whole.weights)
    wanted = our_filter(whole, values)
    for band, (first, last) in zip(plane.bands, itertools.pairwise(plane.cuts), strict=True):
        (stage,) = band.stages
        v, out = np.full(band.vertices * WIDTH, np.nan, np.float32), np.empty((last - first) * WIDTH, np.float32)
        splat = (band.starts, band.pixels, band.shares, q, np.float32(1), v)
        loops.sweep(LIKE, stage.rows, stage.members, stage.ends, *splat, 0, 1)
        mine = plane.corners[first:last], plane.weights[first:last]
        loops.unload(LIKE, *mine, np.float32(plane.scale), v, out, 0, last - first)
        np.testing.assert_array_equal(out.reshape(-1, WIDTH), wanted[first:last])
