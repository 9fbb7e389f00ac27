"""Runs `segpipe pretrain` and kills itself with SIGKILL: `python killed_pretrain.py CHECKPOINTS arguments...`.

After so many checkpoints it dies while it writes the next one.
"""

import os
import signal
import sys
from typing import Any

from segpipe.base import files
from segpipe.cli.entry import main
from segpipe.commands.pretrain import training_loop


def arm(checkpoints: int) -> None:
    save, sync, done = training_loop.save_state, files.sync, [0]

    def die(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def armed(*arguments: Any, **more: Any) -> None:
        if done[0] == checkpoints:
            files.sync = die  # type: ignore[assignment]  # the file is written and has not taken its name
        save(*arguments, **more)
        done[0] += 1

    training_loop.save_state = armed
    files.sync = sync


if __name__ == "__main__":
    arm(int(sys.argv[1]))
    main(sys.argv[2:])
