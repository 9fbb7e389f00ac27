from pathlib import Path

import numpy as np
import pytest
import rasterio

from segpipe.base.geometry import Size
from segpipe.base.guarded import Guards
from segpipe.images import scaling
from segpipe.images.crop_plan import CropPlan
from segpipe.records.corpus import Image
from tests.helpers.digests import sha256_of

PLAN = CropPlan("whole", 448, 0.5, (), 1 << 20)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_percentiles_of_all_images_together_are_found_in_another_process_with_the_same_draws(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    images, stored = [], []
    for name in ("a.tif", "b.tif"):
        values = rng.normal(20_000, 3_000, (3, 150, 150)).clip(0, 65535).astype(np.uint16)
        with rasterio.open(
            tmp_path / name, "w", driver="GTiff", height=150, width=150, count=3, dtype="uint16"
        ) as file:
            file.write(values)
        stored.append(values)
        path = tmp_path / name
        images.append(Image(name[0], name, Size(150, 150), "uint16", sha256_of(path), path.stat().st_size))
    with Guards(1 << 30) as guards:
        found = scaling.find_scaling(images, tmp_path, tmp_path, plan=PLAN, guards=guards)
    exact = np.percentile(np.stack(stored), (0.5, 99.5))
    assert found["uint16"] == pytest.approx(tuple(exact), rel=0.02)
    draws, sample = np.random.default_rng(0), []
    draws.permutation(2)
    for image in images:
        values, draws = scaling._sample(image, tmp_path / image.path, tmp_path, PLAN, draws)
        sample.append(values)
    assert found["uint16"] == tuple(np.percentile(np.concatenate(sample), (0.5, 99.5)))
