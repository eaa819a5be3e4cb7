"""Clients that hold connections of a real server, while others are answered."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from ossicle.serving.connections import ConnectionLimits, limited_protocol
from ossicle.serving.guard import Guard, GuardLimits

pytestmark = [pytest.mark.thorough, pytest.mark.loopback]

LIMITS = ConnectionLimits(max_connections=20, max_head_s=1.0, max_reading_s=1.0)
BODIES = GuardLimits(max_body_bytes=200_000, max_sending_s=5, min_bytes_per_s=1e4, grace_s=1)
HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"


async def _application(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the number of bytes of the body, or with many bytes."""
    body = (await receive())["body"]
    content = b"x" * 50_000_000 if scope["path"] == "/large" else str(len(body)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": content})


@contextmanager
def running() -> Iterator[int]:
    """A server, as its port."""
    config = uvicorn.Config(
        Guard(_application, BODIES),
        port=0,
        http=limited_protocol(LIMITS),
        log_level="critical",
        lifespan="off",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running() as found:
        yield found


def connected(port: int, sent: bytes = b"") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(sent)
    return client


def rest_of(client: socket.socket) -> tuple[int, dict[str, str]]:
    """Read until the server closes the connection; return status and error."""
    received = b""
    while part := client.recv(65536):
        received += part
    client.close()
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


def ask(port: int, body: Any = b"12345") -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{port}/v1/predict", content=body, timeout=10)


@pytest.mark.parametrize("sent", [b"", b"POST /", HEAD[:-4] + b"\r\nA: b\r\n"])
def test_a_head_that_never_ends_is_refused(port: int, sent: bytes) -> None:
    client = connected(port, sent)
    start = time.monotonic()
    assert ask(port).text == "5"
    status, error = rest_of(client)
    assert (status, error["type"]) == (408, "too_slow")
    assert 0.5 < time.monotonic() - start < 4


def test_a_head_of_a_byte_a_moment_is_refused(port: int) -> None:
    client = connected(port)
    assert not _drips(client, HEAD * 2)
    client.close()
    assert ask(port).text == "5"


def test_a_second_head_that_never_ends_is_refused(port: int) -> None:
    client = connected(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /")
    assert client.recv(100).startswith(b"HTTP/1.1 200")
    start = time.monotonic()
    while client.recv(1000):
        pass
    client.close()
    assert time.monotonic() - start < 9  # uvicorn's own limit, of 5 s


def test_a_body_of_a_byte_a_moment_is_refused_with_an_answer(port: int) -> None:
    client = connected(port, HEAD)
    sender = threading.Thread(target=_drips, args=(client, b"x" * 100))
    sender.start()
    status, error = rest_of(client)
    assert (status, error["type"]) == (408, "too_slow")
    sender.join()


def _drips(client: socket.socket, content: bytes) -> bool:
    """Send a byte every 50 ms; return whether all could be sent."""
    try:
        for byte in content:
            client.sendall(bytes([byte]))
            time.sleep(0.05)
    except OSError:
        return False
    return True


def test_many_connections_that_send_nothing_do_not_keep_others_out(port: int) -> None:
    idle = [connected(port, HEAD[:20]) for _ in range(60)]
    for _ in range(10):
        assert ask(port).text == "5"
    assert rest_of(idle[0])[0] == 503  # the oldest made room
    for client in idle:
        client.close()
    time.sleep(0.2)
    assert ask(port).text == "5"


def test_a_client_that_does_not_read_is_dropped(port: int) -> None:
    client = connected(port, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(2.5)
    received = 0
    while part := client.recv(1 << 20):
        received += len(part)
    client.close()
    assert received < 50_000_000


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_sees_why_it_is_refused(port: int, chunked: bool) -> None:
    body = (b"x" * 10_000 for _ in range(500)) if chunked else b"x" * 5_000_000
    response = ask(port, body)
    assert response.status_code == 413
    assert response.json()["error"]["type"] == "too_large"


def test_a_body_that_is_shorter_than_stated_is_dropped(port: int) -> None:
    client = connected(port, HEAD + b"x" * 10)
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1000) == b""
    client.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no host
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nx",
        HEAD.replace(b"Content-Length: 1000", b"Transfer-Encoding: chunked") + b"no number\r\n",
    ],
)
def test_what_is_not_http_is_refused(port: int, sent: bytes) -> None:
    status, error = rest_of(connected(port, sent))
    assert 400 <= status < 500 or status == 501
    assert error["message"].endswith(".")
    assert ask(port).text == "5"


@pytest.mark.parametrize("sent", [b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
def test_a_head_of_megabytes_is_cut_off(port: int, sent: bytes) -> None:
    client = connected(port, sent)
    with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe
        client.sendall(b"a" * 50_000_000)
    client.close()
    assert ask(port).text == "5"


def test_a_server_stops_while_clients_are_slow() -> None:
    with running() as found:
        clients = [connected(found, HEAD[:20]), connected(found, HEAD + b"x")]
        time.sleep(0.2)
        start = time.monotonic()
    assert time.monotonic() - start < 6
    for client in clients:
        client.close()
