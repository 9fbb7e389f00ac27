import socket

import pytest

from segpipe.commands.view.guard import HEADERS, MOST_BODY, RequestGuard
from tests.helpers.view_run import Client

JSON = {"Content-Type": "application/json"}


def raw(port: int, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(text)
        found = b""
        while chunk := connection.recv(1 << 16):
            found += chunk
    return found


def test_the_guard_stands_before_the_application(client: Client) -> None:
    assert RequestGuard.__doc__
    for path in ("/", "/a/api/state", "/a/tile/photo/0/0/0/0.jpg", "/main.js", "/static/main.js", "/nothing"):
        answer = client.ask("GET", path, headers={"X-Segpipe-Token": ""})
        assert answer.status == 403, path
        assert list(answer.json) == ["error"]
        assert "segpipe view" in answer.json["error"]


def test_the_address_that_was_printed_gives_a_cookie_which_opens_all_else(client: Client) -> None:
    port, token = client.served.port, client.served.token
    first = client.ask("GET", f"/?token={token}", headers={"X-Segpipe-Token": ""})
    cookie = first.headers["set-cookie"]
    assert cookie == f"segpipe_{port}={token}; HttpOnly; SameSite=Strict; Path=/"
    again = client.ask("GET", "/a/api/state", headers={"X-Segpipe-Token": "", "Cookie": cookie.split(";")[0]})
    assert again.status == 200
    assert "set-cookie" not in again.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Segpipe-Token": "wrong"},
        {"X-Segpipe-Token": "", "Cookie": "segpipe_1=TOKEN"},
        {"X-Segpipe-Token": "", "Cookie": "segpipe_PORT=TOKENx"},
        {"X-Segpipe-Token": "", "Cookie": ";;=,\x01"},
        {"Host": "evil.example"},
        {"Host": "evil.example:PORT"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:PORT"},
        {"Origin": "http://localhost:PORT"},
    ],
)
def test_other_hosts_origins_and_tokens_are_refused(client: Client, headers: dict[str, str]) -> None:
    given = {
        key: value.replace("PORT", str(client.served.port)).replace("TOKEN", client.served.token)
        for key, value in headers.items()
    }
    assert client.ask("GET", "/a/api/state", headers=given).status == 403
    entering = client.ask("GET", "/?token=wrong", headers={**given, "X-Segpipe-Token": ""})
    assert entering.status == 403
    assert "set-cookie" not in entering.headers


def test_the_own_origin_and_both_names_of_the_host_pass(client: Client) -> None:
    port = client.served.port
    assert client.get("/a/api/state", Origin=f"http://127.0.0.1:{port}").status == 200
    assert client.get("/a/api/state", Host=f"localhost:{port}", Origin=f"http://localhost:{port}").status == 200


def test_two_host_lines_are_refused(client: Client) -> None:
    port, token = client.served.port, client.served.token
    said = f"GET /a/api/state HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\nX-Segpipe-Token: {token}\r\n"
    assert raw(port, f"{said}Connection: close\r\n\r\n".encode()).split()[1] in (b"400", b"403")


def test_a_token_in_the_address_opens_nothing_but_the_page(client: Client) -> None:
    answer = client.ask("GET", f"/a/api/state?token={client.served.token}", headers={"X-Segpipe-Token": ""})
    assert answer.status == 403


def test_posts_must_be_json_and_small(client: Client) -> None:
    assert client.ask("POST", "/a/api/do", b"{}", {"Content-Type": "text/plain"}).status == 415
    assert client.ask("POST", "/a/api/do", b"{}", {"Content-Type": "application/x-www-form-urlencoded"}).status == 415
    assert client.ask("POST", "/a/api/do", b"x" * (MOST_BODY + 1), JSON).status == 413
    assert client.ask("POST", "/a/api/do", b"[1]", JSON).status == 400
    assert client.ask("POST", "/a/api/do", b"{" * 100_000, JSON).status == 400


def test_a_body_that_says_no_length_is_cut_off_too(client: Client) -> None:
    port, token = client.served.port, client.served.token
    head = (
        f"POST /a/api/do HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Segpipe-Token: {token}\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    part = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    assert raw(port, head.encode() + part * 16 + b"1\r\nx\r\n0\r\n\r\n").split()[1] == b"413"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_are_refused(client: Client, method: str) -> None:
    assert client.ask(method, "/a/api/state").status == 405


def test_every_answer_has_the_headers(client: Client) -> None:
    for path in ("/a/api/state", "/a/tile/photo/0/0/0/0.jpg?v=1", "/nothing", "/a/thumb/999.jpg"):
        answer = client.get(path)
        for key, value in HEADERS:
            assert answer.headers[key.decode()] == value.decode()
        assert "access-control-allow-origin" not in answer.headers
    assert client.get("/a/api/state").headers["cache-control"] == "no-store"
    assert "immutable" in client.get("/a/tile/photo/0/0/0/0.jpg?v=1").headers["cache-control"]


def test_it_listens_on_this_machine_alone(client: Client) -> None:
    elsewhere = {str(found[4][0]) for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in elsewhere:
        if not address.startswith("127."):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, client.served.port), timeout=5)
