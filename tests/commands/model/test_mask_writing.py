"""Lines of masks that an interrupted call has left, and the folder that they lie in."""

from pathlib import Path

import pytest

from segpipe.base.runtime import Runtime
from segpipe.commands.model import predict as applying
from segpipe.commands.model.mask_writing import (
    JOURNAL,
    MASKS,
    ApplyTask,
    begin_folder,
    corpus_of,
    read_journal,
    write_masks,
)
from segpipe.records.corpus import Rejected
from segpipe.stages import export

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_what_another_bundle_began_is_deleted(tmp_path: Path) -> None:
    begin_folder(tmp_path / "begun", "one")
    (tmp_path / "begun" / JOURNAL).write_text('{"image": {"id": "a"}}\n{"image": {"id"')
    begin_folder(tmp_path / "begun", "one")
    assert read_journal(tmp_path / "begun") == {"a": {"image": {"id": "a"}}}
    begin_folder(tmp_path / "begun", "other")
    assert read_journal(tmp_path / "begun") == {}


def test_masks_under_the_ids_that_are_given(whole: tuple[Path, Path], reef: Path, tmp_path: Path) -> None:
    begin_folder(tmp_path, "one")
    with applying.open_model(whole[1], Runtime()) as model:
        listing = applying.list_new(str(reef / "bay"), model)
        task = ApplyTask(model, export.Config(), Runtime())
        (entry,) = write_masks(task, listing, tmp_path, known={}, ids=["named"])
        assert not isinstance(entry, Rejected)
        path = tmp_path / MASKS / "named.png"
        (corpus,) = corpus_of(model, listing.root, [entry], tmp_path).images
        assert (corpus.id, corpus.path) == ("named", listing.paths[0])
        path.unlink()
        assert list(write_masks(task, listing, tmp_path, known={"named": entry}, ids=["named"])) == [entry]
        assert not path.exists()  # it was known
