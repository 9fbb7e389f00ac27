"""A real server of object storage on a free port, started by the tests; and a proxy before it that makes faults."""

from __future__ import annotations

import http.client
import logging
import time
import urllib.request
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from segpipe.base import object_store
from segpipe.base.remote_path import RemotePath

SECRET = "shibboleth-7f3a-never-written"
"""The secret key that the tests' commands are given."""


@contextmanager
def served() -> Iterator[str]:
    """The address of a server of moto's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries that it imports
        pytest.importorskip("obstore", reason="object stores need the extra cloud")
        server = pytest.importorskip("moto.server", reason="the object store of the tests is moto's")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        yield f"http://127.0.0.1:{running.get_host_and_port()[1]}"
    finally:
        running.stop()


def environment(address: str, cache: Path) -> dict[str, str]:
    """What a command needs to know of the server."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "SEGPIPE_CACHE": str(cache),
    }


def new_bucket(address: str) -> RemotePath:
    """A bucket that is empty, made by a request of its own."""
    name = f"reef-{uuid.uuid4().hex[:12]}"
    request = urllib.request.Request(f"{address}/{name}", method="PUT")
    with urllib.request.urlopen(request):
        return RemotePath(f"s3://{name}")


def upload(folder: Path, place: RemotePath) -> None:
    """Every file of a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            object_store.put(place / path.relative_to(folder).as_posix(), path.read_bytes())


def keys(place: RemotePath) -> list[str]:
    return [each.name for each in object_store.walk(place)]


Fault = Callable[[str, str], str]
"""From method and path of a request to the fault it meets: "", a status, slow, drop, truncate, lost."""


@dataclass
class FaultyProxy:
    """A server before another one, that answers as `fault` says."""

    upstream: str
    fault: Fault = field(default=lambda method, path: "")
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and fault of every request."""
    address: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        fault = self.fault(handler.command, handler.path)
        self.seen.append((handler.command, handler.path, fault))
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        if fault.isdecimal():
            _send(handler, int(fault), {}, b"")
            return
        status, headers, content = self._ask(handler, body)
        if fault == "lost":  # it was done, and nobody hears of it
            handler.connection.close()
            handler.close_connection = True
        elif fault == "drop":
            _send(handler, status, headers | {"Content-Length": str(len(content))}, content[: len(content) // 2])
            handler.wfile.flush()
            handler.connection.close()
            handler.close_connection = True
        elif fault == "truncate":
            _send(handler, status, headers, content[: len(content) // 2])
        elif fault == "slow":
            _send(handler, status, headers | {"Content-Length": str(len(content))}, b"")
            for start in range(0, len(content), 1 + len(content) // 4):
                time.sleep(0.02)
                handler.wfile.write(content[start : start + 1 + len(content) // 4])
        else:
            _send(handler, status, headers, content)

    def _ask(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection(self.upstream.removeprefix("http://"))
        kept = {name: value for name, value in handler.headers.items() if name.lower() != "accept-encoding"}
        upstream.request(handler.command, handler.path, body, kept)
        answer = upstream.getresponse()
        content = answer.read()
        dropped = ("content-length", "transfer-encoding", "connection")
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in dropped}
        if handler.command == "HEAD":
            headers["Content-Length"] = answer.getheader("Content-Length") or "0"
        upstream.close()
        return answer.status, headers, content


def _send(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], content: bytes) -> None:
    handler.send_response_only(status)
    for name, value in {"Content-Length": str(len(content)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


@contextmanager
def faulty(upstream: str) -> Iterator[FaultyProxy]:
    """A proxy before a server; without faults until `fault` is set."""
    proxy = FaultyProxy(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            proxy.answer(self)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = do

        def log_message(self, *said: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    proxy.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
