import subprocess
import sys

from segpipe.commands import COMMANDS
from segpipe.commands.view import COMMAND


def test_it_is_a_command_of_the_terminal() -> None:
    assert COMMAND in COMMANDS
    assert COMMAND.faces == ("terminal",)


def test_the_server_is_loaded_by_those_alone_who_serve() -> None:
    line = "import sys, segpipe.cli.app; print(*sorted({'starlette', 'uvicorn', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", line], check=True, capture_output=True, text=True).stdout == "\n"


def test_serving_needs_no_torch() -> None:
    line = "import sys, segpipe.commands.view.run; print(*sorted({'torch', 'faiss', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", line], check=True, capture_output=True, text=True).stdout == "\n"
