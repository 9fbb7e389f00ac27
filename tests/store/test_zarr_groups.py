import json
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segpipe.base.errors import MachineError, SegpipeError, UsageError
from segpipe.store.zarr_groups import open_group, read_array


@pytest.fixture
def group(tmp_path: Path) -> Path:
    path = tmp_path / "store.zarr"
    zarr.create_group(path).create_array("grids", data=np.arange(12, dtype=np.uint16), chunks=(4,))
    return path


def test_what_is_there_is_read(group: Path) -> None:
    assert read_array(open_group(group, "r"), "grids", slice(2, 6), group).tolist() == [2, 3, 4, 5]


def test_a_missing_group_and_a_damaged_one_are_told_apart(group: Path) -> None:
    with pytest.raises(UsageError, match="is not a feature store"):
        open_group(group.with_name("none"), "r")
    (group / "zarr.json").write_text('{"zarr_format": 3, "node_', "utf-8")
    with pytest.raises(MachineError, match=r"bytes changed on disk .* extract again"):
        open_group(group, "r")
    (group / "zarr.json").unlink()
    with pytest.raises(UsageError, match="is not a feature store"):
        open_group(group, "r")


def test_codecs_that_are_not_ours_are_never_decoded(group: Path) -> None:
    path = group / "grids" / "zarr.json"
    said = json.loads(path.read_text("utf-8"))
    shards = {"chunk_shape": [2], "codecs": [{"name": "bytes"}, {"name": "vlen-utf8"}]}
    said["codecs"] = [{"name": "sharding_indexed", "configuration": shards}]
    path.write_text(json.dumps(said), "utf-8")
    with pytest.raises(MachineError, match=r"grids: bytes changed on disk \(packed by 'vlen-utf8'\)"):
        open_group(group, "r")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["zarr.json", "grids/zarr.json", "grids/c/0"]), st.integers(0, 10**6), st.integers(0, 256))
def test_damage_is_one_line_or_seen_in_values(group: Path, name: str, place: int, value: int) -> None:
    """256 stands for a file that is cut at the place."""
    path = group / name
    whole = path.read_bytes()
    place %= len(whole)
    path.write_bytes(whole[:place] if value == 256 else whole[:place] + bytes([value]) + whole[place + 1 :])
    said = ""
    try:
        read_array(open_group(group, "r"), "grids", slice(None), group)
    except SegpipeError as error:
        said = str(error)
    finally:
        path.write_bytes(whole)
    assert "\n" not in said
    assert not said or "store.zarr" in said
