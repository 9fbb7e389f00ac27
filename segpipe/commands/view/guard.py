"""Guard of the viewer: who may ask at all. Token, Host and Origin are checked before anything else sees a request.

A page of another origin cannot read what lies on 127.0.0.1, but it can send requests there, and a name that it owns can
be made to mean 127.0.0.1 (DNS rebinding). So every request must name this host, come from this origin or from none, and
hold a token that only who started the server was told.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TOKEN_HEADER = "x-segpipe-token"
MOST_BODY = 1 << 20
"""Bytes of a request."""

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""On every answer."""


class RequestGuard:
    """Lets a request through to an application, or answers with one line."""

    def __init__(self, app: App, *, token: str, port: int) -> None:
        self._app, self._token, self._port = app, token, port
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        entering = self._enters(scope)
        cookie = f"segpipe_{self._port}={self._token}; HttpOnly; SameSite=Strict; Path=/" if entering else None
        refused = self._refusal(scope, entering=entering)
        body, whole = b"", True
        if refused is None and scope["method"] == "POST":
            body, whole = await _read_body(receive)
            refused = None if whole else (413, f"the body is larger than {MOST_BODY} bytes")
        send = _with_headers(send, cookie)
        if refused is not None:
            await _answer(send, *refused)
            return
        await self._app(scope, _replay(body), send)

    def _refusal(self, scope: Scope, *, entering: bool) -> tuple[int, str] | None:
        """Status and line of a request that may not pass."""
        hosts, origins = _headers(scope, b"host"), _headers(scope, b"origin")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return 403, "this is not the host that is asked for"
        if origins and origins != [f"http://{hosts[0]}"]:
            return 403, "requests of other pages are refused"
        if not entering and not self._known(scope):
            return 403, "open the address that `segpipe view` printed: it holds the token"
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, "only GET and POST are understood"
        if scope["method"] == "POST":
            kinds = _headers(scope, b"content-type")
            if len(kinds) != 1 or kinds[0].split(";")[0].strip().lower() != "application/json":
                return 415, "send application/json"
            length = _headers(scope, b"content-length")
            if length and (not length[0].isdecimal() or int(length[0][:10]) > MOST_BODY):
                return 413, f"the body is larger than {MOST_BODY} bytes"
        return None

    def _enters(self, scope: Scope) -> bool:
        if scope["path"] != "/" or scope["method"] not in ("GET", "HEAD"):
            return False
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=None)
        return any(self._is_token(value) for value in query.get("token", []))

    def _known(self, scope: Scope) -> bool:
        if any(self._is_token(value) for value in _headers(scope, TOKEN_HEADER.encode())):
            return True
        for value in _headers(scope, b"cookie"):
            try:
                found = SimpleCookie(value).get(f"segpipe_{self._port}")
            except CookieError:
                continue
            if found is not None and self._is_token(found.value):
                return True
        return False

    def _is_token(self, value: str) -> bool:
        return hmac.compare_digest(value.encode("utf-8", "replace"), self._token.encode())


def _headers(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


async def _read_body(receive: Receive) -> tuple[bytes, bool]:
    """What a client sends, and whether that is all: reading ends where it is too much, or the client is gone."""
    parts, size = list[bytes](), 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"", False
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BODY:
            return b"", False
        if not message.get("more_body", False):
            return b"".join(parts), True


def _replay(body: bytes) -> Receive:
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _with_headers(send: Send, cookie: str | None) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", []), *HEADERS]
            if not any(key.lower() == b"cache-control" for key, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            if cookie is not None:
                headers.append((b"set-cookie", cookie.encode()))
            message = {**message, "headers": headers}
        await send(message)

    return sending


async def _answer(send: Send, status: int, line: str) -> None:
    body = json.dumps({"error": line}).encode() + b"\n"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD, POST"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
