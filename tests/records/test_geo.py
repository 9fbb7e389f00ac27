import pytest
from rasterio.transform import Affine, xy

from segpipe.records.geo import Geo


def test_places_are_those_of_rasterio() -> None:
    transform = Affine(0.1, 0.02, 5, 0.03, -0.1, 7)
    geo = Geo("", tuple(transform)[:6])
    for row, col in ((0, 0), (3, 4), (10, 2)):
        assert geo.at(row, col) == pytest.approx(xy(transform, row, col, offset="ul"), abs=1e-12)


def test_a_raster_on_a_line_is_refused() -> None:
    with pytest.raises(ValueError, match="onto a line"):
        Geo("", (1, 2, 0, 2, 4, 0))
