from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from segpipe.base.errors import MachineError
from segpipe.store.zarr_rows import RowReader


@pytest.mark.parametrize("packed", [False, True])
def test_rows_are_those_that_zarr_wrote(tmp_path: Path, packed: bool) -> None:
    values = np.random.default_rng(0).normal(size=(7, 4, 3)).astype(np.float32)
    packing = [BloscCodec(cname="lz4", shuffle="noshuffle", clevel=1)] if packed else []
    array = zarr.open_group(tmp_path / "a.zarr", mode="w").create_array(
        "rows", shape=(9, 4, 3), dtype="float32", chunks=(1, 4, 3), shards=(3, 4, 3), fill_value=float("nan"),
        compressors=[*packing, Crc32cCodec()],
    )  # fmt: skip
    array[:7] = values
    read = RowReader(tmp_path / "a.zarr" / "rows", shape=(4, 3), dtype="float32", per_shard=3, packed=packed)
    for row in (6, 0, 5, 0):
        found = read(row)
        np.testing.assert_array_equal(found, values[row])
        assert not found.flags.writeable
    with pytest.raises(MachineError, match="row 8 was never written"):
        read(8)
    shard = tmp_path / "a.zarr" / "rows" / "c" / "1" / "0" / "0"
    raw = bytearray(shard.read_bytes())
    raw[10] ^= 1
    shard.write_bytes(raw)
    with pytest.raises(MachineError, match="bytes changed on disk"):
        read(3)
    (tmp_path / "a.zarr" / "rows" / "c" / "0" / "0" / "0").unlink()
    with pytest.raises(MachineError, match="a shard of features is missing"):
        RowReader(tmp_path / "a.zarr" / "rows", shape=(4, 3), dtype="float32", per_shard=3, packed=packed)(0)
