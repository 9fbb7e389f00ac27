"""Reader of mosaics: one thread that alone holds their files open, because GDAL's handles are for one thread each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Size
from segpipe.commands.view.opened_run import OpenedRun
from segpipe.images.scaled_reader import ScaledMosaic, open_scaled

_OPEN = 4  # mosaics at once


class MosaicReader:
    """Reads boxes of the mosaics of a run; what was opened stays open, and so GDAL keeps its decoded blocks."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "mosaics")
        self._opened: OrderedDict[Hashable, tuple[ExitStack, ScaledMosaic]] = OrderedDict()

    def read(self, run: OpenedRun, number: int, box: Box, size: Size) -> npt.NDArray[np.uint8]:
        """A box of an image scaled down, (size.height, size.width, 3) 8-bit RGB.

        Raises:
            CorpusError: the file is gone or has changed since it was indexed.
        """
        return self._thread.submit(self._read, run, number, box, size).result()

    def close(self) -> None:
        """Close all; nothing can be read any more."""
        self._thread.submit(self._close, 0)
        self._thread.shutdown()

    def _read(self, run: OpenedRun, number: int, box: Box, size: Size) -> npt.NDArray[np.uint8]:
        key = run.artefacts, number
        found = self._opened.get(key)
        if found is None:
            self._close(_OPEN - 1)
            with ExitStack() as stack:
                mosaic = stack.enter_context(open_scaled(run.corpus, run.image(number)))
                found = self._opened[key] = stack.pop_all(), mosaic
        self._opened.move_to_end(key)
        return found[1].read(box, size)

    def _close(self, left: int) -> None:
        while len(self._opened) > left:
            _, (stack, _) = self._opened.popitem(last=False)
            stack.close()
