"""Images and films are learned from in the same way: opened, prepared, and made a method of."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpipe.base.options import make
from segpipe.base.runtime import Runtime
from segpipe.commands.pretrain.opening import open_source
from segpipe.commands.pretrain.options import PretrainOptions
from segpipe.commands.pretrain.prepared import ItemSource, Prepared
from tests.helpers.tiny_headed import NORM

SMALL = {"global_size": 64, "local_size": 32, "local_crops": 2}
CLIPS = {"clip_frames": 2, "clip_spacing": 1}


@pytest.mark.parametrize(("method", "items"), [("dino", 6), ("dora", 4)])
def test_a_folder_can_be_learned_from_by_either_method(method: str, items: int, tmp_path: Path) -> None:
    for i in range(6):
        Image.fromarray(np.full((80, 90, 3), 20 * i, np.uint8)).save(tmp_path / f"frame{i}.png")
    own = {**SMALL, **(CLIPS if method == "dora" else {})}
    options = make(PretrainOptions, {"images": str(tmp_path), "out": "own", "method": method, **own})
    source: ItemSource = open_source(options, NORM)
    assert source.bytes_needed() > 0
    prepared = source.prepare(tmp_path / "cache", Runtime())
    assert isinstance(prepared, Prepared)
    learned = prepared.method(16, 10, "cpu")
    assert len(learned) == prepared.count == items
    assert len(learned.pictures(learned.views(0, np.random.default_rng(0)))) == len(learned.captions())
