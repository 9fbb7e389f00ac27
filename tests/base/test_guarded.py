import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from segpipe.base.errors import MachineError
from segpipe.base.guarded import Gone, Guard, Guards, allow, memory_limit
from segpipe.images.headers import BadImage
from tests.helpers import misbehaving

MEMORY = 1 << 30


def test_a_process_that_died_is_followed_by_another_and_one_that_lives_serves_again() -> None:
    guard = Guard(MEMORY)
    try:
        first, value = guard.call(misbehaving.echo, {"a": b"x" * 1_000_000})
        assert (first != os.getpid(), value) == (True, {"a": b"x" * 1_000_000})
        assert guard.call(misbehaving.echo, 2) == (first, 2)
        with pytest.raises(Gone, match=r"the decoder crashed \(SIGSEGV\)"):
            guard.call(misbehaving.crash)
        with pytest.raises(Gone, match="too much time"):
            guard.call(misbehaving.work_for_ever)
        with pytest.raises(Gone, match="too much time"):
            guard.call(misbehaving.sleep_for_ever)
        with pytest.raises(MachineError, match="ended from outside"):
            guard.call(misbehaving.be_ended)
        assert guard.call(misbehaving.print_much) == "done"
    finally:
        guard.close()


def test_memory_is_bounded_by_what_was_given() -> None:
    with Guards(MEMORY) as guards:
        assert guards.call(misbehaving.limit) == MEMORY
        assert guards.call(misbehaving.starve, MEMORY // 4) == MEMORY // 4
        with pytest.raises(MemoryError):
            guards.call(misbehaving.starve, 2 * MEMORY)
    assert memory_limit() is None
    allow(1)  # without effect here


def test_time_without_end_may_be_asked_for() -> None:
    with Guards(MEMORY) as guards:
        assert guards.call(allow, 1e300) is None
        assert guards.call(misbehaving.echo, 1)[1] == 1


def test_what_is_raised_and_logged_there_is_raised_and_logged_here(caplog: pytest.LogCaptureFixture) -> None:
    with Guards(MEMORY) as guards, caplog.at_level(logging.WARNING), pytest.raises(BadImage, match="a: is odd"):
        guards.call(misbehaving.refuse, Path("a"))
    assert caplog.messages == ["a looks odd"]


def test_threads_have_processes_of_their_own() -> None:
    found: list[int] = []
    both = threading.Barrier(2)

    def ask(guards: Guards) -> None:
        with guards.one() as guard:
            both.wait()
            found.append(guard.call(misbehaving.echo, 1)[0])

    with Guards(MEMORY) as guards:
        threads = [threading.Thread(target=ask, args=(guards,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(found)) == 2


def test_a_process_ends_with_who_began_it_and_a_script_needs_no_guard_for_main(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os\n"
        "from segpipe.base.guarded import Guard\n"
        "from tests.helpers import misbehaving\n"
        "print(Guard(1 << 30).call(misbehaving.echo, 1)[0], flush=True)\n"
        "os._exit(0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
    child = int(done.stdout)
    for _ in range(1000):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        threading.Event().wait(0.01)
    pytest.fail(f"process {child} is still there")
