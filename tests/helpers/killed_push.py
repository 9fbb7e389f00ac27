"""Runs `segpipe` and kills itself with SIGKILL when half of an artefact's files are on the object store.

Started by test_object_store_run.py, never imported. Usage: python killed_push.py ARTEFACT segpipe-arguments...
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from segpipe.base import object_store
from segpipe.base.remote_path import RemotePath
from segpipe.cli.entry import main


def arm(artefact: str) -> None:
    put, written = object_store.put, list[str]()

    def dying(path: RemotePath, content: bytes | Path, **options: Any) -> str:
        if f"/{artefact}/" in str(path):
            written.append(path.name)
            if len(written) > 4:
                os.kill(os.getpid(), signal.SIGKILL)
        return put(path, content, **options)

    object_store.put = dying


if __name__ == "__main__":
    arm(sys.argv[1])
    main(sys.argv[2:])
