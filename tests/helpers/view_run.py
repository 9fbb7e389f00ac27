"""A finished run to be viewed, a server of it, and requests as a browser sends them."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segpipe.commands.view.run import Served, serving
from tests.helpers.quick_run import reef_run

IMAGES, K = 6, 4


def make_finished(folder: Path) -> Path:
    """A run of six drawn photographs with four clusters and their certainty."""
    return reef_run(folder, images=IMAGES, settings={"refine.certainty": True}).root


def copied(finished: Path, folder: Path) -> Path:
    """A copy of it that a test may change; the images stay where they are."""
    return Path(shutil.copytree(finished, folder / "reef"))


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """What the body says."""
        return json.loads(self.body)


@dataclass
class Client:
    """Sends requests to a server, with its token unless told otherwise."""

    served: Served
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Send one request; a header of None is left out."""
        given = {"X-Segpipe-Token": self.served.token, **self.headers, **(headers or {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=60)
        try:
            connection.request(method, path, body, {key: value for key, value in given.items() if value})
            answer = connection.getresponse()
            return Reply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        """GET."""
        return self.ask("GET", path, headers=headers)

    def do(self, action: str, **values: Any) -> Reply:
        """An action of the page."""
        body = json.dumps({"action": action, **values}).encode()
        return self.ask("POST", "/a/api/do", body, {"Content-Type": "application/json"})


@contextmanager
def client_of(root: Path, beside: Path | None = None) -> Iterator[Client]:
    """A server of a run, and a client of it."""
    with serving(root, beside=beside) as (served, _):
        yield Client(served)
