"""The engine Ray, run for real: a cluster of this machine, one of its workers killed in the middle."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segpipe import pipeline
from segpipe.base.errors import MachineError
from segpipe.base.runtime import no_track
from segpipe.commands.run.engine_ray import run_on_ray
from tests.helpers.parted_run import artefact, copied, do, merge, plan_reef, settings_of, small_shards

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (extra `ray`)")


def kill_one(run: Path) -> int:
    """Kill the first process that has a lease of a part; 0 where none had within a while."""
    until = time.monotonic() + 600
    while time.monotonic() < until:
        for path in run.glob("parts/extract/*/0*.lease"):
            try:
                process = int(json.loads(path.read_text())["owner"].split(":")[1])
            except (OSError, ValueError, KeyError):
                continue
            os.kill(process, signal.SIGKILL)
            return process
        time.sleep(0.005)
    return 0


@needs_ray
def test_a_worker_that_is_killed_changes_no_byte(tmp_path: Path) -> None:
    run = plan_reef(tmp_path, "run", parts=6)
    with small_shards():
        do(run, "extract", "2/6")  # lays out
    other = copied(run, tmp_path / "other")
    command = [sys.executable, "-m", "segpipe", "run", str(tmp_path / "images"), str(run), "--to", "extract", "-q"]
    started = subprocess.Popen(
        [*command, "--engine", "ray", "--engine-workers", "2"], stderr=subprocess.PIPE, text=True
    )
    killed = kill_one(run)
    said = started.communicate(timeout=900)[1]
    assert killed != 0
    assert started.returncode == 0, said
    assert not list(run.glob("*.partial"))
    do(other, "extract", "auto")
    merge(other)
    assert artefact(run, "features") == artefact(other, "features")
    records = list((run / "parts" / "extract").glob("*/*.json"))
    assert len(records) == 6


def test_without_ray_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    run = plan_reef(tmp_path, "run", parts=2, images=2)
    run_dir, settings = settings_of(run)
    with pytest.raises(MachineError, match=r"engine=ray needs Ray: `pip install 'segpipe\[ray\]'`"):
        run_on_ray(run_dir, settings, no_track, stages=(None, "extract"), force=(), address=None, workers=1)
    assert not pipeline.existing_run(run).has("features")
