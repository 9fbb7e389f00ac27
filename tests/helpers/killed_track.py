"""Runs `segpipe track` and kills itself with SIGKILL: `python killed_track.py MOMENT arguments...`.

MOMENT: a number of masks after which it dies in the middle of writing, or `end`, when all is made and OUT is about to
appear, or `replacing`, when the change of an OUT that was there is decided and half of it done.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from segpipe.cli.entry import main
from segpipe.commands.track import follow, unfinished
from segpipe.store import transaction


def die(*arguments: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(moment: str) -> None:
    if moment == "end":
        unfinished._become = die  # type: ignore[assignment]
    elif moment == "replacing":
        move = transaction._move

        def move_then_die(staging: Path, root: Path, name: str) -> None:
            move(staging, root, name)
            if name == "masks":
                die()

        transaction._move = move_then_die
    else:
        write, left = follow.write_mask, [int(moment)]

        def write_then_die(path: Path, *arguments: Any, **more: Any) -> None:
            write(path, *arguments, **more)
            left[0] -= 1
            if not left[0]:
                die()

        follow.write_mask = write_then_die


if __name__ == "__main__":
    arm(sys.argv[1])
    main(sys.argv[2:])
