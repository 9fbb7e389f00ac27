"""Where what was fetched of object stores lies on this machine, and how much of it there may be."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from segpipe.base.errors import MachineError, UsageError

FOLDER, LIMIT = "SEGPIPE_CACHE", "SEGPIPE_CACHE_GB"
"""Variables of the environment: they say something of the machine, and nothing of a result."""
RUNS, NOTE = "runs", ".remote"
"""In the folder: copies of runs, each with a file that says which run it is a copy of."""
_GIGABYTES = 4.0


def cache_folder() -> Path:
    """The folder, which is made: SEGPIPE_CACHE, or one of this user's in the system's temporary folder.

    Raises:
        MachineError: it cannot be made, or is another user's.
    """
    given, folder = os.environ.get(FOLDER), _folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.stat().st_uid
    except OSError as error:
        raise MachineError(f"{folder} cannot be made ({error.strerror}); let {FOLDER} name another one") from error
    if not given and owner != os.getuid():
        raise MachineError(f"{folder} is another user's; let {FOLDER} name a folder of yours")
    return folder


def _folder() -> Path:
    given = os.environ.get(FOLDER)
    folder = Path(given).expanduser() if given else Path(tempfile.gettempdir()) / f"segpipe-cache-{os.getuid()}"
    return folder.absolute()


def by_url(text: str) -> str:
    """A message in which runs on object stores are called as a person calls them, and not by their copies."""
    home = str(_folder() / RUNS)
    if home not in text:
        return text

    def url(found: re.Match[str]) -> str:
        try:
            return Path(home, found[1], NOTE).read_text("utf-8", "surrogateescape").strip()
        except OSError:
            return found[0]

    return re.sub(rf"{re.escape(home)}/([^/\s]+\.[0-9a-f]{{16}})", url, text)


def cache_bytes() -> int:
    """How much fetched images may take together: SEGPIPE_CACHE_GB gigabytes, 4 where that is not set.

    Raises:
        UsageError: it is no number above 0.
    """
    given = os.environ.get(LIMIT, "")
    try:
        gigabytes = float(given) if given else _GIGABYTES
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes < 1e9:
        raise UsageError(f"{LIMIT}={given} is no number of gigabytes; give one above 0, such as {_GIGABYTES:g}")
    return int(gigabytes * 1e9)
