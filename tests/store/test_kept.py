"""Kept classes on disk."""

from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.records.kept import KeptClasses
from segpipe.store.kept import FOLDER, forget_kept, kept_file, load_kept, save_kept


def test_they_come_back_with_what_was_fitted(tmp_path: Path) -> None:
    kept = KeptClasses("head", "clusters", 12, {"settings": {"blocks": [-1]}, "weights": "w"}, "/runs/a")
    (tmp_path / "fit.bin").write_bytes(b"123")
    assert load_kept(tmp_path / "run") is None
    save_kept(kept, tmp_path / "run", tmp_path / "fit.bin")
    assert load_kept(tmp_path / "run") == kept
    found = kept_file(tmp_path / "run", "fit.bin")
    assert found is not None
    assert found.read_bytes() == b"123"
    forget_kept(tmp_path / "run")
    assert load_kept(tmp_path / "run") is None
    assert kept_file(tmp_path / "run", "fit.bin") is None


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2}', '{"format": 1, "head": "h", "other": 1}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "classes.json").write_text(text)
    with pytest.raises(UsageError, match=r"classes\.json is damaged"):
        load_kept(tmp_path)
