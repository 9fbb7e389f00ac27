"""Options of probe."""

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.commands.probe.options import MEASURES, ProbeOptions


def test_measures_are_known_by_name() -> None:
    assert make(ProbeOptions, {"images": "a", "measures": MEASURES}).measures == MEASURES
    with pytest.raises(UsageError, match=r"^measures=depth is not known; there are center, focus"):
        make(ProbeOptions, {"images": "a", "measures": ("depth",)})


@pytest.mark.parametrize(("name", "value"), [("max_images", 0), ("input_size", 8), ("seed", -1), ("workers", -1)])
def test_numbers_have_limits(name: str, value: int) -> None:
    with pytest.raises(UsageError, match=f"^{name}={value}: should be greater than or equal to"):
        make(ProbeOptions, {"images": "a", name: value})
