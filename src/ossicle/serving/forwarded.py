"""A request that is carried to another process, and answered there by an application."""

import json
from asyncio import Event
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Scope

FIELDS = ("adapter", "adapters", "model")  # where endpoints take the name of an adapter
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Answered:
    """A response.

    Attributes:
        status: Its status code.
        headers: Its headers.
        body: Its body.
    """

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A request with its body, as plain data.

    Attributes:
        method: Its method.
        path: Its path.
        query: Its query string.
        headers: Its headers.
        body: Its body.
    """

    method: str
    path: str
    query: bytes
    headers: Headers
    body: bytes

    @classmethod
    def of(cls, request: Request, body: bytes) -> "Forwarded":
        """Return a request whose body has been read."""
        headers, query = request.headers.raw, request.scope.get("query_string", b"")
        return cls(request.method, request.url.path, query, tuple(headers), body)

    def scope(self) -> Scope:
        """Return the request as ASGI describes it."""
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": self.query,
            "root_path": "",
            "headers": list(self.headers),
            "client": None,
            "server": None,
        }

    async def answered_by(self, app: ASGIApp) -> Answered:
        """Return what an application answers."""
        receive, sent = _Receive(self.body), []

        async def send(message: Message) -> None:
            sent.append(message)

        try:
            await app(self.scope(), receive, send)
        except Exception:
            if not sent:  # an application may raise once it has answered, for the log of its server
                raise
        start, *parts = sent
        body = b"".join(part.get("body", b"") for part in parts)
        return Answered(start["status"], tuple(start.get("headers", ())), body)

    async def adapter(self) -> str:
        """Return the first adapter that the request names; an empty text if it names none."""
        request = Request(self.scope(), _Receive(self.body))
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        named: Any = {key: request.query_params.getlist(key) for key in FIELDS}
        with suppress(Exception):  # whatever is wrong with it, the application says
            if kind == "application/json":
                named = json.loads(self.body)
            elif kind == "multipart/form-data":
                async with request.form() as form:
                    named = {key: form.getlist(key) for key in FIELDS}
        return _first_name(named)


class _Receive:
    """Gives a body at once, and then waits, as for a client that stays."""

    def __init__(self, body: bytes) -> None:
        self._messages: list[Message] = [{"type": "http.request", "body": body}]

    async def __call__(self) -> Message:
        if not self._messages:
            await Event().wait()
        return self._messages.pop()


def _first_name(named: Any) -> str:
    for field in FIELDS:
        value = named.get(field) if hasattr(named, "get") else None
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, str):
            return value
    return ""
