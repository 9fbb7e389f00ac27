"""Ordered parallel maps that hold only a bounded number of results, whatever the number of items."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def thread_map(function: Callable[[T], R], items: Iterable[T], *, workers: int, ahead: int) -> Iterator[R]:
    """`map` in threads, in order, at most `ahead` results in waiting. For work that releases the GIL."""
    with ThreadPoolExecutor(workers) as pool:
        yield from _bounded(pool, function, items, max(ahead, workers))


@contextmanager
def torch_alone() -> Iterator[None]:
    """Keep torch to one thread in the calling thread, and in threads that begin meanwhile.

    For small operations, whose threads would wait for each other longer than they compute, and for sums that do not
    depend on the machine.
    """
    import torch  # seconds to import

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def process_map(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    workers: int,
    initializer: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
) -> Iterator[R]:
    """`map` in worker processes, in order, at most four results a worker in waiting.

    Processes are spawned, never forked: torch and OpenCV hold threads that do not survive a fork. `initializer`
    runs once in each worker. With one worker everything runs in this process and no process is started.
    """
    if workers <= 1:
        if initializer is not None:
            initializer(*arguments)
        yield from map(function, items)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (initializer, arguments)) as pool:
        yield from _bounded(pool, function, items, 4 * workers)


def _start_worker(initializer: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends the pool
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*arguments)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever and write beside the next attempt."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _bounded(pool: Executor, function: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
