"""Serve a run until Ctrl-C: `segpipe view`."""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import threading
import time
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from segpipe.base.errors import MachineError, Stopped, UsageError, named
from segpipe.base.heap import stay_small
from segpipe.base.temporary import temporary_folder
from segpipe.commands.view.options import ViewOptions
from segpipe.commands.view.server import make_app
from segpipe.commands.view.viewer import Viewer

log = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_CLOSING = 3  # seconds that answers under way are waited for
_PATIENCE = 6.0  # seconds until a page may come
_IDLE = 75  # seconds that a connection without requests is kept
_WAITING = 0.5  # seconds between two looks at whether the server still runs


@dataclass(frozen=True, slots=True)
class Served:
    """A server at work."""

    port: int
    token: str

    @property
    def address(self) -> str:
        """To be opened in a browser."""
        return f"http://{_HOST}:{self.port}/?token={self.token}"


class _Server(uvicorn.Server):
    """Signals are listened to by whoever began it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve_run(options: ViewOptions) -> None:
    """Serve until a signal comes; Ctrl-C is the way to end it, and no error.

    Raises:
        UsageError: a run is none, or the port is taken.
    """
    stay_small()
    with (
        contextlib.suppress(Stopped, KeyboardInterrupt),  # from the first line on that speaks of Ctrl-C, and before
        serving(options.run, beside=options.beside, port=options.port, patience=_PATIENCE) as (served, thread),
    ):
        print(f"{served.address}  (Ctrl-C ends it)", flush=True)  # noqa: T201
        if not options.no_open:
            webbrowser.open(served.address)
        while thread.is_alive():
            thread.join(_WAITING)


@contextmanager
def serving(
    root: Path, *, beside: Path | None = None, port: int = 0, patience: float = 0
) -> Iterator[tuple[Served, threading.Thread]]:
    """Serve a run in a thread while the block lasts.

    Args:
        root: the run.
        beside: a second one, which is not changed.
        port: 0 = one that is free.
        patience: seconds that it may take to make what a page asks for first; the rest is made meanwhile.

    Raises:
        UsageError: a run is none, or the port is taken.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        viewers = {"a": Viewer(root, folder / "a", beside=beside is not None, writable=True)}
        if beside is not None:
            viewers["b"] = Viewer(beside, folder / "b", beside=True, writable=False)
        listening = _listen(port)  # the server closes it
        served = Served(int(listening.getsockname()[1]), secrets.token_urlsafe(24))
        config = uvicorn.Config(
            make_app(viewers, token=served.token, port=served.port),
            log_level="critical",
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            loop="asyncio",
            http="h11",
            server_header=False,
            timeout_keep_alive=_IDLE,
            timeout_graceful_shutdown=_CLOSING,
        )
        server = _Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        warming = [threading.Thread(target=viewer.warm, daemon=True) for viewer in viewers.values()]
        for each in warming:
            each.start()
        for each in warming:
            each.join(patience / len(warming))
        try:
            yield served, thread
        finally:
            server.should_exit = True
            for viewer in viewers.values():
                viewer.close()
            for each in (thread, *warming):
                _await(each)


def _await(thread: threading.Thread) -> None:
    """Wait for the server to end, even if the signal comes again meanwhile."""
    end = time.monotonic() + 4 * _CLOSING
    while thread.is_alive() and time.monotonic() < end:
        with contextlib.suppress(Stopped, KeyboardInterrupt):
            thread.join(_WAITING)


def _listen(port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # so that asyncio sends at once
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((_HOST, port))
        found.listen(128)
    except OSError as error:
        found.close()
        if port:
            raise UsageError(
                f"{named('port', port)} cannot be used ({error.strerror}); leave it out to take one that is free"
            ) from error
        raise MachineError(f"no port of {_HOST} can be used ({error.strerror})") from error
    return found
