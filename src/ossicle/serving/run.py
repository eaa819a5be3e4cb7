"""A server process: load, answer, and stop when told to."""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn

from ossicle.errors import ServeError
from ossicle.serving.app import create_app
from ossicle.serving.engine import Engine
from ossicle.serving.settings import ServeSettings

_LOGGER: Final = logging.getLogger(__name__)
_NOT_BOUND: Final = "the address is in use, or is not one of this computer"


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


def serve(settings: ServeSettings, folders: Mapping[str, Path]) -> None:
    """Serve adapters until SIGTERM or Ctrl-C.

    The port answers at once; adapters are loaded meanwhile, and `/readyz` says when they are.

    Args:
        settings: Where to listen, and the limits.
        folders: Adapter folders by name.

    Raises:
        ServeError: the address cannot be used.
        OssicleError: an adapter cannot be loaded.
    """
    engine = Engine(settings)
    config = uvicorn.Config(
        create_app(engine),
        host=settings.host,
        port=settings.port,
        log_level="error",
        access_log=False,  # its lines would hold prompts
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    server = DrainingServer(config, engine)
    failed: list[Exception] = []

    def load() -> None:
        try:
            engine.open(folders)
        except Exception as error:
            failed.append(error)
            server.should_exit = True
        else:
            what = "1 adapter" if len(folders) == 1 else f"{len(folders)} adapters"
            _LOGGER.info(f"Serving {what} on http://{settings.host}:{settings.port}")

    loading = threading.Thread(target=load, name="loading", daemon=True)
    loading.start()
    try:
        server.run()
    except SystemExit as error:  # uvicorn cannot listen
        raise ServeError(
            f"cannot listen on {settings.host}:{settings.port}: {_NOT_BOUND}; choose another with "
            "--host and --port"
        ) from error
    finally:
        engine.close()
    if failed:
        raise failed[0]
