"""`ossicle serve --engine ray` answers as the library does, also while a replica is killed."""

import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from test_ray_engine import RayCluster, started

from ossicle import Trained
from served import adapter, wav

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("grpc_reflection") is None, reason="ray[serve] is missing"
    ),
    pytest.mark.slow,
    pytest.mark.thorough,
    pytest.mark.exhaustive,
    pytest.mark.loopback,
]
RECIPES = ("lora", "lora", "bottleneck(width=5)")
UNDER_WAY = 8  # requests at a time


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs."""
    folder = tmp_path_factory.mktemp("runs")
    for number, recipe in enumerate(RECIPES):
        adapter(folder / f"a{number}", "config:tiny-hubert", recipe, seed=number)
    return folder


@contextmanager
def serving(cluster: RayCluster, runs: Path, *options: str) -> Iterator[tuple[Any, str]]:
    """Start the command, and give its process and the address of its server."""
    port = free_port()
    command = ["-m", "ossicle", "serve", "--adapters", str(runs), "--engine", "ray", *options]
    command += ["--address", cluster.address, "--port", str(port), "--device", "cpu"]
    with subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True) as process:
        address = f"http://127.0.0.1:{port}"
        for _ in range(240):
            assert process.poll() is None, process.stderr and process.stderr.read()
            if is_ready(address):
                break
            time.sleep(0.5)
        try:
            yield process, address
        finally:
            process.terminate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
    return port


def is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def replicas(cluster: RayCluster) -> list[psutil.Process]:
    """Return the processes of the replicas of this cluster."""
    return [
        one
        for one in psutil.Process(cluster.process.pid).children(recursive=True)
        if "ServeReplica:ossicle:Replica" in " ".join(one.cmdline())
    ]


def ask(address: str, name: str, audio: bytes) -> httpx.Response:
    kind = {"Content-Type": "audio/wav"}
    url = f"{address}/v1/predict?adapter={name}"
    return httpx.post(url, content=audio, headers=kind, timeout=60)


def test_a_replica_that_is_killed_under_load_costs_only_what_it_was_answering(
    runs: Path, tmp_path: Path
) -> None:
    audio = wav(0.4)
    (tmp_path / "recording").write_bytes(audio)
    expected = {}
    for folder in sorted(runs.iterdir()):
        (found,) = Trained.open(folder, device="cpu").predict([tmp_path / "recording"])
        expected[folder.name] = found["probs"]
    names = [f"a{number % len(RECIPES)}" for number in range(120)]
    with started() as cluster, serving(cluster, runs) as (process, address):
        killed = replicas(cluster)
        assert len(killed) == 2
        with ThreadPoolExecutor(UNDER_WAY) as pool:
            under_way = [pool.submit(ask, address, name, audio) for name in names]
            under_way[20].result()
            killed[0].kill()
            answers = [one.result() for one in under_way]
            lost = [one for one in answers if one.status_code != 200]
            assert len(lost) <= UNDER_WAY
            for one in lost:
                assert one.status_code == 503
                assert one.json()["error"]["message"].endswith("try again")
            for name, one in zip(names, answers, strict=True):
                if one.status_code == 200:
                    (answer,) = one.json()["answers"]
                    assert answer["probs"] == pytest.approx(expected[name], abs=1e-5)
            assert ask(address, "a0", audio).status_code == 200
            until = time.monotonic() + 120
            while len(replicas(cluster)) < 2 and time.monotonic() < until:
                time.sleep(1)
            assert killed[0].pid not in [one.pid for one in replicas(cluster)]
            assert len(replicas(cluster)) == 2, "Ray starts another one"
            last = [pool.submit(ask, address, name, audio) for name in names[:UNDER_WAY]]
            time.sleep(0.2)
            process.terminate()
            assert {one.result().status_code for one in last} == {200}, "what has begun is answered"
        assert process.wait(60) == 0
        assert not replicas(cluster)


def test_errors_and_limits_are_those_of_one_process(runs: Path) -> None:
    with (
        started() as cluster,
        serving(cluster, runs, "--replicas", "1", "--max-body-mb", "0.1") as (_, address),
    ):
        unknown = ask(address, "a7", wav(0.4))
        assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "not_found")
        noise = ask(address, "a0", b"no sound")
        assert (noise.status_code // 100, noise.json()["error"]["type"]) == (4, "bad_audio")
        large = ask(address, "a0", wav(10.0))
        assert (large.status_code, large.json()["error"]["type"]) == (413, "too_large")
        form = httpx.post(
            f"{address}/v1/predict", files={"file": wav(0.4)}, data={"adapter": "a1"}, timeout=60
        )
        assert form.json()["answers"][0]["adapter"] == "a1"
        listed = httpx.get(f"{address}/v1/adapters", timeout=60).json()["adapters"]
        assert [one["name"] for one in listed] == ["a0", "a1", "a2"]
        again = [sys.executable, "-m", "ossicle", "serve", str(runs / "a0"), "--engine", "ray"]
        again += ["--address", cluster.address, "--port", str(free_port())]
        second = subprocess.run(again, capture_output=True, text=True, check=False)
        assert second.returncode != 0
        assert "serves ossicle already" in second.stderr


def test_without_a_cluster_the_command_says_so_in_one_line(runs: Path) -> None:
    command = [sys.executable, "-m", "ossicle", "serve", str(runs / "a0"), "--engine", "ray"]
    command += ["--address", "127.0.0.1:9"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode != 0
    (line,) = found.stderr.strip().splitlines()
    assert line.startswith("no Ray cluster answers at '127.0.0.1:9'")
