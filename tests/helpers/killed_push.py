"""Runs `segpipe` and kills itself with SIGKILL when half of an artefact's files are on the object store.

Started by test_object_store_run.py, never imported. Usage: python killed_push.py ARTEFACT segpipe-arguments...
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from segpipe.base import object_store
from segpipe.base.remote_path import RemotePath
from segpipe.cli.entry import main

HALF = 3  # files that are there when it dies


def arm(artefact: str) -> None:
    put, written, one_by_one = object_store.put, list[str](), threading.Lock()

    def dying(path: RemotePath, content: bytes | Path, **options: Any) -> str:
        if f"/{artefact}/" not in str(path):
            return put(path, content, **options)
        with one_by_one:  # files go side by side: the fifth could begin before any of four had come
            if len(written) == HALF:
                os.kill(os.getpid(), signal.SIGKILL)
            found = put(path, content, **options)
            written.append(path.name)
            return found

    object_store.put = dying


if __name__ == "__main__":
    arm(sys.argv[1])
    main(sys.argv[2:])
