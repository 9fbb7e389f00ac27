import pytest

from segpipe.base import known_sums
from segpipe.base.known_sums import KnownSums


def test_files_are_found_by_their_paths() -> None:
    sums = {f"d{n % 7}/bad \udcff {n}.png": f"{n * 7919:064x}" for n in range(1000)}
    known = KnownSums(sums.items())
    assert len(known) == 1000
    assert {name: known.find(name) for name in sums} == sums
    assert known.find("d0/other.png") == ""
    assert KnownSums(()).find("a") == ""


def test_what_is_said_twice_differently_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    known = KnownSums([("a", "1" * 64), ("b", "2" * 64), ("a", "1" * 64), ("b", "3" * 64)])
    assert (known.find("a"), known.find("b")) == ("1" * 64, "")
    monkeypatch.setattr(known_sums, "_key", lambda name: 2**64 - 1)  # as if all had the same
    assert KnownSums([("a", "1" * 64), ("b", "2" * 64)]).find("a") == ""
