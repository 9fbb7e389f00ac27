"""Calls in processes of their own: for work on files from outside, and as the workers of `parallel.process_map`.

A decoder that crashes, starves or hangs ends its process and not the command.
The system itself sets the limits: memory (`RLIMIT_AS`), processor time (`RLIMIT_CPU`) and time (an alarm). A process
begins with the first call and serves many. It is no `multiprocessing` worker, so that a script needs no
`if __name__ == "__main__":`, no shared memory is taken, and no thread beside it can die of Ctrl-C. Where a system knows
no such limits (Windows), a crash is caught all the same.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

from segpipe.base.errors import MachineError
from segpipe.base.messages import load, receive, send

R = TypeVar("R")

SECONDS = 120
"""Processor time of a call, unless it allows itself more."""
_PATIENCE = 20
"""Times as long a call may take by the clock: a disk may be slow, and the machine busy."""
_LONGEST = 10_000_000.0
"""Seconds, a third of a year: what a damaged header asks for may be more than a timer counts."""
_PIPE = 1 << 20  # bytes on their way; with the usual 65,536 pictures take twice as long
_START = "import sys; sys.path[:] = sys.argv[1:]; from segpipe.base.guarded import serve; serve()"


class Gone(Exception):
    """The process of a call ended before it: what the file did to it, in a few words."""


def allow(seconds: float) -> None:
    """Give the current call `seconds` of processor time from now on; without effect outside of a guarded process."""
    if not _SERVING or not hasattr(signal, "setitimer"):
        return
    import resource  # not on Windows

    seconds = min(seconds, _LONGEST)
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE * seconds)


class Guard:
    """A process that answers calls one after the other; a new one takes the place of one that ended."""

    def __init__(self, memory: int | None, prepare: Callable[[], object] | None = None) -> None:
        """Let a call take `memory` bytes of address space beyond what the process begins with.

        Args:
            memory: in bytes; None: no limits, of time neither, for work that is our own.
            prepare: called first in every new process; can be pickled as the functions of calls.
        """
        self.memory, self._prepare = memory, prepare
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, function: Callable[..., R], *arguments: Any) -> R:
        """`function(*arguments)`: a function of a module, with what can be pickled; what it raises is raised here.

        Raises:
            Gone: the process crashed, or took too much memory or time.
            MachineError: the process was ended from outside, as the system does where memory is short, or cannot begin.
        """
        if self._process is None:
            self._process = self._begin()
            if self._prepare is not None:
                self._ask(self._prepare, ())
        result: R = self._ask(function, arguments)
        return result

    def _ask(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            send(process.stdin, (self.memory, function, arguments))
            done, value, logged = load(receive(process.stdout))
        except (OSError, EOFError) as error:
            raise self._why() from error
        for record in logged:
            logging.getLogger(record.name).handle(record)
        if not done:
            raise value
        return value

    def close(self) -> None:
        """End the process, at once."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _begin(self) -> subprocess.Popen[bytes]:
        try:
            with _unheard():
                process = subprocess.Popen(
                    [sys.executable, "-c", _START, *sys.path],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                )  # fmt: skip
        except OSError as error:
            raise MachineError(
                f"a further process cannot be started ({error.strerror}); free some resources"
            ) from error
        with suppress(ImportError, AttributeError, OSError):  # of Linux, and only as far as the system lets us
            import fcntl

            assert process.stdout is not None
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _PIPE)
        return process

    def _why(self) -> Exception:
        assert self._process is not None
        code = self._process.wait()
        self.close()
        process, part = ("worker process", "it") if self.memory is None else ("process that reads files", "the decoder")
        if code == -signal.SIGKILL:
            return MachineError(
                f"a {process} was ended from outside: is the memory full? Fewer runtime.workers take less"
            )
        if code in (-getattr(signal, "SIGXCPU", 0), -getattr(signal, "SIGALRM", 0)):
            return Gone(f"{part} took too much time")
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Gone(f"{part} crashed ({name})")


@contextmanager
def _unheard() -> Iterator[None]:
    """What begins meanwhile hears neither SIGINT nor SIGTERM, from its first moment on.

    A terminal, and `timeout`, send them to the whole group; who asks answers them and ends its processes. A process
    that ignores them itself has not done so yet while Python starts.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Guards:
    """As many guarded processes as calls run side by side; for threads."""

    def __init__(self, memory: int | None, prepare: Callable[[], object] | None = None) -> None:
        """Arguments are those of `Guard`."""
        self._memory, self._prepare = memory, prepare
        self._all: list[Guard] = []
        self._free: queue.SimpleQueue[Guard] = queue.SimpleQueue()
        self._closed = False

    def __enter__(self) -> Guards:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes."""
        self._closed = True
        for guard in self._all:
            guard.close()

    @contextmanager
    def one(self) -> Iterator[Guard]:
        """A process for the time of a `with` block."""
        if self._closed:  # a thread that outlives who was stopped
            raise Gone("the processes are closed")
        try:
            guard = self._free.get_nowait()
        except queue.Empty:
            guard = Guard(self._memory, self._prepare)
            self._all.append(guard)
        try:
            yield guard
        finally:
            self._free.put(guard)

    def call(self, function: Callable[..., R], *arguments: Any) -> R:
        """As `Guard.call`, in a process that is free."""
        with self.one() as guard:
            return guard.call(function, *arguments)


# --- in the process -------------------------------------------------------------------------------------------------

_SERVING: list[int] = []
"""In a guarded process: the memory that a call may take, 0 where that is not ours to say."""


class _Collector(logging.Handler):
    """Keeps what is logged for the process that asked."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        record.msg, record.args = record.getMessage(), None
        self.records.append(record)


def serve() -> None:
    """Answer calls until nobody asks any more."""
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints does not mix with the answers
    if not hasattr(signal, "pthread_sigmask"):  # else it was begun deaf to it: see `_unheard`
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    collector = _Collector()
    logging.getLogger().addHandler(collector)
    calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(source, calls), daemon=True).start()
    while True:
        memory, function, arguments = load(calls.get())
        if memory is not None:
            _limit_memory(memory)
            allow(SECONDS)
        try:
            answer = True, function(*arguments)
        except Exception as error:
            answer = False, _sendable(error)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        send(sink, (*answer, collector.records))
        collector.records.clear()


def memory_limit() -> int | None:
    """Bytes that a call may take where this is a guarded process whose limit is its own; else None."""
    return _SERVING[0] if _SERVING and _SERVING[0] else None


def _limit_memory(memory: int) -> None:
    """Once, when everything is imported that a call needs; a limit that is there already and is lower stays."""
    if _SERVING:
        return
    _SERVING.append(0)
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        wanted = pages * resource.getpagesize() + memory
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        if all(each == resource.RLIM_INFINITY or each > wanted for each in (soft, hard)):
            resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
            _SERVING[0] = memory
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    except (ImportError, OSError, ValueError):
        pass  # a system without these limits: a crash is caught all the same


def _sendable(error: Exception) -> Exception:
    """The error with where it was raised, for --debug; where it cannot be sent one with its words."""
    error.add_note(traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its class makes of that
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _listen(source: IO[bytes], calls: queue.SimpleQueue[Any]) -> None:
    """A thread of its own, which sees the end of who asks also while a decoder works."""
    with suppress(EOFError, OSError):
        while True:
            calls.put(receive(source))
    os._exit(1)
