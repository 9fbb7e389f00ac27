"""What the settings of `index` may be."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from segpipe.stages.index.setting_types import AbsoluteName, Bands, Endings, Formulas, Frames, Rule


@pytest.mark.parametrize(
    ("kind", "given", "found"),
    [
        (Bands, ("4", " 3", "B08"), (4, 3, "B08")),
        (Bands, ("all",), ("all",)),
        (Formulas, ("ndvi = (b8-b4)/(b8+b4)",), ("ndvi=(b8 - b4) / (b8 + b4)",)),
        (Endings, ("_nir", "_thermal"), ("_nir", "_thermal")),
        (Rule, "*_{band}.tif", "*_{band}.tif"),
        (Rule, "", ""),
        (Frames, (300, 900), (300, 900)),
        (AbsoluteName, "", ""),
        (AbsoluteName, "photos", str(Path("photos").absolute())),
        (AbsoluteName, "s3://bucket/photos", "s3://bucket/photos"),
    ],
)
def test_good_ones(kind: Any, given: object, found: object) -> None:
    assert TypeAdapter(kind).validate_python(given) == found


@pytest.mark.parametrize(
    ("kind", "given", "why"),
    [
        (Bands, ("0", "1"), "must be bands counted from 1 or by their names"),
        (Bands, ("B04", " "), "must be bands counted from 1 or by their names"),
        (Formulas, ("ndvi=b8-b4", "NDVI=b8+b4"), "two formulas have the same name"),
        (Formulas, ("ndvi=__import__('os')",), "ndvi"),
        (Endings, ("_.",), "must be an ending of names without .tif or .jpg, such as _nir"),
        (Endings, ("nir/a",), "must be an ending of names without .tif or .jpg, such as _nir"),
        (Rule, "nothing", "nothing"),
        (Frames, (9, 4), "must be FROM,TO with FROM < TO"),
        (Frames, (-1, 4), "must be FROM,TO with FROM < TO"),
        (Frames, (1, 2, 3), "must be FROM,TO with FROM < TO"),
    ],
)
def test_bad_ones_are_told(kind: Any, given: object, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        TypeAdapter(kind).validate_python(given)
