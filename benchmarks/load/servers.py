"""Servers and clients as processes of their own."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from load.client import Plan, send

HERE = Path(__file__).parents[1]
PATHS = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": PATHS}
MB = 2**20
Batches = list[list[int]]  # the length of each row, in samples


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        process: Its process; decoders are children of it.
        port: Its port.
        file: To which it writes its batches; peft has none.
    """

    process: psutil.Process
    port: int
    file: Path

    def _family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def processor_s(self) -> float:
        """Return the processor time that it has used, with its decoders."""
        times = [one.cpu_times() for one in self._family()]
        return sum(one.user + one.system for one in times)

    def memory_mb(self) -> float:
        """Return the memory that it uses, with its decoders."""
        return sum(one.memory_info().rss for one in self._family()) / MB

    def batches(self) -> Batches:
        """Return all batches that it has computed."""
        return [one["lengths"] for one in self._written()]

    def bare_s(self) -> float:
        """Return the processor time that the bare backbone has taken for all of them."""
        return sum(one["bare_s"] for one in self._written())

    def _written(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text("utf-8").splitlines()]

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request with JSON, and return its status and answer."""
        content = b"" if body is None else json.dumps(body).encode()
        return asyncio.run(send(self.port, method, path, content, "application/json"))


@contextmanager
def started(
    kind: str, folders: Mapping[str, Path], limits: Mapping[str, Any], root: Path | None = None
) -> Iterator[Server]:
    """Start a server, wait until it is ready, and stop it at the end.

    Args:
        kind: `ossicle`, `paired` or `peft`: see `load/server.py`.
        folders: Folders of adapters, by name.
        limits: Fields of `ServeSettings`.
        root: Folder below which adapters may be loaded.
    """
    port, scratch = free_port(), tempfile.TemporaryDirectory()
    file = Path(scratch.name) / "batches"
    order = {
        "port": port,
        "folders": {name: str(folder) for name, folder in folders.items()},
        "limits": dict(limits),
        "batches": str(file),
        "root": None if root is None else str(root),
    }
    command = [sys.executable, "-m", "load.server", kind]
    starting = subprocess.Popen(command, stdin=subprocess.PIPE, env=ENVIRONMENT, cwd=HERE)
    with scratch, starting as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(order).encode())
        process.stdin.close()
        try:
            _wait_until_ready(port, process)
            yield Server(psutil.Process(process.pid), port, file)
        finally:
            process.send_signal(signal.SIGTERM)


def _wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            if asyncio.run(send(port, "GET", "/readyz", b"", "text/plain"))[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise SystemExit("a server did not start; what it says is above")


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
    return port


def begin(plan: Plan) -> "subprocess.Popen[bytes]":
    """Start a client."""
    command = [sys.executable, "-m", "load.client"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, cwd=HERE
    )
    assert process.stdin is not None
    process.stdin.write(plan.to_json())
    process.stdin.close()
    return process


def end(client: "subprocess.Popen[bytes]") -> list[dict[str, Any]]:
    """Wait until a client has all answers, and return what became of each request."""
    assert client.stdout is not None
    found: list[dict[str, Any]] = json.loads(client.stdout.read())
    client.wait()
    return found


def play(plan: Plan) -> list[dict[str, Any]]:
    """Run a client, and return what became of each request."""
    return end(begin(plan))
