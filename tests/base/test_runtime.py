import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from segpipe.base.errors import MachineError
from segpipe.base.runtime import Runtime, cpu_count, make_runtime, no_track, pick_device
from segpipe.commands.demo.samples import write_photos


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_the_best_device_there_is(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device("auto") == expected
    assert pick_device("cpu") == "cpu"
    if cuda:
        assert pick_device("cuda:1") == "cuda:1"
    else:
        with pytest.raises(MachineError, match=r"runtime\.device=cuda:1 is not on this machine; here: cpu"):
            pick_device("cuda:1")
    with pytest.raises(MachineError, match="tpu"):
        pick_device("tpu")


def test_without_a_tracker_items_pass_through() -> None:
    assert list(no_track("abc", total=3, unit="letters")) == ["a", "b", "c"]
    assert list(Runtime().track(range(2), total=2, unit="numbers")) == [0, 1]


def test_only_processors_of_this_process_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 5, 9}, raising=False)
    assert cpu_count() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cpu_count() == 1


def test_the_best_device_is_looked_for_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    runtime = make_runtime("auto", 2)
    assert runtime.used == "cpu"
    assert runtime.device == runtime.used == "cuda"
    assert make_runtime("cpu").used == make_runtime("cpu").device == "cpu"
    with pytest.raises(MachineError, match="tpu"):
        make_runtime("tpu")


def test_stages_without_a_network_do_without_torch(tmp_path: Path) -> None:
    write_photos(tmp_path, count=2, seed=0)
    work = "import sys, segpipe; segpipe.index(sys.argv[1], sys.argv[2]); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", work, tmp_path / "images", tmp_path / "run"], check=True, timeout=120)
