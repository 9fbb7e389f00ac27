from collections import Counter
from pathlib import Path

import numpy as np

from segpipe.commands.view.index_tiles import IndexTiles
from segpipe.commands.view.live_state import naming_of
from segpipe.commands.view.opened_run import OpenedRun
from segpipe.commands.view.point_file import PointFile
from segpipe.commands.view.suggestions import best_spot, candidates, suggest
from segpipe.commands.view.tile_cache import TileCache
from tests.helpers.view_run import K


def test_a_spot_lies_deep_in_its_class_and_far_from_points() -> None:
    inside = np.zeros((40, 60), bool)
    inside[5:36, 5:36] = True
    inside[2:12, 45:55] = True
    assert best_spot(inside, None, []) is not None
    row, col = best_spot(inside, None, [(20.0, 20.0)]) or (0, 0)
    assert inside[row, col]
    assert (row - 20) ** 2 + (col - 20) ** 2 >= (0.08 * 60) ** 2
    assert best_spot(np.zeros((9, 9), bool), None, []) is None
    assert best_spot(np.ones((9, 9), bool), None, [(4, c) for c in range(9)] + [(8, 4), (0, 4)]) is not None


def test_where_the_map_is_least_sure_comes_first() -> None:
    margin = np.full((60, 60), 250, np.uint8)
    margin[40:55, 40:55] = 10
    row, col = best_spot(np.ones((60, 60), bool), margin, []) or (0, 0)
    assert 38 <= row <= 56
    assert 38 <= col <= 56


def test_places_are_of_the_class_that_is_told(reef: Path, tmp_path: Path) -> None:
    run = OpenedRun(reef)
    points = PointFile(run)
    tiles = IndexTiles(run, TileCache(tmp_path / "cache", memory=1 << 20, disk=0), memory=1 << 20)
    found = suggest(run, tiles, points, 10)["places"]
    assert len(found) == 10
    told = Counter(place["why"].split(" of ")[1].split(",")[0] for place in found)
    assert len(told) == K
    for place in found:
        cluster, _ = tiles.at(place["image"], place["row"], place["col"])
        assert f"cluster {cluster}," in place["why"]
    legend = naming_of(run).legend(K)
    first = candidates(run, legend, {"cluster 0": 3, "cluster 1": 1}, 8)
    assert [place for _, place in first[:4]] == [2, 3, 1, 0]
