import os

import pytest
import torch

from segpipe.base.errors import MachineError
from segpipe.base.runtime import Runtime, cpu_count, no_track, pick_device


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
