"""Signals of a command: one that comes during an import waits for it, one whose exception is lost is raised again."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from segpipe.cli import signals
from tests.helpers import interrupted

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers")

BEGIN = """
import os, signal, sys, time
from segpipe.cli import app, entry, signals

def slow():
    while True:
        time.sleep(0.05)
"""


def run(tmp_path: Path, script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"{BEGIN}\n{script}\nentry.main(['doctor'])"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)])
def test_an_exception_that_python_drops_is_raised_again(tmp_path: Path, name: str, code: int) -> None:
    done = run(
        tmp_path,
        f"""
signals._LOST = 1000

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
    assert (done.stdout, done.returncode) == ("went on\n", code)
    assert done.stderr == "stopped; the same command goes on from here\n"


def test_an_exception_that_a_library_catches_is_raised_again(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
signals._LOST = 0.5

def work(arguments):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    except BaseException:
        print("went on", flush=True)
    slow()

app.run = work
""",
    )
    assert (done.stdout, done.returncode) == ("went on\n", 143)
    assert done.stderr == "stopped; the same command goes on from here\n"


def test_what_python_drops_of_others_is_still_told(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
class Broken:
    def __del__(self):
        raise ValueError("of a destructor")

def work(arguments):
    broken = Broken()
    del broken

app.run = work
""",
    )
    assert done.returncode == 0
    assert "ValueError: of a destructor" in done.stderr


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


def test_a_terminal_that_ends_does_not_end_what_nohup_began(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does

def work(arguments):
    os.kill(os.getpid(), signal.SIGHUP)
    time.sleep(0.05)
    print("went on", flush=True)
    return 0

app.run = work
""",
    )
    assert (done.stdout, done.stderr, done.returncode) == ("went on\n", "", 0)


def test_a_terminal_that_is_gone_is_no_error_on_the_way_out(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
def work(arguments):
    os.dup2(os.open("/dev/full", os.O_WRONLY), 2)  # whatever is written there fails
    os.kill(os.getpid(), signal.SIGHUP)
    slow()

app.run = work
""",
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 129)


def test_ctrl_c_at_any_moment_of_workers_that_start_ends_the_command() -> None:
    command = [sys.executable, "-m", interrupted.__name__]
    root = Path(__file__).parents[2]
    counted = subprocess.run([*command, "0"], cwd=root, capture_output=True, text=True, timeout=60, check=True)
    calls = int(counted.stdout.split()[2])
    moments = [1 + calls * i // 44 for i in range(44)]
    done = subprocess.run(
        [*command, *map(str, moments)], cwd=root, capture_output=True, text=True, timeout=600, check=True
    )
    codes = [line.split()[1] for line in done.stdout.splitlines() if "calls" not in line]
    assert codes[:40] == ["130"] * 40
    assert set(codes[40:]) <= {"130", "0"}  # calls are not always as many: the last moments may never come
    assert done.stderr == "stopped; the same command goes on from here\n" * codes.count("130")


def test_a_signal_after_the_end_leaves_at_once_and_what_was_said_is_kept(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
import atexit
atexit.register(lambda: (os.kill(os.getpid(), signal.SIGINT), slow()))
app.run = lambda arguments: print("done") or 0
""",
    )
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 130)
