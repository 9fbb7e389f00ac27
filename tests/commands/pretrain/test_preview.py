from typing import Any

import cv2
import numpy as np

from segpipe.base.options import make
from segpipe.commands.pretrain import preview as module
from segpipe.commands.pretrain.dino import Dino
from segpipe.commands.pretrain.options import PretrainOptions
from segpipe.commands.pretrain.preview import preview
from tests.helpers.photos import TINY

NORM = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def method(count: int) -> Dino:
    options = make(PretrainOptions, {"images": "photos", "out": "own", **TINY})
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    return Dino(lambda item: picture, count, options, NORM, outputs=2, steps=1, device="cpu")


def test_a_row_an_item_a_column_a_view(monkeypatch: Any) -> None:
    seen: dict[str, Any] = {}
    drawn = module.sheet

    def spy(title: str, lines: Any, panels: Any, **more: Any) -> Any:
        seen.update(title=title, lines=lines, panels=panels, **more)
        return drawn(title, lines, panels, **more)

    monkeypatch.setattr(module, "sheet", spy)
    png = preview(method(2), NORM, seed=0, title="photos")
    shown = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape[1] > 3 * 224
    assert (len(seen["panels"]), seen["columns"], seen["title"]) == (6, 3, "photos")
    assert seen["lines"][1:] == [
        "global 1: flip 0.5, jitter 0.8, gray 0.2, blur 1",
        "global 2: flip 0.5, jitter 0.8, gray 0.2, blur 0.1, solarize 0.2",
        "local 1: flip 0.5, jitter 0.8, gray 0.2, blur 0.5",
    ]
    pixels = np.stack([seen["panels"][0].rgb.mean(axis=(0, 1))])
    assert 20 < pixels.mean() < 235


def test_at_most_as_many_rows_as_there_are_items() -> None:
    assert preview(method(1), NORM, seed=0, title="photos") == preview(method(1), NORM, seed=0, title="photos", rows=9)
