"""Parallel maps in order that hold a bounded number of results, and a team of threads for compiled loops."""

from __future__ import annotations

import itertools
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar

from segpipe.base.errors import MachineError
from segpipe.base.guarded import Gone, Guards

T = TypeVar("T")
R = TypeVar("R")


def thread_map(function: Callable[[T], R], items: Iterable[T], *, workers: int, ahead: int) -> Iterator[R]:
    """`map` in threads, in order, at most `ahead` results in waiting. For work that releases the GIL."""
    with ThreadPoolExecutor(workers) as pool:
        yield from _bounded(pool, function, items, max(ahead, workers))


def read_ahead(items: Iterable[T], *, ahead: int) -> Iterator[T]:
    """The items in order, taken by a thread of their own, at most `ahead` of them in waiting.

    For an iterator that computes while its consumer does, such as one that decodes a video. Closing this generator
    ends the thread and closes the iterator.
    """
    line: queue.Queue[tuple[bool, Any]] = queue.Queue(max(1, ahead))
    ended = threading.Event()

    def offer(entry: tuple[bool, Any]) -> bool:
        while not ended.is_set():
            try:
                line.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def take() -> None:
        source = iter(items)
        try:
            for item in source:
                if not offer((True, item)):
                    break
            else:
                offer((False, None))
        except BaseException as error:  # it is raised again where the items are used
            offer((False, error))
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    try:
        while True:
            more, item = line.get()
            if not more:
                if item is not None:
                    raise item
                return
            yield item
    finally:
        ended.set()
        thread.join()


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
    processes: Guards | None = None,
) -> Iterator[R]:
    """`map` in worker processes, in order, at most four results a worker in waiting.

    Processes begin afresh and are never forked: torch and OpenCV hold threads that do not survive a fork. `initializer`
    runs once in each worker. With one worker everything runs in this process and no process is started.

    `processes`: of who maps several times, who has given them their initializer and closes them; else they are begun
    here and end with the map.

    Raises:
        MachineError: a worker ended abruptly, or none can be started.
    """
    prepare = None if initializer is None else partial(initializer, *arguments)
    if workers <= 1:
        if prepare is not None:
            prepare()
        yield from map(function, items)
        return
    try:
        with Guards(None, prepare) if processes is None else nullcontext(processes) as team:
            yield from thread_map(partial(team.call, function), items, workers=workers, ahead=4 * workers)
    except Gone as gone:
        raise MachineError(
            f"a worker process ended abruptly ({gone}): the memory may be full; fewer runtime.workers take less"
        ) from gone


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


class ThreadTeam:
    """Threads that share out compiled work on arrays, which must release the GIL. With one thread it runs here.

    An image of the CRF shares out work some forty times: threads wait at locks of their own, which wakes them in a
    third of the time that an executor takes.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._work: Callable[[], None] | None = None
        self._errors: list[BaseException] = []
        self._others = [_Worker(self._join_in) for _ in range(threads - 1)]

    def __enter__(self) -> ThreadTeam:
        return self

    def __exit__(self, *exception: object) -> None:
        self._work = None
        for other in self._others:
            other.begin.release()
        for other in self._others:
            other.thread.join()

    def calls(self, function: Callable[..., R], calls: Sequence[tuple[Any, ...]]) -> list[R]:
        """`function(*arguments)` for every call, side by side; results in order."""
        others = self._others[: max(0, len(calls) - 1)]
        if not others:
            return [function(*arguments) for arguments in calls]
        results: dict[int, R] = {}
        places = iter(range(len(calls)))  # each is taken once: the GIL sees to it

        def work() -> None:
            for place in places:
                results[place] = function(*calls[place])

        self._work, self._errors = work, []
        for other in others:
            other.begin.release()
        try:
            work()  # the calling thread takes its share: waking another takes longer than many a call
        finally:
            for other in others:
                other.end.acquire()
        if self._errors:
            raise self._errors[0]
        return [results[place] for place in range(len(calls))]

    def _join_in(self) -> bool:
        """What a thread does when it is woken; whether it will be needed again."""
        if self._work is None:
            return False
        try:
            self._work()
        except BaseException as error:  # it is raised again where the work was shared out
            self._errors.append(error)
        return True

    def ranges(self, function: Callable[..., None], *arguments: Any, count: int) -> None:
        """`function(*arguments, first, last)` on ranges that together are 0 to `count` - 1."""
        parts = min(count, 1 if self.threads == 1 else 8 * self.threads)  # a thread that is held up does fewer
        cuts = [count * part // max(1, parts) for part in range(parts + 1)]
        self.calls(function, [(*arguments, first, last) for first, last in itertools.pairwise(cuts)])


class _Worker:
    """A thread of a team, and the locks at which the two wait for each other."""

    def __init__(self, join_in: Callable[[], bool]) -> None:
        self.begin, self.end = threading.Lock(), threading.Lock()
        self.begin.acquire()
        self.end.acquire()
        self.thread = threading.Thread(target=self._run, args=(join_in,), daemon=True)
        self.thread.start()

    def _run(self, join_in: Callable[[], bool]) -> None:
        while True:
            self.begin.acquire()
            if not join_in():
                return
            self.end.release()
