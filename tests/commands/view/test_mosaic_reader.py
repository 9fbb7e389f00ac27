from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from segpipe.base.geometry import Box
from segpipe.commands.view.mosaic_reader import MosaicReader
from segpipe.commands.view.opened_run import OpenedRun
from tests.helpers.view_mosaic import make_mosaic_run


def test_many_threads_read_one_mosaic(tmp_path: Path) -> None:
    root, rgb, _ = make_mosaic_run(tmp_path, overviews=False)
    run, reader = OpenedRun(root), MosaicReader()
    boxes = [Box(100 * i, 90 * i, 256, 256) for i in range(20)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda box: reader.read(run, 0, box, box.size), boxes))
    for box, part in zip(boxes, found, strict=True):
        np.testing.assert_array_equal(part, rgb[box.slices])
    reader.close()
