"""Drives a headless Chromium through its DevTools protocol, with nothing but the standard library."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--hide-scrollbars", "--remote-debugging-port=0",
)  # fmt: skip
SECONDS = 60.0
MEASURE = """(async () => {
  await Promise.all([...document.images].map(image => image.decode().catch(() => null)));
  const wide = document.documentElement.clientWidth;
  const boxed = element => {
    for (let up = element.parentElement; up; up = up.parentElement)
      if (getComputedStyle(up).overflowX === 'auto') return true;
    return false;
  };
  const out = [...document.body.querySelectorAll('*')].filter(element => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && !boxed(element) && (box.right > wide + 0.5 || box.left < -0.5);
  });
  return {
    wide,
    scroll: document.documentElement.scrollWidth,
    out: out.slice(0, 5).map(element => element.outerHTML.slice(0, 120)),
    cut: [...document.body.querySelectorAll('*')].filter(
      element => getComputedStyle(element).overflowX === 'hidden' && element.scrollWidth > element.clientWidth + 1
    ).length,
    images: document.images.length,
    broken: [...document.images].filter(image => !(image.naturalWidth > 0)).map(image => image.alt),
    unnamed: [...document.images].filter(image => !image.alt).length,
    anchors: [...document.querySelectorAll('nav a')].filter(
      link => !document.getElementById(link.getAttribute('href').slice(1))
    ).length,
    unreachable: [...document.querySelectorAll('.scroll')].filter(box => box.tabIndex !== 0).length,
    small: [...document.querySelectorAll('.plots img')].filter(image => image.clientWidth < 250).length,
    elements: document.querySelectorAll('x-bad, script').length,
  };
})()"""
"""What is wrong with a page at the width it has: text cut off, pictures broken or without a name, and so on."""


def find() -> str | None:
    """The browser's program, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


class Tab:
    """One tab: send commands, keep what it reports."""

    def __init__(self, address: str) -> None:
        host, port, path = re.fullmatch(r"ws://([^:/]+):(\d+)(/.*)", address).groups()  # type: ignore[union-attr]
        self._socket = socket.create_connection((host, int(port)), timeout=SECONDS)
        self._bytes = self._socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while self._bytes.readline().strip():
            pass
        self._count = 0
        self.session: str | None = None
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        self._bytes.close()
        self._socket.close()

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; what comes in between is kept as events."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        self._write(json.dumps(message | ({"sessionId": self.session} if self.session else {})).encode())
        while (answer := self._read()).get("id") != self._count:
            self.events.append(answer)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def wait(self, method: str) -> None:
        """Read until this event has come."""
        while all(event["method"] != method for event in self.events):
            self.events.append(self._read())

    def evaluate(self, expression: str) -> Any:
        """The JSON value of a JavaScript expression; promises are awaited."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def _write(self, content: bytes) -> None:
        size = len(content)
        length = bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + size.to_bytes(2, "big")
        assert size < 1 << 16
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(content))
        self._socket.sendall(b"\x81" + length + mask + masked)

    def _read(self) -> dict[str, Any]:
        content, last = b"", False
        while not last:
            head = self._bytes.read(2)
            assert len(head) == 2, "the browser hung up"
            last, size = bool(head[0] & 0x80), head[1] & 0x7F
            if size >= 126:
                size = int.from_bytes(self._bytes.read(2 if size == 126 else 8), "big")
            part = self._bytes.read(size)
            if head[0] & 0x0F in (0, 1):  # pings are left unanswered: the tests are over before it matters
                content += part
            else:
                last = bool(content) and last
        return dict(json.loads(content))


def visit(tab: Tab, page: Path, width: int) -> tuple[dict[str, Any], list[str]]:
    """Open a page at a width, see that nothing is logged as wrong; what was measured, and what it asked for."""
    tab.events.clear()
    tab.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    tab.send("Page.navigate", url=page.as_uri())
    tab.wait("Page.loadEventFired")
    found = dict(tab.evaluate(MEASURE))
    complaints = {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Network.loadingFailed"}
    complained = [event for event in tab.events if event["method"] in complaints]
    assert complained == [], complained
    asked = [e["params"]["request"]["url"] for e in tab.events if e["method"] == "Network.requestWillBeSent"]
    return found, [url for url in asked if not url.startswith("data:")]


def look(tab: Tab, page: Path, width: int) -> dict[str, Any]:
    """Open a page at a width, see that nothing is wrong with it and that it asked for nothing; what was measured."""
    found, asked = visit(tab, page, width)
    assert found["wide"] == width, found
    assert found["scroll"] <= width, found
    assert found["out"] == [], found
    assert found["broken"] == [], found
    faults = {"unnamed", "cut", "anchors", "unreachable", "small", "elements"}
    assert {name: found[name] for name in faults} == dict.fromkeys(faults, 0), found
    assert asked == [page.as_uri()], json.dumps(asked)[:500]
    return found


@contextmanager
def open_tab(program: str) -> Iterator[Tab]:
    """An empty tab of a fresh browser."""
    home = Path(tempfile.mkdtemp())
    with (home / "log").open("wb") as log:
        process = subprocess.Popen([program, *FLAGS, f"--user-data-dir={home}"], stdout=log, stderr=log)
    try:
        tab = Tab(_address(home / "log", process))
        try:
            target = tab.send("Target.createTarget", url="about:blank")["targetId"]
            tab.session = tab.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                tab.send(f"{domain}.enable")
            yield tab
        finally:
            tab.close()
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(home, ignore_errors=True)


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        if found := re.search(rb"DevTools listening on (ws://\S+)", log.read_bytes()):
            return found[1].decode()
        time.sleep(0.05)
    raise TimeoutError(f"the browser did not start: {log.read_text('utf-8', 'replace')[-2000:]}")
