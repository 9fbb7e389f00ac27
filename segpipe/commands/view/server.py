"""Server of the viewer: routes, threads in which answers are made, and errors that become one line.

Answers are made in a few threads, so that the loop that listens is never held up: pictures in some, what reads features
in one of its own, what reads those of many images in another, so that neither holds up pictures.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router

from segpipe.base.errors import SegpipeError
from segpipe.base.geometry import Box
from segpipe.commands.view.asked import BadRequest, json_object, number, place
from segpipe.commands.view.guard import RequestGuard
from segpipe.commands.view.opened_run import NotHere
from segpipe.commands.view.place_readout import read_place
from segpipe.commands.view.suggestions import suggest
from segpipe.commands.view.viewer import Viewer

STATIC = Path(__file__).parent / "static"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
}
_FOREVER = "private, max-age=31536000, immutable"
_PICTURE_THREADS = 3
_MOST_PLACES = 500

Answer = Callable[[Viewer, Request], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(viewers: Mapping[str, Viewer], *, token: str, port: int, static: Path = STATIC) -> RequestGuard:
    """The application that answers for some runs, by the prefix of their addresses, `a` and perhaps `b`.

    Args:
        viewers: the runs.
        token: what every request must hold.
        port: that it is served at.
        static: folder of the page.
    """
    pools = {
        "pictures": ThreadPoolExecutor(_PICTURE_THREADS, "pictures"),
        "features": ThreadPoolExecutor(1, "features"),
        "surveys": ThreadPoolExecutor(1, "surveys"),
        "quick": ThreadPoolExecutor(2, "quick"),
    }
    names = {path.name: path for path in static.iterdir() if path.is_file()} if static.is_dir() else {}
    routes: list[Route | Mount] = [Route("/", _static(names, "index.html"))]
    routes += [
        Mount(f"/{prefix}", Router(_routes(viewer, pools), redirect_slashes=False))
        for prefix, viewer in viewers.items()
    ]
    routes += [Route(path, _static(names)) for path in ("/static/{name}", "/{name}")]
    handlers: Mapping[Any, Any] = {HTTPException: _told, 404: _told, 405: _told}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return RequestGuard(app, token=token, port=port)


def _routes(viewer: Viewer, pools: Mapping[str, ThreadPoolExecutor]) -> list[Route]:
    def route(path: str, answer: Answer, pool: str, methods: tuple[str, ...] = ("GET",)) -> Route:
        return Route(path, _endpoint(viewer, answer, pools[pool]), methods=list(methods))

    tile = "{image}/{level}/{col}/{row}"
    return [
        route("/api/run", _run, "quick"),
        route("/api/state", _state, "quick"),
        Route("/api/do", _doing(viewer, pools["quick"]), methods=["POST"]),
        route(f"/tile/photo/{tile}.jpg", _photo, "pictures"),
        route(f"/tile/index/{tile}.png", _index, "pictures"),
        route(f"/tile/leaf/{tile}.png", _leaf, "features"),
        route(f"/tile/heat/{tile}.png", _heat, "features"),
        route("/api/best/{cluster}", _best, "surveys"),
        route("/api/similar", _similar, "surveys"),
        route("/api/suggest", _suggest, "surveys"),
        route("/api/at", _at, "quick"),
        route("/thumb/{image}.jpg", _thumb, "pictures"),
        route("/thumb/{image}.png", _index_thumb, "pictures"),
        route("/patch/{image}/{top}/{left}/{height}/{width}.jpg", _patch, "pictures"),
    ]


def _endpoint(viewer: Viewer, answer: Answer, pool: ThreadPoolExecutor) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return await _answered(pool, partial(answer, viewer, request))

    return endpoint


def _doing(viewer: Viewer, pool: ThreadPoolExecutor) -> Endpoint:
    """Actions; a run that is shown beside another takes none."""

    async def endpoint(request: Request) -> Response:
        if not viewer.writable:
            return _json({"error": "this run is shown beside another one and is not changed"}, 405)
        body = await request.body()
        return await _answered(pool, lambda: _json(viewer.do(json_object(body))))

    return endpoint


async def _answered(pool: ThreadPoolExecutor, answer: Callable[[], Response]) -> Response:
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, answer)
    except (BadRequest, NotHere, SegpipeError) as error:
        return _refusal(error)
    except OSError as error:  # a file is gone this moment, or the disk is full
        return _json({"error": f"{error.filename or 'a file'}: {error.strerror or error}"}, 409)


def _refusal(error: Exception) -> Response:
    """One line for what cannot be answered."""
    status = 409
    if isinstance(error, BadRequest):
        status = 400
    elif isinstance(error, NotHere):
        status = 404
    return _json({"error": str(error.args[0]) if isinstance(error, NotHere) else str(error)}, status)


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value, allow_nan=False), status, media_type="application/json")


async def _told(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    lines = {404: "there is nothing at this address", 405: "this address does not understand that"}
    return _json({"error": lines.get(status, "this was not understood")}, status)


def _static(names: Mapping[str, Path], fixed: str | None = None) -> Endpoint:
    """Files of the page, by names that were listed when the server began."""

    async def endpoint(request: Request) -> Response:
        path = names.get(fixed or request.path_params["name"])
        if path is None:
            raise HTTPException(404)
        kind = _KINDS.get(path.suffix, "application/octet-stream")
        return Response(path.read_bytes(), headers={"Cache-Control": "no-cache"}, media_type=kind)

    return endpoint


def _picture(request: Request, found: bytes, kind: str, *, final: bool = True) -> Response:
    cached = _FOREVER if final and request.query_params.get("v") else "no-store"
    return Response(found, headers={"Cache-Control": cached}, media_type=kind)


def _numbers(request: Request, *names: str) -> list[int]:
    return [number(request.path_params[name], name) for name in names]


# --- answers --------------------------------------------------------------------------------------------------------


def _run(viewer: Viewer, request: Request) -> Response:
    return _json(viewer.describe())


def _state(viewer: Viewer, request: Request) -> Response:
    return _json(viewer.state())


def _photo(viewer: Viewer, request: Request) -> Response:
    image, level, col, row = _numbers(request, "image", "level", "col", "row")
    found, final = viewer.photos.tile(image, level, col, row)
    return _picture(request, found, "image/jpeg", final=final)


def _index(viewer: Viewer, request: Request) -> Response:
    image, level, col, row = _numbers(request, "image", "level", "col", "row")
    return _picture(request, viewer.index.tile(image, level, col, row), "image/png")


def _thumb(viewer: Viewer, request: Request) -> Response:
    found, final = viewer.photos.thumb(*_numbers(request, "image"))
    return _picture(request, found, "image/jpeg", final=final)


def _index_thumb(viewer: Viewer, request: Request) -> Response:
    return _picture(request, viewer.index.thumb(*_numbers(request, "image")), "image/png")


def _patch(viewer: Viewer, request: Request) -> Response:
    image, top, left, height, width = _numbers(request, "image", "top", "left", "height", "width")
    if height < 1 or width < 1:
        raise BadRequest("a patch has at least one row and one column")
    found, final = viewer.photos.patch(image, Box(top, left, height, width))
    return _picture(request, found, "image/jpeg", final=final)


def _leaf(viewer: Viewer, request: Request) -> Response:
    image, level, col, row = _numbers(request, "image", "level", "col", "row")
    return _picture(request, viewer.leaves.tile(image, level, col, row), "image/png")


def _heat(viewer: Viewer, request: Request) -> Response:
    image, level, col, row = _numbers(request, "image", "level", "col", "row")
    parts = (request.query_params.get("at") or "").split(",")
    if len(parts) != 3:
        raise BadRequest("at must be IMAGE,ROW,COL")
    at = number(parts[0], "image"), place(parts[1], "row"), place(parts[2], "col")
    return _picture(request, viewer.likeness.heat(at, image, level, col, row), "image/png")


def _best(viewer: Viewer, request: Request) -> Response:
    return _json(viewer.samples.of(*_numbers(request, "cluster")))


def _similar(viewer: Viewer, request: Request) -> Response:
    k = number(request.query_params.get("k"), "k", default=60, most=_MOST_PLACES)
    return _json(viewer.likeness.similar(*_asked_place(request), k))


def _suggest(viewer: Viewer, request: Request) -> Response:
    k = number(request.query_params.get("k"), "k", default=20, most=_MOST_PLACES)
    return _json(suggest(viewer.run, viewer.index, viewer.points, k))


def _at(viewer: Viewer, request: Request) -> Response:
    return _json(read_place(viewer.run, viewer.index, *_asked_place(request)))


def _asked_place(request: Request) -> tuple[int, float, float]:
    given = request.query_params
    return number(given.get("image"), "image"), place(given.get("row"), "row"), place(given.get("col"), "col")
