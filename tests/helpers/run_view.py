"""What the tests of a run in Python share."""

from collections.abc import Callable

import pytest

from segpipe.base.errors import SegpipeError
from segpipe.results import Run

ONE, BAY = "reef_03", "bay/reef_02"
"""Two images of the reef; `refine.canvas_size` is below their size."""
SMALL = (
    "extract.input_size=112", "train.method=pca", "train.dim=16", "cluster.k=5", "refine.canvas_size=96",
    "refine.crf_iterations=2", "export.formats=png", "runtime.workers=1",
)  # fmt: skip
"""Settings of a quick run."""
READERS: dict[str, Callable[[Run], object]] = {
    "images": lambda run: run.images,
    "crops": lambda run: run.crops(ONE),
    "features": lambda run: run.features(ONE),
    "codes": lambda run: run.codes(ONE),
    "mask": lambda run: run.mask(ONE, classes=False),
    "class_map": lambda run: run.mask(ONE),
    "probabilities": lambda run: run.probabilities(ONE),
    "classes": lambda run: run.classes,
    "cover": lambda run: run.cover,
    "scores": lambda run: run.scores,
    "show": lambda run: run.show(ONE),
}
"""Everything that a run is asked for."""


def sets(*values: str) -> list[str]:
    """Arguments of the command line for settings."""
    return [part for value in values for part in ("--set", value)]


def error_of(read: Callable[[], object]) -> str:
    """The one line that reading ends with."""
    with pytest.raises(SegpipeError) as caught:
        read()
    text = str(caught.value)
    assert "\n" not in text
    return text
