"""Threads of processes that refine."""

import cv2
import torch
from threadpoolctl import threadpool_info

from segpipe.stages.refine.threads import take_one_thread, threads_restored


def threads() -> set[int]:
    return {torch.get_num_threads(), cv2.getNumThreads(), *(each["num_threads"] for each in threadpool_info())}


def test_one_thread_is_taken_and_given_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threads_restored():
            take_one_thread()
            assert threads() == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
