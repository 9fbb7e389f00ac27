"""Images beside their labels."""

from pathlib import Path

import pytest

from segpipe.base.errors import CorpusError
from segpipe.stages.export.formats import fiftyone
from tests.helpers.planted_export import plant

PHOTOS = ("photo", "photo.2", "sub dir/=3+1", "rotated/ü 1")


def test_images_that_are_gone_are_named(tmp_path: Path) -> None:
    source = plant(tmp_path, names=PHOTOS)
    (tmp_path / "images/photo.png").unlink()
    with pytest.raises(CorpusError, match=r"photo\.png does not exist any more; .*export\.images=none"):
        fiftyone.export_fiftyone(source, tmp_path)
