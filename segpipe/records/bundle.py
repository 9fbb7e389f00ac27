"""Bundle record: a model without its run; how images are cut, encoded, and made into class maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segpipe.records.features import FeatureHeader
from segpipe.records.legend import Legend


@dataclass(frozen=True)
class Bundle:
    """What a bundle says of itself; its tensors lie in files beside it."""

    header: FeatureHeader
    """How features are made."""
    index: Mapping[str, Any]
    """Settings of `index` by which crops are planned."""
    scaling: Mapping[str, tuple[float, float]]
    """As of `Corpus`: the values of deep images that become 0 and 255."""
    refine: Mapping[str, Any]
    """side, sharpness, flip and crf, as the header of the run's masks tells."""
    legend: Legend
    """What the clusters are called."""
    licence: str
    """Under which the weights of the backbone are published."""
    version: str
    """Of segpipe, when it was made."""
    guided: str = ""
    """By how many labelled points the classes were steered; empty where no label took part."""
