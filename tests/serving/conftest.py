"""A server of a few adapters in this process, and what the library says without one."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi.testclient import TestClient
from served_adapters import write_adapters

from ossicle import Trained
from ossicle.serving.app import create_app
from ossicle.serving.engine import Engine
from ossicle.serving.settings import ServeSettings
from served import adapter

RECIPES = {
    "lora": "lora",
    "other": "lora",
    "wide": "bottleneck(width=5)",
    "prompt": "prompt(length=2)",
    "sum": "lora[1:] + weighted-sum",
    "linear": "linear",
}


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory, backbone: str) -> Path:
    """A folder with a run of each recipe, and one below another folder."""
    folder = tmp_path_factory.mktemp("served")
    for seed, (name, recipe) in enumerate(RECIPES.items()):
        adapter(folder / name, backbone, recipe, seed=seed)
    adapter(folder / "team" / "full", backbone, "full", seed=9)
    return folder


@pytest.fixture(scope="session")
def engine(root: Path) -> Iterator[Engine]:
    """An engine with three of the runs, which tests do not change."""
    made = Engine(ServeSettings(device="cpu", max_rows=8))
    made.open({name: root / name for name in ("lora", "other", "wide")})
    yield made
    made.close()


@pytest.fixture
def client(engine: Engine) -> TestClient:
    """A client of the application on that engine."""
    return TestClient(create_app(engine), raise_server_exceptions=False)


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Function from a folder and the content of a file to the answer of `Trained.predict`."""
    opened: dict[Any, Trained] = {}
    place = tmp_path_factory.mktemp("alone")

    def answer(folder: Path, audio: bytes, *, times: bool = False, **asked: Any) -> dict[str, Any]:
        if (folder, times) not in opened:
            opened[folder, times] = Trained.open(folder, device="cpu", times=times)
        file = place / "recording"
        file.write_bytes(audio)
        (found,) = opened[folder, times].predict([file], **asked)
        return {key: value for key, value in found.items() if key != "file"}

    return answer


@pytest.fixture(scope="session")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of an adapter of each kind that the API tells apart, by name."""
    return write_adapters(tmp_path_factory.mktemp("adapters"))


@pytest.fixture(scope="session")
def api_engine(adapters: dict[str, Path]) -> Iterator[Engine]:
    """An engine that serves them."""
    made = Engine(ServeSettings(device="cpu"))
    made.open(adapters)
    yield made
    made.close()


@pytest.fixture
def api(api_engine: Engine) -> TestClient:
    """A client of the application on that engine."""
    return TestClient(create_app(api_engine), raise_server_exceptions=False)


@pytest.fixture
def url(api_engine: Engine) -> Iterator[str]:
    """The address of a server of that engine on loopback."""
    config = uvicorn.Config(create_app(api_engine), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    ends = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < ends, "the server does not start"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
