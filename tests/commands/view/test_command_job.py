import sys
from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.commands.view import command_job
from segpipe.commands.view.command_job import CommandJob, plain_line, progress_of


def test_a_job_that_ends_well_says_so() -> None:
    ended = list[str]()
    job = CommandJob("segpipe backbones", ["backbones"], lambda: ended.append("yes"))
    job.wait()
    assert (ended, job.failed, job.running) == (["yes"], None, False)


def test_a_job_that_fails_tells_its_line(tmp_path: Path) -> None:
    ended = list[str]()
    job = CommandJob("segpipe show", ["show", str(tmp_path)], lambda: ended.append("yes"))
    job.wait()
    assert ended == []
    assert "is not a run" in str(job.state()["failed"])


def test_what_comes_after_may_fail_too() -> None:
    def finished() -> None:
        raise UsageError("the disk went away")

    job = CommandJob("segpipe backbones", ["backbones"], finished)
    job.wait()
    assert job.failed == "the disk went away"


def test_a_job_can_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = command_job.subprocess.Popen
    code = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(command_job.subprocess, "Popen", lambda _, **options: begun(code, **options))
    job = CommandJob("long", [], lambda: None)
    job.stop()
    assert not job.running
    assert job.failed


def test_lines_of_a_terminal_become_plain() -> None:
    assert (
        plain_line(b"\x1b[2K\x1b[1;35mimages\x1b[0m \xe2\x94\x81\xe2\x95\xb8  3/10 \x1b]8;;\x07") == "images ━╸  3/10"
    )
    assert progress_of("refine   up to date") is None
    assert progress_of("images ━━━━━━╸   3/10 1.2/s") == ("images", 3, 10)
    assert progress_of("image parts ---- 12/400") == ("image parts", 12, 400)
