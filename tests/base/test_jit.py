import math
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


def test_code_is_kept_beside_the_source_or_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = jit.kept_in()
    assert kept is None or isinstance(kept, Path)

    def refuse(**options):  # type: ignore[no-untyped-def]
        if options.get("cache"):
            raise RuntimeError("cannot cache function")
        return lambda function: function

    monkeypatch.setattr(jit, "njit", refuse)
    assert jit.compiled(math.sqrt) is math.sqrt
