"""Threads of processes that refine: images are shared out among processes, so that each takes one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
from threadpoolctl import threadpool_limits


def take_one_thread() -> None:
    """One thread for torch, OpenCV and BLAS of this process from now on."""
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    threadpool_limits(1)


@contextmanager
def threads_restored() -> Iterator[None]:
    """Put this process's thread counts back afterwards: with one worker `take_one_thread` runs here."""
    import torch

    of_torch, of_cv2 = torch.get_num_threads(), cv2.getNumThreads()
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(of_torch)
        cv2.setNumThreads(of_cv2)
