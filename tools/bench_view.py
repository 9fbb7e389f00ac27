"""Viewer: how long a page waits, and how much memory its server takes, with one client and with four; prints a table.

Usage: python tools/bench_view.py FOLDER [--images 5000] [--mosaic 20000] [--overviews] [--tiles 300]

FOLDER is made where it is not there: a large run whose artefacts are written, not computed. Times are of whole requests
over HTTP, in milliseconds. Cold is the first request for each tile, warm the second; memory is the largest resident set
of the server. The files themselves may be in the memory of the system.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from segpipe.base.geometry import Size
from segpipe.commands.view.pyramid import TILE, level_size, levels
from viewed_bench_run import make_bench_run


class Session:
    """A client that keeps its connection."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = {"X-Segpipe-Token": token}

    def get(self, path: str) -> tuple[float, bytes]:
        """Milliseconds, and the answer."""
        start = time.perf_counter()
        try:
            self._connection.request("GET", path, headers=self._headers)
            answer = self._connection.getresponse()
        except http.client.RemoteDisconnected:  # it was idle for long
            self._connection.close()
            self._connection.request("GET", path, headers=self._headers)
            answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body[:200]!r}")
        return 1000 * (time.perf_counter() - start), body


def random_tiles(images: dict[str, Any], wanted: Sequence[int], count: int, seed: int) -> list[str]:
    """Addresses of photograph and index tiles of random places, levels as often as one another."""
    chance, found = random.Random(seed), list[str]()
    for i in range(count):
        image = chance.choice(wanted)
        size = Size(images["height"][image], images["width"][image])
        level = chance.randrange(levels(size))
        drawn = level_size(size, level)
        col, row = chance.randrange(-(-drawn.width // TILE)), chance.randrange(-(-drawn.height // TILE))
        kind, ending = (("photo", "jpg"), ("index", "png"))[i % 2]
        found.append(f"/a/tile/{kind}/{image}/{level}/{col}/{row}.{ending}?v=1")
    return found


def memory(process: int, name: str) -> float:
    """MiB of a process: VmRSS now, VmHWM at most."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def row(name: str, times: Sequence[float], process: int) -> None:
    """Print one line of the table."""
    parts = [f"{np.percentile(times, p):8.1f}" for p in (50, 95, 100)]
    print(f"{name:44}{len(times):6}{''.join(parts)}{memory(process, 'VmRSS'):9.0f}{memory(process, 'VmHWM'):9.0f}")


def measure(process: int, port: int, token: str, tiles: int) -> None:
    """All measurements of a server that has begun."""
    client = Session(port, token)
    opened = time.perf_counter()
    catalog = json.loads(client.get("/a/api/run")[1])
    state = client.get("/a/api/state")[0]
    images = catalog["images"]
    mosaics = [i for i, mosaic in enumerate(images["mosaic"]) if mosaic]
    photographs = [i for i, mosaic in enumerate(images["mosaic"]) if not mosaic]
    first = mosaics or photographs
    client.get(f"/a/tile/photo/{first[0]}/0/0/0.jpg?v=1")
    whole = 1000 * (time.perf_counter() - opened)
    client.get(f"/a/tile/index/{first[0]}/0/0/0.png?v=1")
    both = 1000 * (time.perf_counter() - opened)
    print(f"run, state and first photograph {whole:.0f} ms, first classes {both:.0f} ms; state {state:.0f} ms")
    print(f"{'':44}{'n':>6}{'median':>8}{'p95':>8}{'max':>8}{'RSS':>9}{'most':>9}")
    row("state", [client.get("/a/api/state")[0] for _ in range(50)], process)
    for name, wanted in (("photographs", photographs), ("mosaic", mosaics)):
        if not wanted:
            continue
        asked = random_tiles(images, wanted, tiles, 1)
        row(f"{name}, 1 client, cold", [client.get(path)[0] for path in asked], process)
        row(f"{name}, 1 client, warm", [client.get(path)[0] for path in asked], process)
        several = [random_tiles(images, wanted, tiles, 10 + i) for i in range(4)]
        for warmth in ("cold", "warm"):
            with ThreadPoolExecutor(4) as pool:
                sessions = [Session(port, token) for _ in several]
                parts = pool.map(
                    lambda pair: [pair[0].get(path)[0] for path in pair[1]], zip(sessions, several, strict=True)
                )
                row(f"{name}, 4 clients, {warmth}", [each for part in parts for each in part], process)
    row("thumbnails", [client.get(f"/a/thumb/{i}.jpg?v=1")[0] for i in photographs[:200]], process)
    row(
        "best patches of all clusters", [client.get(f"/a/api/best/{k}")[0] for k in range(catalog["clusters"])], process
    )
    last = len(images["id"]) - 1
    row("similar places", [client.get(f"/a/api/similar?image={i}&row=300&col=300")[0] for i in (0, 1, last)], process)
    leaves = [path.replace("/index/", "/leaf/") for path in random_tiles(images, photographs or mosaics, 200, 5)[1::2]]
    row("leaf tiles", [client.get(path)[0] for path in leaves], process)
    row("suggestions", [client.get("/a/api/suggest?k=20")[0] for _ in range(2)], process)


def main() -> None:
    """Make the run where it is missing, serve it and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--mosaic", type=int, default=20_000)
    parser.add_argument("--overviews", action="store_true", help="give the mosaic overviews, as COGs have them")
    parser.add_argument("--tiles", type=int, default=300)
    given = parser.parse_args()
    if not given.folder.exists():
        make_bench_run(given.folder, images=given.images, mosaic=given.mosaic, overviews=given.overviews)
    start = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "segpipe", "view", str(given.folder / "run"), "--no-open"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        said = server.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)/\?token=(\S+)", said)
        if found is None:
            raise SystemExit(f"the server did not start: {said}")
        print(f"address after {time.perf_counter() - start:.1f} s, {memory(server.pid, 'VmRSS'):.0f} MiB")
        measure(server.pid, int(found[1]), found[2], given.tiles)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


if __name__ == "__main__":
    main()
