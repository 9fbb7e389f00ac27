import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.commands.view.options import ViewOptions
from segpipe.commands.view.run import serve_run, serving
from tests.helpers.view_run import Client


def test_a_server_ends_with_its_block(finished: Path) -> None:
    with serving(finished) as (served, thread):
        assert Client(served).get("/a/api/state").status == 200
        assert served.address == f"http://127.0.0.1:{served.port}/?token={served.token}"
        assert len(served.token) >= 32
    assert not thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", served.port))


def test_every_server_has_a_token_of_its_own(finished: Path) -> None:
    with serving(finished) as (first, _), serving(finished) as (second, _):
        assert first.token != second.token
        answer = Client(second).ask("GET", "/a/api/state", headers={"X-Segpipe-Token": first.token})
        assert answer.status == 403


def test_a_port_that_is_taken_is_told(finished: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port={port} cannot be used"):
            serve_run(ViewOptions(run=finished, port=port, no_open=True))


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run"):
        serve_run(ViewOptions(run=tmp_path, no_open=True))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_it_without_an_error(finished: Path) -> None:
    command = [sys.executable, "-m", "segpipe", "view", str(finished), "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert re.match(r"http://127\.0\.0\.1:\d+/\?token=\S+  \(Ctrl-C ends it\)", process.stdout.readline())
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
