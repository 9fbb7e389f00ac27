from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import MachineError
from segpipe.store.unit_files import drop_units, load_unit, save_unit, shared_file, unit_file


def test_arrays_come_back_and_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / unit_file("codes", 3)
    save_unit(path, codes=np.arange(6, dtype=np.float16).reshape(2, 3), name=np.array("a"))
    save_unit(tmp_path / shared_file("layout"), nothing=np.empty((0, 4)))
    found = load_unit(path)
    np.testing.assert_array_equal(found["codes"], [[0, 1, 2], [3, 4, 5]])
    assert (found["codes"].dtype, str(found["name"])) == (np.float16, "a")
    assert load_unit(path, "name").keys() == {"name"}
    assert load_unit(tmp_path / shared_file("layout"))["nothing"].shape == (0, 4)
    drop_units(tmp_path)
    assert list(tmp_path.iterdir()) == []
    drop_units(tmp_path)


def test_what_is_gone_or_damaged_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / unit_file("codes", 3)
    with pytest.raises(MachineError, match=r"000000003.npz is gone or damaged .* then run the same command again"):
        load_unit(path)
    save_unit(path, codes=np.arange(600))
    whole = path.read_bytes()
    path.write_bytes(whole[:300] + bytes([whole[300] ^ 1]) + whole[301:])
    with pytest.raises(MachineError, match=r"000000003.npz is gone or damaged \(Bad CRC-32"):
        load_unit(path)
