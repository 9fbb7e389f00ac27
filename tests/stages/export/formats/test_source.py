"""Names of files that are no text, in all formats."""

import base64
import json
from dataclasses import replace
from pathlib import Path

from segpipe.stages.export import FORMATS
from tests.helpers.planted_export import named, plant


def test_names_that_are_no_text_do_not_stop_an_export(tmp_path: Path) -> None:
    raw = base64.b64decode("YWL/").decode("utf-8", "surrogateescape")  # "ab" and a byte that begins no character
    source = plant(tmp_path, names=("photo",))
    image = replace(named(source, "photo"), id=raw, path=f"{raw}.png")
    index = [{**source.index[0], "id": raw, "file": f"{raw}.png"}]
    renamed = replace(source, corpus=replace(source.corpus, images=(image,)), index=index)
    (tmp_path / "images/photo.png").rename(tmp_path / "images" / f"{raw}.png")
    (tmp_path / "masks/photo.png").rename(tmp_path / "masks" / f"{raw}.png")
    for name, export in FORMATS.items():
        if name not in ("points", "cog", "certainty", "video"):  # of other images
            assert export(renamed, tmp_path / "out") >= 1
    assert (
        json.loads((tmp_path / "out/coco/annotations.json").read_text("utf-8"))["images"][0]["file_name"] == "ab?.png"
    )
