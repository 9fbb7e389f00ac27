"""Options of `segpipe view`."""

from __future__ import annotations

from pathlib import Path

from segpipe.base.options import Options, argument, option


class ViewOptions(Options):
    """Look at RUN in a browser: name, merge, correct.

    A page on this machine alone shows all images and their classes at any size, names and merges classes, splits
    them, finds what is alike, and takes labelled points; every action can be undone and shows the command that does
    the same. Ctrl-C ends it.
    """

    run: Path = argument("the run directory", metavar="RUN")
    beside: Path | None = option(None, "a second run, shown beside RUN and not changed", metavar="RUN2")
    port: int = option(0, "port on 127.0.0.1; 0 = one that is free", limits={"ge": 0, "le": 65535})
    no_open: bool = option(False, "print the address alone and open no browser")
