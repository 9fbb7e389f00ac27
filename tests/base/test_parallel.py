import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator

import pytest

from segpipe.base.errors import MachineError
from segpipe.base.guarded import Guards
from segpipe.base.parallel import ThreadTeam, process_map, read_ahead, thread_map


def _square(x: int) -> int:
    return x * x


def _slow_first(x: int) -> int:
    time.sleep(0.05 if x == 0 else 0)
    return x


def _fail(x: int) -> int:
    if x == 2:
        raise ValueError("two")
    return x


_added = 0


def _add(amount: int) -> None:
    global _added
    _added = amount


def _plus(x: int) -> int:
    return x + _added


def _pid(x: int) -> int:
    return os.getpid()


def test_threads_keep_the_order() -> None:
    assert list(thread_map(_slow_first, range(20), workers=4, ahead=8)) == list(range(20))


def test_threads_read_only_so_far_ahead() -> None:
    taken: list[int] = []

    def items() -> object:
        for i in range(100):
            taken.append(i)
            yield i

    results = thread_map(_square, items(), workers=2, ahead=5)  # type: ignore[arg-type]
    assert next(results) == 0
    assert len(taken) <= 6
    results.close()  # type: ignore[attr-defined]


def test_an_error_reaches_the_caller() -> None:
    with pytest.raises(ValueError, match="two"):
        list(thread_map(_fail, range(5), workers=2, ahead=2))


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_keep_order_and_initialise(workers: int) -> None:
    assert list(process_map(_plus, range(12), workers=workers, initializer=_add, arguments=(10,))) == list(
        range(10, 22)
    )
    _add(0)


def test_processes_that_are_given_serve_several_maps() -> None:
    with Guards(None) as team:
        first, second = (set(process_map(_pid, range(4), workers=2, processes=team)) for _ in range(2))
        assert second <= first
        assert os.getpid() not in first
    with pytest.raises(MachineError, match="the processes are closed"):
        list(process_map(_pid, range(4), workers=2, processes=team))


def test_processes_are_others() -> None:
    assert os.getpid() not in set(process_map(_pid, range(4), workers=2))


def test_reading_ahead_keeps_the_order_and_is_bounded() -> None:
    taken: list[int] = []
    closed: list[bool] = []

    def items() -> Iterator[int]:
        try:
            for i in range(100):
                taken.append(i)
                yield i
        finally:
            closed.append(True)

    results = read_ahead(items(), ahead=3)
    assert next(results) == 0
    time.sleep(0.2)
    assert len(taken) <= 6  # one with the consumer, three in waiting, one in hand
    results.close()  # type: ignore[attr-defined]
    assert closed == [True]
    assert list(read_ahead(range(50), ahead=4)) == list(range(50))


def test_an_error_while_reading_ahead_reaches_the_consumer() -> None:
    with pytest.raises(ValueError, match="two"):
        list(read_ahead(map(_fail, range(5)), ahead=2))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 5, 1000])
def test_a_crew_covers_every_index_once_and_keeps_the_order_of_results(threads: int, count: int) -> None:
    seen = [0] * count

    def work(step: int, first: int, last: int) -> None:
        for i in range(first, last):
            seen[i] += step

    with ThreadTeam(threads) as team:
        team.ranges(work, 2, count=count)
        assert team.calls(_square, [(x,) for x in range(count)]) == [x * x for x in range(count)]
    assert seen == [2] * count


@pytest.mark.parametrize("threads", [1, 2])
def test_a_crew_says_what_went_wrong(threads: int) -> None:
    with ThreadTeam(threads) as team:
        with pytest.raises(ValueError, match="two"):
            team.calls(_fail, [(1,), (2,), (3,)])
        assert team.calls(_fail, [(x,) for x in (5, 6, 7)]) == [5, 6, 7]  # and goes on


def end_abruptly(item: int) -> int:
    os._exit(9)


def be_ended(item: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return item


@pytest.mark.parametrize(
    ("how", "said"), [(end_abruptly, r"abruptly \(it crashed \(exit code 9\)\)"), (be_ended, "ended")]
)
def test_a_worker_that_ends_abruptly_is_said_with_what_may_be_done(how: Callable[[int], int], said: str) -> None:
    with pytest.raises(MachineError, match=rf"a worker process .*{said}.*[Ff]ewer runtime.workers take less") as raised:
        list(process_map(how, range(2), workers=2))
    assert "\n" not in str(raised.value)


def test_where_an_error_of_a_worker_was_raised_is_kept_for_debug() -> None:
    with pytest.raises(ValueError, match="two") as raised:
        list(process_map(_fail, range(5), workers=2))
    assert "in _fail" in "".join(traceback.format_exception(raised.value))
