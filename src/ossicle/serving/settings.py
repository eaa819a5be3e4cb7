"""The settings of a server: where it listens, what it serves, and its limits."""

import os
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from ossicle.errors import ServeError

KEY = "OSSICLE_API_KEY"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """The settings of a server.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0: a free one.
        root: Folder below which adapters may be loaded over HTTP, if any.
        allow_loading: Whether adapters may be loaded and removed over HTTP.
        device: auto, cpu, cuda, ...
        backbone: Location of the backbone of all adapters. By default, the one that each adapter's
            folder names.
        max_adapters: Most adapters that are served.
        max_resident: Most adapters of a backbone in memory; others are loaded on demand.
        max_backbones: Most backbones in memory.
        max_rows: Most rows of a batch.
        max_wait_ms: Longest time that a row waits for others to share its batch.
        max_requests: Most requests at a time; further ones get the status 429.
        max_body_bytes: Largest body of a request.
        max_recording_s: Longest recording.
        max_decoding_s: Longest time to decode a recording.
        decoders: Number of processes that decode recordings.
        max_sending_s: Longest time that a client may take to send its request.
        max_answer_s: Longest time for an answer. A request that is likely to take longer, by the
            time of the last answers, gets the status 429 at once.
        drain_s: Longest time that a server which was told to stop goes on answering.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    root: Path | None = None
    allow_loading: bool = False
    device: str = "auto"
    backbone: str | None = None
    max_adapters: int = 1000
    max_resident: int = 256
    max_backbones: int = 4
    max_rows: int = 32
    max_wait_ms: float = 5.0
    max_requests: int = 128
    max_body_bytes: int = 32_000_000
    max_recording_s: float = 600.0
    max_decoding_s: float = 30.0
    decoders: int = 2
    max_sending_s: float = 30.0
    max_answer_s: float = 120.0
    drain_s: float = 30.0

    def check_host(self, key: str | None) -> None:
        """Raise unless only this computer reaches the server, or a key guards it.

        Raises:
            ServeError: other computers reach it, and there is no key.
        """
        if key is None and not is_loopback(self.host):
            raise ServeError(
                f"--host {self.host} can be reached by other computers, and no key guards the "
                f"server; set the environment variable {KEY} to a long random text that clients "
                "send, or leave --host out to serve this computer alone"
            )


def read_key() -> str | None:
    """Return the key that clients have to send; None: there is none.

    Raises:
        ServeError: the environment variable is set, but clients cannot send what it holds.
    """
    key = os.environ.get(KEY)
    if key is not None and not (key.isascii() and key.isprintable() and key == key.strip() != ""):
        raise ServeError(
            f"the environment variable {KEY} is empty, or has spaces at its ends or characters "
            "that are not ASCII; set it to a long random text, or unset it to serve this computer "
            "alone without a key"
        )
    return key


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from this computer alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
