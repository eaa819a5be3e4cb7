"""Connections whose clients send no request, send it slowly, or do not read the answer.

uvicorn waits for the head of a request, and for a client to read, as long as it takes. Here both
have a limit; and when all connections are taken, the oldest that has not sent a whole head makes
room, so that clients that do send one are answered while others only hold connections.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ossicle.serving.refusal import Refusal

_JSON: Final = ("content-type", "application/json")


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of connections.

    Attributes:
        max_connections: Most connections at a time.
        max_head_s: Longest time to send the head of a request.
        max_reading_s: Longest time in which a client reads nothing of an answer.
    """

    max_connections: int = 1_000
    max_head_s: float = 10.0
    max_reading_s: float = 30.0


def limited_protocol(limits: ConnectionLimits) -> type[H11Protocol]:
    """Return the protocol of a server, for `uvicorn.Config(http=...)`.

    Args:
        limits: Its limits.
    """
    waiting: dict[LimitedProtocol, None] = {}  # oldest first

    class Limited(LimitedProtocol):
        """The protocol with the limits of one server."""

    Limited.limits, Limited.waiting = limits, waiting
    return Limited


class LimitedProtocol(H11Protocol):
    """A connection.

    Attributes:
        limits: The limits of all connections.
        waiting: Connections without a request, oldest first.
    """

    limits = ConnectionLimits()
    waiting: "dict[LimitedProtocol, None]"
    _head: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the head of a request; make room if all connections are taken."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.max_connections:
            oldest = next(iter(self.waiting), self)
            oldest.refuse(
                Refusal(503, "The server has no free connection. Try again.", retry_after_s=1)
            )
        if not transport.is_closing():
            self._wait()

    def data_received(self, data: bytes) -> None:
        """Go on with a request, or with waiting for its head."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._head is None and not self.transport.is_closing():
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        self._stop_reading()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._reading = self.loop.call_later(self.limits.max_reading_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        super().resume_writing()
        self._stop_reading()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - ours says more
        """Refuse what is not HTTP."""
        self.refuse(Refusal(400, "The request is not valid HTTP, or its headers are too long."))

    def refuse(self, refusal: Refusal) -> None:
        """Send a refusal, if no response has begun, and end the connection."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            length = ("content-length", str(len(refusal.body)))
            headers = [_JSON, length, ("connection", "close"), *refusal.headers.items()]
            for event in (
                h11.Response(status_code=refusal.status, headers=headers),
                h11.Data(data=refusal.body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self._stop_waiting()
        self.transport.close()

    def _wait(self) -> None:
        self.waiting[self] = None
        self._head = self.loop.call_later(self.limits.max_head_s, self._expire)

    def _expire(self) -> None:
        seconds = self.limits.max_head_s
        self.refuse(
            Refusal(408, f"No whole request came within {seconds:g} s. Send it in less time.")
        )

    def _stop_waiting(self) -> None:
        self.waiting.pop(self, None)
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
