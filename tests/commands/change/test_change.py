"""What `segpipe change` says and returns."""

from pathlib import Path

from segpipe.base.options import make
from segpipe.commands.change import COMMAND
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.run import ChangeResult
from tests.commands.change.test_text import comparison


def test_sentences_in_the_terminal_and_rows_in_python() -> None:
    found = ChangeResult(comparison(300).cover.rows, ("Something changed.",), Path("out"))
    lines = COMMAND.report(found, make(ChangeOptions, {"run_a": "r", "second": "s", "out": "out"})).lines
    assert lines == ["Something changed.", "page     out/index.html"]
    rows = COMMAND.value(found)
    assert rows[0]["name"] == "class 0"
    assert rows[0]["verdict"] == "less"
