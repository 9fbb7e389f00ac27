from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.commands.pretrain.output import begin, read_rejected, read_settings, write_rejected
from segpipe.records.corpus import Rejected


def test_settings_come_back_and_what_was_there_is_cleared(tmp_path: Path) -> None:
    for name in ("backbone.safetensors", "history.jsonl", "card.md"):
        (tmp_path / name).write_text("old", "utf-8")
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "preview.png").write_text("kept", "utf-8")
    assert read_settings(tmp_path) == {}
    begin(tmp_path, {"items": 3, "global_scale": [0.4, 1.0], "licence": "ä"})
    assert read_settings(tmp_path) == {"items": 3, "global_scale": [0.4, 1.0], "licence": "ä"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["preview.png", "settings.yaml"]


@pytest.mark.parametrize("text", ["items: x", "[1]", "a: b"])
def test_damaged_settings_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.yaml").write_text(text, "utf-8")
    with pytest.raises(UsageError, match=r"settings\.yaml is damaged"):
        read_settings(tmp_path)


def test_skipped_files_come_back(tmp_path: Path) -> None:
    assert read_rejected(tmp_path) == ()
    write_rejected(tmp_path, [Rejected("a.jpg", "cut off")])
    assert read_rejected(tmp_path) == (Rejected("a.jpg", "cut off"),)
