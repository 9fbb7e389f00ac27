from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import MachineError
from segpipe.store.scratch import Scratch


def test_what_is_added_is_read_in_fixed_blocks_at_every_pass_and_leaves_no_file(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(150_000, 3)).astype(np.float32)
    with Scratch(tmp_path, 3) as scratch:
        assert list(scratch.blocks()) == []
        for part in np.split(rows, [1, 70_000, 70_000]):
            scratch.add(part)
        assert len(scratch) == 150_000
        for _ in range(2):
            reads = list(scratch.blocks())
            blocks = [read() for read in reversed(reads)][::-1]  # in any order
            assert [len(block) for block in blocks] == [65_536, 65_536, 18_928]
            np.testing.assert_array_equal(np.concatenate(blocks), rows.astype(np.float16))
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Scratch(tmp_path, 3) as scratch:
        scratch._file.close()
        scratch._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115, PTH123
        with pytest.raises(MachineError, match="cannot keep codes"):
            scratch.add(np.ones((2, 3)))
