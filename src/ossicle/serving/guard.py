"""What every request passes before the application: key, host, size and speed of its body.

A request is read whole before the application sees it, so that a slow client holds a connection and
the bytes it has sent, but no thread and no place in a queue. While the application works, the
connection is watched: when the client leaves, `request.state.gone` is set and the work cancelled.
"""

import asyncio
import hashlib
import hmac
import threading
from collections.abc import Awaitable, Callable, Collection, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from ossicle.serving.refusal import Refusal

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Observe = Callable[[Scope, int], None]

OPEN_PATHS: Final = frozenset({"/", "/docs", "/healthz", "/readyz"})  # for everybody
OPEN_BELOW: Final = "/page/"
_LINGER_S: Final = 2.0  # a client that still sends can read the refusal for this long
_CLOSE: Final = (b"connection", b"close")
_CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _CONTENT_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """Limits of requests.

    Attributes:
        max_body_bytes: Largest body.
        max_sending_s: Longest time to send a body.
        min_bytes_per_s: Slowest mean speed of a body, after the grace.
        grace_s: Time that a client has before its speed counts.
        max_held_bytes: Most bytes of the bodies of all requests at a time.
    """

    max_body_bytes: int = 32_000_000
    max_sending_s: float = 60.0
    min_bytes_per_s: float = 4_000.0
    grace_s: float = 5.0
    max_held_bytes: int = 512_000_000


