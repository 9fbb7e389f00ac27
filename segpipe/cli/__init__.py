"""the `segpipe` command. Arguments, exit codes, progress on the terminal."""

from segpipe.cli.entry import main

__all__ = ["main"]
