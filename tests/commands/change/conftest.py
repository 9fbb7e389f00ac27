"""What the tests of `change` share.

Two mosaics of the same ground, the second 7.3 rows and -4.6 columns off and darker, with colonies that died; and
photographs of two dates with a run of the first.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import segpipe
from segpipe.base.geometry import Size
from segpipe.commands.change.survey import SurveyDate
from segpipe.ops.drawing.reef import reef_scene
from segpipe.pipeline import open_run
from segpipe.store.run_dir import RunDir
from tests.helpers.drawn_ground import ground_map, moved, photographed, turned
from tests.helpers.quick_run import CLASSICAL, SMALL
from tests.helpers.two_dates import raster_survey

SHIFT = 7.3, -4.6


@dataclass(frozen=True)
class SameGround:
    """What was drawn."""

    first: SurveyDate
    second: SurveyDate
    before: npt.NDArray[np.uint8]
    after: npt.NDArray[np.uint8]

    @property
    def surveys(self) -> tuple[SurveyDate, SurveyDate]:
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


@dataclass(frozen=True)
class Reefs:
    """Photographs of two dates, and a finished run of the first."""

    home: Path
    run: RunDir

    @property
    def second(self) -> Path:
        """The folder of the second date."""
        return self.home / "2024"


@pytest.fixture(scope="session")
def reefs(tmp_path_factory: pytest.TempPathFactory) -> Reefs:
    home = tmp_path_factory.mktemp("reefs")
    for year, rng in zip(("2023", "2024"), np.random.default_rng(5).spawn(2), strict=True):
        for i in range(6):
            rgb, _ = reef_scene(rng, Size(72, 96))
            path = home / year / f"site{i % 2}" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            dark = rgb if year == "2023" else (rgb * 0.75).astype(np.uint8)
            Image.fromarray(dark).save(path)
    segpipe.run(home / "2023", home / "run", settings={**SMALL, **CLASSICAL}, stop="refine")
    return Reefs(home, open_run(home / "run"))
