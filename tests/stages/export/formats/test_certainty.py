"""How sure masks are, as pictures: copied, painted, of mosaics in tiles."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.stages import export
from segpipe.stages.export.formats.certainty import export_certainty
from segpipe.store import masks
from segpipe.store.certainty import certainty_path, write_certainty
from segpipe.store.run_dir import RunDir
from tests.helpers.export_run import SIZES
from tests.helpers.planted_export import in_tiles, named, plant


def test_certainty_is_copied_and_painted(run_dir: RunDir) -> None:
    directory, rng = run_dir.root / "masks", np.random.default_rng(1)
    index = masks.load_index(directory)
    maps = {}
    for entry in index:
        for kind in ("margin", "entropy"):
            maps[kind, entry["id"]] = rng.integers(0, 256, (entry["height"], entry["width"])).astype(np.uint8)
            write_certainty(certainty_path(directory, kind, entry["id"]), maps[kind, entry["id"]])
    masks.save_index(directory, [{**entry, "margin": {}, "entropy": 0.5} for entry in index])
    summary = export.run(export.Config(formats=("certainty",)), run_dir, Runtime(workers=2))
    assert summary.files == {"certainty": 9}
    out = run_dir.path("export") / "certainty"
    for (kind, image_id), values in maps.items():
        with Pillow.open(out / kind / f"{image_id}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture), values)
    for image_id in SIZES:
        with Pillow.open(out / "color" / f"{image_id}.png") as picture:
            painted = np.asarray(picture).astype(int)
        assert painted[0, 0].tolist() == [128, 128, 128]  # no data there
        values = maps["entropy", image_id]
        seen = np.indices(values.shape).sum(0) > 0
        bright, dark = (painted[where & seen].sum(-1) for where in (values > 200, values < 50))
        if len(bright) and len(dark):
            assert bright.min() > dark.max()


def test_masks_that_came_without_certainty_say_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"came without it; .*`segpipe refine RUN --set refine\.certainty=true`"):
        export_certainty(plant(tmp_path, names=("photo",)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_of_a_mosaic_the_tiles_are_copied_and_nothing_is_painted(tmp_path: Path) -> None:
    source = in_tiles(plant(tmp_path, names=("photo",)), "photo", 32)
    image = named(source, "photo")
    expected = {}
    for box in source.pieces(image):
        for value, kind in enumerate(("margin", "entropy")):
            path = certainty_path(source.directory, kind, image.id, box)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_certainty(path, np.full((box.height, box.width), 10 * value + box.top + box.left, np.uint8))
            expected[path.relative_to(source.directory)] = path.read_bytes()
    assert len(expected) == 8
    told = [{**entry, "margin": {}, "entropy": 0.5} for entry in source.index]
    assert export_certainty(replace(source, index=told), tmp_path / "out") == 8
    files = {path.relative_to(tmp_path / "out"): path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in files.items()} == expected
