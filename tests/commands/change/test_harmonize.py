"""The second date in the colors of the first."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.base.runtime import no_track
from segpipe.commands.change.harmonize import color_statistics, harmonize, write_recolored
from segpipe.commands.change.options import ChangeOptions
from segpipe.images.corpus_reader import read_original
from segpipe.ops.change.color_shift import color_table
from segpipe.records.corpus import FrameInfo
from tests.commands.change.conftest import SameGround
from tests.helpers.two_dates import named_survey


def test_a_mosaic_is_recolored_where_it_lies(same_ground: SameGround, tmp_path: Path) -> None:
    first, second = same_ground.surveys
    table = color_table(color_statistics(second), color_statistics(first))
    image = second.corpus.images[0]
    path = write_recolored(second.corpus, image, table, tmp_path)
    assert path == tmp_path / "mosaic.tif"
    with rasterio.open(path) as file:
        assert tuple(file.transform)[:6] == image.geo.transform if image.geo else False
        found = np.moveaxis(file.read([1, 2, 3]), 0, -1)
        assert file.read(4).min() == 255
    wanted = read_original(first.corpus, first.corpus.images[0]).rgb
    for channel in range(3):
        assert abs(float(found[..., channel].mean()) - float(wanted[..., channel].mean())) < 2
    dark = read_original(second.corpus, image).rgb
    assert abs(float(dark.mean()) - float(wanted.mean())) > 5


def test_a_photograph_is_a_png(same_ground: SameGround, tmp_path: Path) -> None:
    survey = same_ground.first
    image = replace(survey.corpus.images[0], geo=None)
    plain = np.stack([np.arange(256, dtype=np.uint8)] * 3, axis=1)
    mosaic = replace(image, mosaic=False)
    path = write_recolored(survey.corpus, mosaic, plain, tmp_path)
    assert path.suffix == ".png"
    np.testing.assert_array_equal(np.array(Image.open(path)), read_original(survey.corpus, mosaic).rgb)


def test_films_and_chosen_bands_are_refused(same_ground: SameGround, tmp_path: Path) -> None:
    given = make(ChangeOptions, {"run_a": "a", "second": "b", "out": tmp_path, "harmonize": True})
    date = named_survey({"dive.mp4/000001": [1, 2]})
    moment = FrameInfo("dive.mp4", 1, 0.0, 1.0)
    film = replace(date.corpus, images=(replace(date.corpus.images[0], moment=moment),))
    with pytest.raises(UsageError, match=r"dive\.mp4/000001 is a frame of a video, which is not recolored"):
        harmonize((same_ground.first, replace(date, corpus=film)), given, no_track)
    with pytest.raises(UsageError, match=r"leave index\.bands out"):
        harmonize((date, replace(date, corpus=replace(date.corpus, bands=(3, 2, 1)))), given, no_track)
