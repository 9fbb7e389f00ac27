import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.stages import export
from segpipe.store import masks
from segpipe.store.certainty import certainty_path, write_certainty
from segpipe.store.run_dir import RunDir
from tests.helpers.export_run import SIZES


def test_certainty_is_copied_and_painted(run_dir: RunDir) -> None:
    with pytest.raises(UsageError, match="these masks came without it"):
        export.run(export.Config(formats=("certainty",)), run_dir, Runtime())
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
