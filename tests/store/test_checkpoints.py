from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from segpipe.base.errors import UsageError
from segpipe.store.checkpoints import load_tensors, save_tensors


def test_tensors_and_facts_read_back_and_equal_contents_give_equal_bytes(tmp_path: Path) -> None:
    tensors = {"b": torch.randn(3, 4).T, "a": torch.tensor(7.0), "n": torch.arange(3)}
    for name in ("one", "two"):
        save_tensors(tmp_path / name, tensors, {"step": 12, "name": "é"})
    again, meta = load_tensors(tmp_path / "one")
    assert meta == {"step": 12, "name": "é"}
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    with pytest.raises(UsageError, match="missing"):
        load_tensors(path)
    for content in (b"", b"\x80\x04pickled", b"\xff" * 100):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="damaged"):
            load_tensors(path)
    save_file({"a": torch.zeros(2)}, path)  # of another program: no facts
    with pytest.raises(UsageError, match="not ours"):
        load_tensors(path)
