"""The `segpipe` command: arguments, exit codes, progress on the terminal."""

from segpipe.cli.entry import main

__all__ = ["main"]
