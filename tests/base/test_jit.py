import math
import threading
from pathlib import Path

import numpy as np
import pytest

from segpipe.base import jit


def test_compiled_code_divides_by_zero_as_numpy_does() -> None:
    @jit.compiled
    def divide(a, b):  # type: ignore[no-untyped-def]
        return a / b

    assert divide(1.0, 0.0) == math.inf
    assert math.isnan(divide(0.0, 0.0))
    assert divide(np.float32(1), np.float32(4)) == 0.25


def test_sums_in_another_order_are_exact_where_no_order_rounds() -> None:
    @jit.compiled_sums
    def add(values):  # type: ignore[no-untyped-def]
        total = 0.0
        for value in values:
            total += value
        return total

    assert add(np.arange(1001.0)) == 500_500


def test_compiled_code_lets_other_threads_run() -> None:
    @jit.compiled
    def wait(flag):  # type: ignore[no-untyped-def]
        turns = 0
        while flag[0] == 0 and turns < 1 << 40:
            turns += 1
        return flag[0]

    flag, found = np.zeros(1, np.int64), []
    wait(np.ones(1, np.int64))
    thread = threading.Thread(target=lambda: found.append(wait(flag)))
    thread.start()
    flag[0] = 7  # never reached by a thread that waits for the GIL
    thread.join()
    assert found == [7]


def test_code_is_kept_beside_the_source_or_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = jit.kept_in()
    assert kept is None or isinstance(kept, Path)

    def refuse(**options):  # type: ignore[no-untyped-def]
        if options.get("cache"):
            raise RuntimeError("cannot cache function")
        return lambda function: function

    monkeypatch.setattr(jit, "njit", refuse)
    assert jit.compiled(math.sqrt) is math.sqrt
