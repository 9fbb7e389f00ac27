import shutil
from pathlib import Path

import pytest

from segpipe.commands.view.class_samples import ClassSamples
from segpipe.commands.view.opened_run import NotHere, OpenedRun
from tests.helpers.view_run import IMAGES, K


def test_each_cluster_has_its_best_patches(finished: Path) -> None:
    run = OpenedRun(finished)
    samples = ClassSamples(run)
    for k in range(K):
        found = samples.of(k)
        assert found["patches"]
        for patch in found["patches"]:
            size = run.corpus.images[patch["image"]].size
            assert 0 <= patch["top"] < patch["top"] + patch["height"] <= size.height
            assert 0 <= patch["left"] < patch["left"] + patch["width"] <= size.width
        assert len(found["images"]) <= IMAGES
        image, share = found["images"][0]
        entry = run.mask_index[run.corpus.images[image].id]["pixels"]
        assert share == pytest.approx(entry[str(k)] / sum(entry.values()), abs=1e-4)
    with pytest.raises(NotHere):
        samples.of(K)


def test_without_features_the_images_are_told_all_the_same(reef: Path) -> None:
    shutil.rmtree(reef / "features")
    found = ClassSamples(OpenedRun(reef)).of(0)
    assert found["patches"] == []
    assert found["images"]
    assert "features" in found["note"]
