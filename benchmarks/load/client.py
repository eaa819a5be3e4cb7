"""A client in a process of its own: requests that come whether or not earlier ones were answered.

    python -m load.client < plan.json > answers.json

With a rate, requests come as a Poisson process of that rate, and the latency of each counts from
the moment at which it was due: a server that falls behind does not slow the requests down, as
clients that wait for their answers do. Without a rate, so many requests are always under way, and
their number in a second is the capacity of the server.

A request is one connection to this machine, a WAV file as its body, and one adapter; adapter and
recording are drawn at random, evenly.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

TIMED_OUT, NO_ANSWER = -1, 0  # in place of a status
ANSWERED = 200
REFUSED_S = 0.5  # until the next request after one that was not answered


@dataclass(frozen=True)
class Plan:
    """What a client does.

    Attributes:
        port: Port of the server.
        adapters: Names of adapters, one of which each request asks.
        recordings: WAV files.
        seconds: How long requests are sent.
        rate: Requests in a second; None: as many as are answered.
        under_way: Requests that are under way at a time, without a rate.
        seed: Decides about moments, adapters and recordings.
        max_wait_s: Longest wait for an answer.
        keep: Whether the answers themselves are kept.
    """

    port: int
    adapters: Sequence[str]
    recordings: Sequence[str]
    seconds: float
    rate: float | None = None
    under_way: int = 16
    seed: int = 0
    max_wait_s: float = 120.0
    keep: bool = False

    def to_json(self) -> bytes:
        """Return the plan as a client reads it."""
        return json.dumps(asdict(self)).encode()


async def send(port: int, method: str, path: str, body: bytes, kind: str) -> tuple[int, Any]:
    """Send a request; return the status and the answer: JSON, or None."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    try:
        writer.write(head.encode() + body)
        await writer.drain()
        answer = await reader.read()
    finally:
        writer.close()
    head_read, _, content = answer.partition(b"\r\n\r\n")
    status = int(head_read.split(b" ", 2)[1]) if head_read else NO_ANSWER
    return status, json.loads(content) if content else None


class Client:
    """Sends requests and notes what becomes of them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.random = random.Random(plan.seed)
        self.bodies = [Path(file).read_bytes() for file in plan.recordings]
        self.found: list[dict[str, Any]] = []

    async def ask(self, due_s: float) -> int:
        """Send one request, that was due at a moment, and return its status."""
        adapter = self.random.choice(self.plan.adapters)
        number = self.random.randrange(len(self.bodies))
        path = f"/v1/predict?adapter={adapter}"
        answer: Any = None
        try:
            sent = send(self.plan.port, "POST", path, self.bodies[number], "audio/wav")
            status, answer = await asyncio.wait_for(sent, self.plan.max_wait_s)
        except TimeoutError:
            status = TIMED_OUT
        except OSError:
            status = NO_ANSWER
        now = time.perf_counter()
        note = {"due_s": due_s - self.begun, "latency_s": now - due_s, "status": status}
        if isinstance(answer, Mapping):
            note["ms"] = answer.get("ms")
            if self.plan.keep:
                note |= {"adapter": adapter, "recording": number, "answer": answer}
        self.found.append(note)
        return status

    async def arrivals(self) -> AsyncIterator[float]:
        """Yield the moment at which each request is due, at that moment."""
        assert self.plan.rate is not None
        due_s = self.begun
        while (due_s := due_s + self.random.expovariate(self.plan.rate)) < self.ends:
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            yield due_s

    async def one_by_one(self) -> None:
        """Send requests, each when the one before it was answered, or a little after a refusal."""
        while time.perf_counter() < self.ends:
            if await self.ask(time.perf_counter()) != ANSWERED:
                await asyncio.sleep(REFUSED_S)

    async def run(self) -> None:
        """Send all requests, and wait for their answers."""
        self.begun = time.perf_counter()
        self.ends = self.begun + self.plan.seconds
        async with asyncio.TaskGroup() as group:
            if self.plan.rate is None:
                for _ in range(self.plan.under_way):
                    group.create_task(self.one_by_one())
                return
            async for due_s in self.arrivals():
                group.create_task(self.ask(due_s))


def main() -> None:
    """Do what the plan on the standard input says, and print what became of each request."""
    client = Client(Plan(**json.load(sys.stdin)))
    asyncio.run(client.run())
    json.dump(client.found, sys.stdout)


if __name__ == "__main__":
    main()
