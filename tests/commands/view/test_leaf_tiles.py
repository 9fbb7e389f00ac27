import io
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from segpipe.commands.view.catalog import current_clusters
from segpipe.commands.view.leaf_tiles import LeafTiles
from segpipe.commands.view.opened_run import OpenedRun
from segpipe.commands.view.tile_cache import TileCache
from segpipe.inference.plain_codes import encode_plain
from segpipe.ops.gallery import assign_parts


def test_leaves_lie_in_the_clusters_of_the_run(finished: Path, tmp_path: Path) -> None:
    run = OpenedRun(finished)
    tiles = LeafTiles(run, TileCache(tmp_path, memory=1 << 20, disk=1 << 20), memory=1 << 20)
    agree = []
    for crop in range(len(run.corpus.crops)):
        leaves = tiles.leaves(crop)
        assert leaves.shape == tuple(run.features.grids[crop])
        assert tiles.leaves(crop) is leaves
        valid = run.features.valid(crop)
        codes = encode_plain(run.head, run.clusters, run.features.patches(crop), valid)
        clusters = assign_parts(codes, run.clusters)[0]
        agree.append((current_clusters(run.tree, run.clusters)[leaves[valid]] == clusters[valid]).mean())
    assert np.mean(agree) > 0.5
    rgb = np.asarray(Pillow.open(io.BytesIO(tiles.tile(0, 0, 0, 0)))).astype(int)
    assert set(np.unique(rgb[..., 0] * 256 + rgb[..., 1])) <= set(np.unique(tiles.leaves(0)))
