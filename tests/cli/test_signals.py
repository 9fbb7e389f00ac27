"""Signals of a command: one that comes during an import waits for it, one whose exception is lost is raised again."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from segpipe.cli import signals

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers")

BEGIN = """
import os, signal, sys, time
from segpipe.cli import app, entry, signals

signals._LOST = 0.5

def slow():
    while True:
        time.sleep(0.05)
"""


def run(tmp_path: Path, script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"{BEGIN}\n{script}\nentry.main(['doctor'])"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_an_exception_that_is_lost_is_raised_again(tmp_path: Path, name: str, code: int) -> None:
    done = run(
        tmp_path,
        f"""
class Held:
    def __del__(self):  # Python drops exceptions of destructors
        os.kill(os.getpid(), signal.{name})
        time.sleep(0.05)

def work(arguments):
    held = Held()
    del held
    print("went on", flush=True)
    slow()

app.run = work
""",
    )
    assert done.stdout == "went on\n"
    assert done.returncode == code
    assert done.stderr.splitlines()[-1] == "stopped; the same command goes on from here"


def test_an_import_comes_to_its_end_first(tmp_path: Path) -> None:
    (tmp_path / "imported.py").write_text(
        "import os, signal, time\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "time.sleep(0.5)\n"
        "print('imported', flush=True)\n"
    )
    done = run(tmp_path, "def work(arguments):\n    import imported\n    slow()\n\napp.run = work")
    assert (done.stdout, done.returncode) == ("imported\n", 143)
    assert done.stderr == "stopped; the same command goes on from here\n"


def test_nothing_is_raised_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    armed: list[float] = []
    monkeypatch.setattr(signals, "_wake", armed.append)
    stopper = signals.Stopper()
    with pytest.raises(signals.Stopped) as stopped:
        stopper._stop(signal.SIGTERM, None)
    assert stopped.value.exit_code == 143
    stopper.done()
    assert armed == [signals._LOST, 0]
    stopper._again(signal.SIGALRM, None)
