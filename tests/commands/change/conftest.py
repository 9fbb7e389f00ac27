"""Two mosaics of the same ground, the second 7.3 rows and -4.6 columns off and darker, with a colony that died."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from segpipe.commands.change.survey import Survey
from tests.helpers.drawn_ground import ground_map, moved, photographed, turned
from tests.helpers.two_dates import raster_survey

SHIFT = 7.3, -4.6


@dataclass(frozen=True)
class SameGround:
    """What was drawn."""

    first: Survey
    second: Survey
    before: npt.NDArray[np.uint8]
    after: npt.NDArray[np.uint8]

    @property
    def surveys(self) -> tuple[Survey, Survey]:
        return self.first, self.second

    @property
    def changed(self) -> float:
        """Share of the pixels."""
        return float((self.before != self.after).mean())


@pytest.fixture(scope="session")
def same_ground(tmp_path_factory: pytest.TempPathFactory) -> SameGround:
    home, rng = tmp_path_factory.mktemp("ground"), np.random.default_rng(0)
    before = ground_map(rng, 390, 450, patch=90)
    after = turned(before, 0.3, rng)
    pictures = [photographed(labels, np.random.default_rng(7)) for labels in (before, after)]
    dark = np.clip(moved(pictures[1], *SHIFT) * 0.7 + 25, 0, 255).astype(np.uint8)
    first = raster_survey(home / "first", pictures[0], before)
    second = raster_survey(home / "second", dark, moved(after, *SHIFT, nearest=True))
    return SameGround(first, second, before, after)
