"""Settings of refine: what earlier runs and bundles mean, and what masks say they were made with."""

import numpy as np
import pytest

from segpipe.base.config import before
from segpipe.ops.crf.dense_crf import Crf
from segpipe.pipeline import SECTIONS
from segpipe.records.clusters import ClusterModel
from segpipe.stages.refine.refine_settings import Config, segment_config, settings_of

CLUSTERS = ClusterModel(np.eye(3, dtype=np.float32), 1.0)


def test_crf_settings_default_to_the_published_constants() -> None:
    config = Config()
    for name in Crf.__dataclass_fields__:
        assert getattr(config, f"crf_{name}") == getattr(Crf(), name)


@pytest.mark.parametrize("given", [{}, {"steady": 0}, {"steady": 3, "crf": False, "flip": True, "canvas_size": 99}])
def test_what_masks_say_they_were_made_with_gives_the_settings_back(given: dict[str, object]) -> None:
    config = Config(**given)  # type: ignore[arg-type]
    made = segment_config(config, CLUSTERS).header
    assert settings_of(made) == (config if config.crf else config.model_copy(update={"crf": False}))


def test_a_bundle_of_an_earlier_version_is_not_steadied() -> None:
    header = {name: value for name, value in segment_config(Config(), CLUSTERS).header.items() if name != "steady"}
    assert settings_of(header).steady == 0
    with pytest.raises(TypeError, match="constants of the CRF instead of 3"):
        settings_of({**header, "crf": 3})


def test_an_earlier_run_keeps_its_masks() -> None:
    """Its settings hold no such name, which means that nothing is steadied, and its key has none either."""
    assert before(SECTIONS).values["refine.steady"] == 0
    assert "steady" not in Config(steady=0).identity()
    assert Config(steady=1).identity() != Config(steady=2).identity()
