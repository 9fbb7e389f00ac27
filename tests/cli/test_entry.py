"""Every error ends in an exit code and one line."""

import errno

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


def test_a_wrong_flag_is_click_s_own_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["show", "x", "--colour"]) == 2
    assert "No such option" in capsys.readouterr().err
