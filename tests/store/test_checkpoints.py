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


def test_a_sealed_file_with_any_bit_flipped_is_damaged_or_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    tensors = {"step": torch.tensor(3), "head.weight": torch.randn(3, 5)}
    save_tensors(path, tensors, {"step": 3, "shifts": [["self", 0.25]]}, sealed=True)
    whole, same = path.read_bytes(), 0
    for bit in range(0, 8 * len(whole), 3):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        try:
            again, meta = load_tensors(path, sealed=True)
        except UsageError:
            continue
        same += 1
        assert meta == {"step": 3, "shifts": [["self", 0.25]]}
        assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())
    assert same < 100  # blanks at the end of the header
