"""A server process: load, answer, and stop when told to."""

import logging
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn

from ossicle.errors import ServeError
from ossicle.serving.app import create_app
from ossicle.serving.connections import ConnectionLimits, limited_protocol
from ossicle.serving.engine import Engine
from ossicle.serving.settings import LOOPBACK, ServeSettings, read_key

_LOGGER: Final = logging.getLogger(__name__)
SENDING_S: Final = 5  # how long the last responses may take to be sent


class DrainingServer(uvicorn.Server):
    """A server that answers what it has begun before it stops, and meanwhile refuses the rest."""

    def __init__(self, config: uvicorn.Config, engine: Engine) -> None:
        super().__init__(config)
        self._engine = engine

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first signal, stop at once at the second."""
        if self._engine.state == "draining":
            super().handle_exit(sig, frame)
            return
        self._engine.drain()
        threading.Thread(target=self._stop_when_idle, daemon=True).start()

    def _stop_when_idle(self) -> None:
        self._engine.wait_idle(self._engine.settings.drain_s)
        self.should_exit = True


def serve(settings: ServeSettings, folders: Mapping[str, Path], found: Mapping[str, Path]) -> None:
    """Serve adapters until SIGTERM or Ctrl-C.

    The port answers at once; adapters are loaded meanwhile, and `/readyz` says when they are.

    Args:
        settings: Where to listen, and the limits.
        folders: Folders of adapters that must be served, by name.
        found: Folders of others; those that cannot be served are logged and left out.

    Raises:
        ServeError: the address cannot be used.
        OssicleError: an adapter cannot be loaded.
    """
    listening = _listening(settings)
    engine = Engine(settings)
    key = read_key()
    config = uvicorn.Config(
        create_app(engine, key=key, hosts=() if key else {*LOOPBACK, settings.host}),
        http=limited_protocol(ConnectionLimits()),
        ws="none",
        log_level="error",
        access_log=False,  # its lines would hold prompts
        server_header=False,
        timeout_graceful_shutdown=SENDING_S,
    )
    server = DrainingServer(config, engine)
    failed: list[Exception] = []

    def load() -> None:
        try:
            engine.open(folders, found)
        except Exception as error:
            failed.append(error)
            server.should_exit = True
        else:
            count = len(engine.catalogue)
            what = "1 adapter" if count == 1 else f"{count} adapters"
            _LOGGER.info(f"Serving {what} on {_address(listening)}; stop it with Ctrl-C")

    threading.Thread(target=load, name="loading", daemon=True).start()
    try:
        server.run([listening])
    finally:
        engine.close()
    if failed:
        raise failed[0]


def _listening(settings: ServeSettings) -> socket.socket:
    """Return a socket that listens.

    Raises:
        ServeError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise ServeError(
            f"cannot listen on {settings.host}, port {settings.port}: "
            f"{error.strerror or error}; choose others with --host and --port"
        ) from error


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
