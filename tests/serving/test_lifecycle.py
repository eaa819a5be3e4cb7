"""From the command to SIGTERM: a server starts, says when it is ready, drains, and stops."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from ossicle.errors import OssicleError
from ossicle.serving.app import create_app
from ossicle.serving.engine import Engine
from ossicle.serving.measures import Pace
from ossicle.serving.refusal import Refusal
from ossicle.serving.settings import ServeSettings
from served import wav

ROOT = Path(__file__).parents[2]
RAW = {"content-type": "audio/wav"}


def command(*arguments: object, **environment: str) -> "subprocess.Popen[str]":
    """Start `ossicle serve` on a free port."""
    return subprocess.Popen(
        [sys.executable, "-m", "ossicle", "serve", *map(str, arguments), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment},
    )


def address(server: "subprocess.Popen[str]") -> str:
    """Return the address that a server prints once it is ready."""
    assert server.stderr is not None
    for line in server.stderr:
        if "Serving" in line:
            return next(word for word in line.replace(";", "").split() if "http" in word)
    raise AssertionError("it has ended")


@pytest.fixture
def server(root: Path) -> "Iterator[subprocess.Popen[str]]":
    """A server of all runs of a folder, with one run more that is damaged."""
    (root / "damaged").mkdir(exist_ok=True)
    (root / "damaged" / "recipe.json").write_text("{}")
    made = command("--adapters", root, "--device", "cpu", "--max-wait-ms", "4000")
    yield made
    made.kill()
    made.wait()
    assert made.stderr is not None
    made.stderr.close()


@pytest.mark.thorough
@pytest.mark.loopback
def test_sigterm_lets_requests_finish_and_refuses_others(
    server: "subprocess.Popen[str]",
) -> None:
    with httpx.Client(base_url=address(server), timeout=60) as client:
        names = [one["name"] for one in client.get("/v1/adapters").json()["adapters"]]
        assert {"lora", "team/full"} <= set(names)
        assert "damaged" not in names
        assert client.get("/readyz").json() == {"status": "ready"}

        def ask() -> httpx.Response:
            return client.post("/v1/predict?adapter=lora", content=wav(0.3), headers=RAW)

        with ThreadPoolExecutor(1) as pool:
            begun = pool.submit(ask)  # its row waits 4 s for others
            time.sleep(1.5)
            server.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            assert ask().status_code == 503
            assert client.get("/readyz").status_code == 503
            assert client.get("/healthz").status_code == 200
            assert begun.result().status_code == 200
        assert server.wait(60) == 0


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to serve"),
        (["{root}/lora", "--host", "0.0.0.0"], "OSSICLE_API_KEY"),
        (["{root}/lora", "--host", "192.0.2.1"], "OSSICLE_API_KEY"),
        (["{root}/lora", "--allow-loading"], "needs --adapters"),
        (["{root}/nowhere"], "not an adapter folder: there is no such folder"),
        (["--adapters", "{root}/nowhere"], "is not a folder"),
        (["--adapters", "{root}/lora"], "there is no run below"),
    ],
)
def test_what_cannot_be_served_is_said_before_anything_is_loaded(
    root: Path, arguments: list[str], message: str
) -> None:
    server = command(*[one.format(root=root) for one in arguments])
    _, said = server.communicate(timeout=120)
    assert server.returncode == 2
    assert message in said


def test_a_server_that_is_loading_or_full_says_so() -> None:
    engine = Engine(ServeSettings(max_requests=1))
    client = TestClient(create_app(engine))
    assert client.get("/healthz").json() == {"status": "alive"}
    assert (client.get("/readyz").status_code, engine.state) == (503, "loading")
    found = client.post("/v1/predict", content=b"x", headers=RAW)
    assert (found.status_code, found.headers["retry-after"]) == (503, "1")
    engine.state = "ready"
    with engine.admitted():
        found = client.post("/v1/predict", content=b"x", headers=RAW)
        assert (found.status_code, found.headers["retry-after"]) == (429, "1")
        assert not engine.wait_idle(0)
    assert engine.wait_idle(0)
    engine.close()


@pytest.mark.thorough
def test_a_request_that_would_be_answered_too_late_is_refused_at_once() -> None:
    engine = Engine(ServeSettings(max_answer_s=10.0))
    engine.state, engine.pace = "ready", Pace(kept=1.0)
    engine.pace.ran(0.0, 5.0)
    for _ in range(3):  # 5 s for three answers
        engine.pace.answered()
    client = TestClient(create_app(engine))
    with engine.admitted(), engine.admitted(), engine.admitted():  # which take 5 s
        with engine.admitted(asks_models=False):
            pass
        found = client.post("/v1/predict", content=b"x", headers=RAW)
        assert (found.status_code, found.headers["retry-after"]) == (429, "5")
        assert "about 5.0 s" in found.json()["error"]["message"]
    assert engine.pace.seconds_for(6) == pytest.approx(5.0)  # the three have made six answers
    engine.close()


@pytest.mark.thorough
def test_a_slow_answer_closes_no_idle_server() -> None:
    engine = Engine(ServeSettings(max_answer_s=10.0))
    engine.state = "ready"
    with engine.admitted():
        engine.pace.ran(0.0, 50.0)
    with engine.admitted(), pytest.raises(Refusal, match=r"about 50\.0 s"), engine.admitted():
        pass
    engine.close()


@pytest.mark.thorough
def test_a_server_is_not_ready_before_its_decoders_are(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    engine = Engine(ServeSettings(device="cpu"))
    try:
        with pytest.raises(OssicleError, match=r"^The decoder does not start\."):
            engine.open({"lora": root / "lora"})
        assert TestClient(create_app(engine)).get("/readyz").status_code == 503
    finally:
        engine.close()
