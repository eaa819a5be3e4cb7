"""What every request passes, with small applications and messages by hand."""

import asyncio
import json
import threading
from collections.abc import Iterable
from typing import Any

import pytest

from ossicle.serving.guard import Guard, GuardLimits

KEY = "a-long-random-text"
SMALL = GuardLimits(max_body_bytes=100, max_sending_s=0.3, min_bytes_per_s=1_000, grace_s=0.1)


class Application:
    """Answers with the body of the request, and remembers the requests."""

    def __init__(self, works_s: float = 0.0) -> None:
        self.works_s = works_s
        self.bodies: list[bytes] = []
        self.gone: list[threading.Event] = []
        self.was_cancelled = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.gone.append(scope["state"]["gone"])
        message = await receive()
        assert not message["more_body"]
        self.bodies.append(message["body"])
        try:
            await asyncio.sleep(self.works_s)
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        headers = [(b"content-type", b"text/plain"), (b"Cache-Control", b"max-age=3")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": message["body"]})


class Response:
    """The messages that a guard sent."""

    def __init__(self, sent: list[dict[str, Any]]) -> None:
        self.status = sent[0]["status"] if sent else None
        self.headers = dict(sent[0]["headers"]) if sent else {}
        self.body = b"".join(message.get("body", b"") for message in sent)

    @property
    def error(self) -> dict[str, str]:
        error = json.loads(self.body)["error"]
        assert error["message"].endswith(".")
        return error


def ask(
    guard: Guard,
    parts: Iterable[bytes | float] = (b"",),
    path: str = "/v1/predict",
    leaves: bool = False,
    **headers: str,
) -> Response:
    """Send a request, whose body has parts and pauses in seconds, and return the response.

    Args:
        guard: The guard.
        parts: Parts of the body, and pauses before the next one.
        path: The path.
        leaves: Whether the client leaves after the last part.
        headers: Headers.
    """
    sent: list[dict[str, Any]] = []
    left = list(parts)

    async def receive() -> dict[str, Any]:
        while left:
            part = left.pop(0)
            if isinstance(part, bytes):
                return {"type": "http.request", "body": part, "more_body": bool(left)}
            await asyncio.sleep(part)
        if leaves:
            return {"type": "http.disconnect"}
        await asyncio.sleep(60)
        raise AssertionError("nobody should wait that long")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    pairs = [(name.encode(), text.encode()) for name, text in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": pairs}
    asyncio.run(guard(scope, receive, send))
    return Response(sent)


def test_the_application_gets_the_whole_body_at_once() -> None:
    app = Application()
    response = ask(Guard(app, SMALL), [b"ab", b"", b"c" * 98])
    assert (response.status, response.body) == (200, b"ab" + b"c" * 98)
    assert app.bodies == [response.body]


@pytest.mark.parametrize("stated", [{}, {"content-length": "5"}, {"content-length": "101"}])
def test_a_body_that_is_too_large_is_refused_whatever_its_header_states(
    stated: dict[str, str],
) -> None:
    app = Application()
    response = ask(Guard(app, SMALL), [b"x" * 60, b"x" * 41, b"x" * 10**6], **stated)
    assert response.status == 413
    assert response.error["type"] == "too_large"
    assert response.headers[b"connection"] == b"close"
    assert not app.bodies


@pytest.mark.thorough
def test_a_slow_client_is_refused_by_its_mean_speed() -> None:
    app = Application()
    slow = [part for _ in range(50) for part in (b"x", 0.02)]
    response = ask(Guard(app, SMALL), [*slow, b"x"])
    assert (response.status, response.error["type"]) == (408, "too_slow")
    count = int(response.error["message"].partition(": ")[2].split()[0])
    assert 2 <= count <= 7  # 0.1 s, and a millisecond for each byte
    assert not app.bodies


def test_a_client_that_sends_nothing_is_refused() -> None:
    assert ask(Guard(Application(), SMALL), [b"x", 30.0, b"x"]).status == 408


@pytest.mark.thorough
def test_a_body_has_a_longest_time_even_at_a_good_speed() -> None:
    quick = GuardLimits(max_sending_s=0.2, min_bytes_per_s=1, grace_s=10)
    parts = [part for _ in range(50) for part in (b"x" * 1000, 0.01)]
    assert ask(Guard(Application(), quick), [*parts, b"x"]).status == 408


def test_a_client_that_leaves_in_the_middle_gets_nothing() -> None:
    app, seen = Application(), []
    guard = Guard(app, SMALL, observe=lambda _scope, status: seen.append(status))
    assert ask(guard, [b"x", 0.0], leaves=True).status is None
    assert not app.bodies
    assert seen == [499]


def test_the_work_of_a_client_that_has_gone_is_dropped() -> None:
    app, seen = Application(works_s=30), []
    guard = Guard(app, SMALL, observe=lambda _scope, status: seen.append(status))
    ask(guard, [b"x"], leaves=True)
    assert app.was_cancelled
    assert app.gone[0].is_set()
    assert seen == [499]


def test_bodies_of_all_requests_together_are_limited() -> None:
    app = Application(works_s=0.2)
    guard = Guard(app, GuardLimits(max_body_bytes=100, max_held_bytes=150))
    statuses: list[int | None] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(ask(guard, [b"x" * 80]).status))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 503, 503]
    assert ask(guard, [b"x" * 100]).status == 200  # all was given back


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {KEY}x"},
        {"authorization": f"Bearer {KEY[:-1]}"},
        {"authorization": f"Basic {KEY}"},
        {"authorization": KEY},
        {"authorization": "Bearer ключ"},
    ],
)
def test_without_the_key_nothing_is_read(headers: dict[str, str]) -> None:
    app = Application()
    response = ask(Guard(app, key=KEY), **headers)
    assert response.status == 401
    assert response.error["type"] == "no_key"
    assert response.headers[b"www-authenticate"] == b"Bearer"
    assert KEY not in response.body.decode()
    assert not app.bodies


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_with_the_key_a_request_is_answered(scheme: str) -> None:
    assert ask(Guard(Application(), key=KEY), authorization=f"{scheme} {KEY}").status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *((path, 200) for path in ("/", "/docs", "/healthz", "/readyz", "/page/page.js")),
        *((path, 401) for path in ("/metrics", "/openapi.json", "/examples", "//healthz")),
        *((path, 401) for path in ("/healthz/", "/page", "/v1/page/", "")),
    ],
)
def test_health_and_the_page_alone_need_no_key(path: str, status: int) -> None:
    assert ask(Guard(Application(), key=KEY), path=path).status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:8000"}, 200),
        ({"host": "localhost"}, 200),
        ({"host": "[::1]:80"}, 200),
        ({"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example:8000"}, 403),
        ({"host": "[::1"}, 403),
        ({}, 403),
        ({"host": "127.0.0.1:8000", "origin": "https://evil.example"}, 403),
        ({"host": "127.0.0.1:8000", "origin": "null"}, 403),
        ({"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:9000"}, 403),
    ],
)
def test_pages_of_other_sites_do_not_reach_a_server_without_a_key(
    headers: dict[str, str], status: int
) -> None:
    guard = Guard(Application(), hosts=("127.0.0.1", "localhost", "::1"))
    assert ask(guard, **headers).status == status


def test_every_answer_has_the_headers_that_protect_a_browser() -> None:
    guard = Guard(Application(), key=KEY)
    for response in (ask(guard, path="/"), ask(guard)):
        assert response.headers[b"x-content-type-options"] == b"nosniff"
        assert b"default-src 'none'" in response.headers[b"content-security-policy"]
        assert not any(b"access-control" in name for name in response.headers)
    assert ask(guard).headers[b"cache-control"] == b"no-store"
    assert ask(guard, path="/").headers[b"Cache-Control"] == b"max-age=3"  # the application's own


def test_a_failure_of_the_application_is_not_hidden() -> None:
    async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        ask(Guard(broken))
