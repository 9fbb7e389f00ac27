"""Units of new images: what is written of which, and what comes of all together."""

from pathlib import Path

import pytest

from segpipe.base.runtime import Runtime
from segpipe.commands.model import predict as applying
from segpipe.commands.model.apply_work import FORMATS, Applying
from segpipe.commands.model.mask_writing import ApplyTask
from segpipe.records.corpus import Rejected
from segpipe.stages import export

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_units_are_files_and_their_rows_are_joined_in_order(
    whole: tuple[Path, Path], reef: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (first, *_) = sorted(reef.glob("reef*.jpg"))
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (images / name).write_bytes(first.read_bytes() if name != "b.jpg" else b"junk")
    with applying.open_model(whole[1], Runtime()) as model:
        task = ApplyTask(model, export.Config(formats=("color", "classes")), Runtime())
        work = Applying(task, tmp_path / "begun", lambda: applying.list_new(str(images), model))
        work.lay_out()
        assert work.units == 3
        work.write(range(2, 3))
        assert work.names(range(2, 3)) == [".checked/000000002-000000003.jsonl", "masks/c.png"]
        assert [path.stem for path in (tmp_path / "begun" / FORMATS / "color").glob("*")] == ["c"]
        done, rejected, counts = work.joined()
    assert [entry["image"]["id"] for entry in done] == ["a", "c"]
    assert [(type(each), each.path) for each in rejected] == [(Rejected, "b.jpg")]
    assert counts == {"color": 2}