class Guard:
    """The outermost layer of the application, in plain ASGI."""

    def __init__(
        self,
        app: Application,
        limits: GuardLimits | None = None,
        *,
        key: str | None = None,
        hosts: Collection[str] = (),
        observe: Observe | None = None,
    ) -> None:
        """Wrap an application.

        Args:
            app: The application.
            limits: Limits of requests.
            key: What clients send as `Authorization: Bearer KEY`; None: everybody is answered.
            hosts: Names by which the server may be called, against web pages that other sites send
                to a server without a key; none: any.
            observe: Called with scope and status at the end of each request; the status is 499 if
                the client left before its answer began.
        """
        self._app, self._limits, self._hosts = app, limits or GuardLimits(), hosts
        self._key = None if key is None else _digest(key.encode())
        self._observe = observe or (lambda _scope, _status: None)
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003})

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = _Response(send)
        body = _Body(receive, self._limits)
        try:
            self._check(scope)
            with self._room(body):
                content = await body.read(_stated_length(scope))
                await self._work(scope, content, receive, response)
        except Refusal as refusal:
            await response.refuse(refusal, None if body.is_whole else receive)
        except _Gone:
            pass
        finally:
            self._observe(scope, response.status)

    def _check(self, scope: Scope) -> None:
        """Raise for a request that is not answered whatever its body is.

        Raises:
            Refusal: it lacks the key, or comes from another web page.
        """
        if self._hosts:
            _check_host(scope, self._hosts)
        is_open = scope["path"] in OPEN_PATHS or scope["path"].startswith(OPEN_BELOW)
        if self._key is not None and not is_open:
            _check_key(scope, self._key)

    @contextmanager
    def _room(self, body: "_Body") -> Iterator[None]:
        """Count the bytes of a body until its request ends."""

        def hold(count: int) -> None:
            if self._held + count > self._limits.max_held_bytes:
                raise Refusal(
                    503,
                    "The server holds as many bytes of requests as it may. Try again.",
                    "busy",
                    retry_after_s=1,
                )
            self._held += count

        body.hold = hold
        try:
            yield
        finally:
            self._held -= body.size

    async def _work(
        self, scope: Scope, content: bytes, receive: Receive, response: "_Response"
    ) -> None:
        """Run the application until it ends or the client leaves."""
        gone, left = threading.Event(), asyncio.Event()
        scope.setdefault("state", {})["gone"] = gone
        messages = [{"type": "http.request", "body": content, "more_body": False}]

        async def replayed() -> Message:
            if messages:
                return messages.pop()
            await left.wait()
            return {"type": "http.disconnect"}

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            left.set()

        watching = asyncio.create_task(watch())
        working = asyncio.ensure_future(self._app(scope, replayed, response.send))
        try:
            await asyncio.wait({watching, working}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done() and not response.is_complete:
                gone.set()
                working.cancel()
                with suppress(asyncio.CancelledError):
                    await working
                raise _Gone
            await working
        finally:
            gone.set()
            watching.cancel()
            working.cancel()


class _Gone(Exception):
    """The client has left."""


class _Body:
    """The body of a request, as it arrives.

    Attributes:
        size: Bytes that have arrived.
        is_whole: Whether all have.
        hold: Called with the number of bytes that arrive.
    """

    def __init__(self, receive: Receive, limits: GuardLimits) -> None:
        self.size, self.is_whole = 0, False
        self.hold: Callable[[int], None] = lambda _count: None
        self._receive, self._limits = receive, limits

    async def read(self, stated: int) -> bytes:
        """Return the whole body.

        Args:
            stated: Its length by the header, which is only believed if it is too large.

        Raises:
            Refusal: it is too large, too slow, or there is no room for it.
            _Gone: the client leaves.
        """
        self._check_size(stated)
        begun_s, content = asyncio.get_running_loop().time(), bytearray()
        while not self.is_whole:
            try:
                async with asyncio.timeout_at(begun_s + self._allowed_s()):
                    message = await self._receive()
            except TimeoutError as error:
                raise self._too_slow() from error
            if message["type"] == "http.disconnect":
                raise _Gone
            part = message.get("body", b"")
            self.is_whole = not message.get("more_body", False)
            self._check_size(self.size + len(part))
            self.hold(len(part))
            content += part
            self.size += len(part)
        return bytes(content)

    def _allowed_s(self) -> float:
        """Return by when more has to arrive, in seconds after the beginning."""
        limits = self._limits
        return min(limits.max_sending_s, limits.grace_s + self.size / limits.min_bytes_per_s)

    def _check_size(self, size: int) -> None:
        most = self._limits.max_body_bytes
        if size > most:
            raise Refusal(
                413,
                f"The body is larger than {most / 1e6:g} MB. Send a shorter recording, or a "
                "compressed one, such as flac or ogg.",
            )

    def _too_slow(self) -> Refusal:
        limits = self._limits
        return Refusal(
            408,
            f"The body arrives too slowly: {self.size} bytes so far, where at least "
            f"{limits.min_bytes_per_s / 1e3:g} kB a second are expected, and the whole body within "
            f"{limits.max_sending_s:g} s. Send it over a faster connection.",
        )


class _Response:
    """The response of a request, with the headers that all have.

    Attributes:
        status: Its status; 499 as long as it has not begun.
        is_complete: Whether all of it was sent.
    """

    def __init__(self, send: Send) -> None:
        self.status, self.is_complete = 499, False
        self._send = send

    async def send(self, message: Message) -> None:
        """Send a part of the response of the application."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            headers += [pair for pair in HEADERS if pair[0] not in present]
            message = {**message, "headers": headers}
        await self._send(message)
        self.is_complete = message["type"] == "http.response.body" and not message.get("more_body")

    async def refuse(self, refusal: Refusal, receive: Receive | None) -> None:
        """Send a refusal.

        Args:
            refusal: The refusal.
            receive: What still gives parts of the body, which are read for a moment: a client that
                sends all of it first would otherwise see a broken connection instead of an answer.
        """
        body = refusal.body
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            *((name.lower().encode(), text.encode()) for name, text in refusal.headers.items()),
            *([(b"www-authenticate", b"Bearer")] if refusal.status == 401 else []),
            *([_CLOSE] if receive is not None else []),
        ]
        await self.send(
            {"type": "http.response.start", "status": refusal.status, "headers": headers}
        )
        if receive is None:
            await self.send({"type": "http.response.body", "body": body})
            return
        await self.send({"type": "http.response.body", "body": body, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                while (message := await receive())["type"] == "http.request":
                    if not message.get("more_body"):
                        break
        await self.send({"type": "http.response.body", "body": b""})


def _headers(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key == name]


def _stated_length(scope: Scope) -> int:
    """Return the length of the body that the header states; 0: none."""
    stated = _headers(scope, b"content-length")
    return int(stated[0]) if stated and stated[0].isdigit() else 0


def _digest(key: bytes) -> bytes:
    """Return a hash of a key: all are equally long, so comparing them tells no length."""
    return hashlib.sha256(key).digest()


def _check_key(scope: Scope, key: bytes) -> None:
    """Raise without the key.

    Raises:
        Refusal: it is missing or another one.
    """
    given = _headers(scope, b"authorization")
    scheme, _, sent = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
    if not hmac.compare_digest(_digest(sent.strip()), key) or scheme.lower() != b"bearer":
        what = "has another key than this server" if given else "has no key"
        raise Refusal(
            401, f"The request {what}. Send the header 'Authorization: Bearer KEY' with its key."
        )


def _check_host(scope: Scope, hosts: Collection[str]) -> None:
    """Raise for what a browser sends on behalf of a page of another site.

    Raises:
        Refusal: the server was called by a name that is not its own, or by another page.
    """
    (host,) = _headers(scope, b"host")[:1] or (b"",)
    if _name(host) not in hosts:
        raise Refusal(
            403,
            f"The request is for the host '{_name(host):.100}', and a server without a key answers "
            f"to {' and '.join(sorted(hosts))} alone. Call it by one of these, or start it with a "
            "key.",
        )
    for origin in _headers(scope, b"origin"):
        if origin.partition(b"://")[2] != host:
            raise Refusal(
                403,
                "The request comes from a page of another site, which a server without a key does "
                "not answer. Use its own page, or a client that is not a browser.",
            )


def _name(host: bytes) -> str:
    """Return the name in a header Host, without the port."""
    try:
        return (urlsplit(b"//" + host).hostname or b"").decode()
    except ValueError:  # not a name, or not UTF-8
        return ""
