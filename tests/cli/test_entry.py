"""Every error ends in an exit code and one line."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from segpipe.base import errors
from segpipe.cli import app
from segpipe.cli.entry import run_cli


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (errors.UsageError("no such thing; name another"), 2, "error: no such thing; name another"),
        (errors.CorpusError("no image"), 3, "error: no image"),
        (errors.MachineError("no GPU"), 5, "error: no GPU"),
        (errors.LockedError("in use"), 6, "error: in use"),
        (errors.Stopped(15), 143, "stopped; the same command goes on from here"),
        (OSError(errno.ENOSPC, "full", "masks/a.png"), 5, "error: masks/a.png: no space left; free some, then"),
        (OSError(errno.EACCES, "no", "masks/a.png"), 5, "error: masks/a.png: no permission to read or write it"),
        (MemoryError(), 5, "error: this machine: the memory is short; fewer runtime.workers"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"), 2, "error: a/b: Not a directory; choose"),
        (
            errors.UsageError("no image a\x1b[31m\u202eb\udcff\n.png"),
            2,
            "error: no image a\\x1b[31m\\u202eb\\udcff\\n.png",
        ),
        (KeyError("a\nb"), 1, "internal error: KeyError: 'a\\nb'"),
        (ValueError("a\x1b\nb"), 1, "internal error: ValueError: a\\x1b\\nb; --debug"),
        (KeyError("x"), 1, "internal error: KeyError: 'x'; --debug shows where"),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_errors_become_exit_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
) -> None:
    def fail(arguments: object) -> int:
        raise error

    monkeypatch.setattr(app, "run", fail)
    assert run_cli(["show", "x"]) == code
    err = capsys.readouterr().err
    assert err.startswith(said)
    assert err.count("\n") <= 1


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(app, "run", lambda arguments: 1 / 0)
    assert run_cli(["show", "x", "--debug"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err.splitlines()[-2]


def test_a_traceback_keeps_its_lines_and_nothing_else_of_a_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(arguments: object) -> int:
        raise errors.UsageError("\x1b[2J")

    monkeypatch.setattr(app, "run", fail)
    assert run_cli(["show", "x", "--debug"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):\n")
    assert "\x1b" not in err


def test_what_was_typed_does_nothing_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["show", "x", "--\x1b[31m"], ["\x1b[31m"], ["show", "\x1b[31m\n"], ["show", "\u202ex"]):
        assert run_cli(arguments) == 2
        err = capsys.readouterr().err
        assert "\x1b" not in err
        assert "\u202e" not in err


def test_a_terminal_of_few_letters_gets_the_others_escaped(tmp_path: Path) -> None:
    code = "from segpipe.cli.entry import main; main(['show', '礁'])"
    env = {**os.environ, "PYTHONIOENCODING": "latin-1:strict", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: \\u7901 is not a run")


def test_a_wrong_flag_is_click_s_own_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["show", "x", "--colour"]) == 2
    assert "No such option" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("place", ["a pipe without reader", "a full disk", "closed"])
def test_the_exit_code_stays_where_nothing_can_be_said(tmp_path: Path, place: str) -> None:
    code = "from segpipe.cli.entry import main; main(['show', 'nothing'])"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command, how = [sys.executable, "-c", code], {"cwd": tmp_path, "env": env, "check": False}
    if place == "closed":
        done = subprocess.run(["sh", "-c", '"$@" >&- 2>&-', "sh", *command], **how)  # type: ignore[call-overload]
    else:
        read, write = os.pipe()
        os.close(read)
        outputs = os.open("/dev/full", os.O_WRONLY) if place == "a full disk" else write
        done = subprocess.run(command, stdout=outputs, stderr=outputs, **how)  # type: ignore[call-overload]
        for handle in {write, outputs}:
            os.close(handle)
    assert done.returncode == 2


def test_work_goes_on_where_nobody_reads_what_is_logged(tmp_path: Path) -> None:
    code = (
        "import logging\nfrom segpipe.cli import app, entry, terminal\n"
        "def work(arguments):\n"
        "    terminal.console(quiet=False, verbose=False)\n"
        "    for _ in range(3): logging.getLogger('segpipe').info('a line')\n"
        "    open('done', 'w').close()\n"
        "    return 4\n"
        "app.run = work\nentry.main([])"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=tmp_path, stderr=write, check=False)
    os.close(write)
    assert (tmp_path / "done").exists()
    assert done.returncode == 4


@pytest.mark.parametrize("command", [["sample", "photos", "out", "--count", "2"], ["backbones"]])
def test_results_that_nobody_reads_are_no_error(tmp_path: Path, command: list[str]) -> None:
    code = f"from segpipe.cli.entry import main; main({command})"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.stderr, done.returncode) == (b"", 0)
