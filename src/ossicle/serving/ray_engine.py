"""The same application on Ray Serve: replicas on the nodes of a cluster.

    clients -> proxy of Ray -> Ingress -> Replica: application, engine, a backbone, adapters
                                       -> Replica: the same, with the adapters asked of it lately

The ingress carries each request whole to a replica: to one that has its adapter in memory if there
is one, else to the one that has least to do. Ray starts a replica again whose process has ended;
requests that it was answering are sent to another one once, and get the status 503 after that.

Ray ends a process that loses its cluster, and so the command ends with it.
"""

import logging
import os
import signal
import threading
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final

import ray
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError
from starlette.requests import Request
from starlette.responses import Response

from ossicle.errors import ServeError
from ossicle.serving.catalogue import read_entry
from ossicle.serving.forwarded import Answered, Forwarded
from ossicle.serving.refusal import Refusal, busy, unavailable
from ossicle.serving.settings import KEY, LOOPBACK, ServeSettings, read_key
from ossicle.trials.code import code_version
from ossicle.trials.ray_driver import connect, no_stderr
from ossicle.trials.ray_engine import AUTO, PASSED, THREADS, RayEngine

_LOGGER: Final = logging.getLogger(__name__)
NAME: Final = "ossicle"
TRIES: Final = 2  # a recording that ends the process of a replica must not end those of all
ALL: Final = -1  # a replica tells Ray of all adapters it was asked for; its engine has the limit


@dataclass(frozen=True)
class Place:
    """What every replica must be like.

    Attributes:
        settings: The limits of each.
        folders: Folders of adapters that must be served, by name; all nodes see them.
        found: Folders of others; those that cannot be served are left out.
        environment: Variables of the process; None: not set.
        threads: Threads that compute.
        code: Version of the code.
    """

    settings: ServeSettings
    folders: Mapping[str, Path]
    found: Mapping[str, Path]
    environment: Mapping[str, str | None]
    threads: int
    code: str


class Replica:
    """An engine and its application, in a process of Ray."""

    def __init__(self, place: Place) -> None:
        """Load all adapters.

        Raises:
            OssicleError: one cannot be served here.
        """
        if code_version() != place.code:
            raise ServeError("this node has another version of ossicle than the command")
        for name, value in place.environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        import torch

        from ossicle.serving.app import create_app
        from ossicle.serving.engine import Engine

        torch.set_num_threads(place.threads)
        self._engine = Engine(place.settings)
        self._engine.open(place.folders, place.found)
        key, host = read_key(), place.settings.host
        self._app = create_app(self._engine, key=key, hosts=() if key else {*LOOPBACK, host})

    @serve.multiplexed(max_num_models_per_replica=ALL)  # type: ignore[untyped-decorator]
    async def hold(self, name: str) -> str:
        """Let Ray know that this replica has an adapter; the engine loads it when it is asked."""
        return name

    async def answer(self, request: Forwarded) -> Answered:
        """Return the answer of the application."""
        name = serve.get_multiplexed_model_id()
        if name in {entry.name for entry in self._engine.catalogue.entries()}:
            await self.hold(name)
        return await request.answered_by(self._app)

    def __del__(self) -> None:
        """End the threads and processes; Ray waits for the answers before."""
        if hasattr(self, "_engine"):
            self._engine.close()


class Ingress:
    """Carries requests to replicas."""

    def __init__(self, replicas: Any, max_body_bytes: int) -> None:
        self._replicas = replicas
        self._most = max_body_bytes

    async def __call__(self, request: Request) -> Response:
        """Return the answer of a replica, or say why there is none."""
        try:
            answered = await self._carry(Forwarded.of(request, await self._body(request)))
        except Refusal as refusal:
            headers = {**refusal.headers, "Content-Type": "application/json"}
            return Response(refusal.body, refusal.status, headers)
        response = Response(answered.body, answered.status)
        response.raw_headers = list(answered.headers)
        return response

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > self._most:
                raise Refusal(
                    413, f"the body has more than {self._most} bytes, which is the most; send less"
                )
        return bytes(body)

    async def _carry(self, request: Forwarded) -> Answered:
        name = await request.adapter()
        replicas = self._replicas.options(multiplexed_model_id=name) if name else self._replicas
        for _ in range(TRIES):
            try:
                answered: Answered = await replicas.answer.remote(request)
            except RayActorError:  # its process has ended
                continue
            except BackPressureError as error:
                raise busy(
                    "all replicas have as many requests as they may, and as many wait; try again"
                ) from error
            return answered
        raise unavailable(
            f"{TRIES} replicas ended while they were answering this request; try again", 5
        )


def serve_on_ray(
    settings: ServeSettings,
    folders: Mapping[str, Path],
    found: Mapping[str, Path],
    *,
    address: str | None,
    replicas: int,
) -> None:
    """Serve adapters on a Ray cluster until SIGTERM or Ctrl-C.

    Args:
        settings: Where the head of the cluster listens, and the limits of each replica.
        folders: Folders of adapters that must be served, by name; all nodes see them.
        found: Folders of others; those that cannot be served are left out.
        address: HOST:PORT of the head; None: RAY_ADDRESS, or the cluster of this machine.
        replicas: Number of replicas.

    Raises:
        RunError: no cluster can be reached.
        ServeError: it has no room, or serves already.
        OssicleError: an adapter cannot be loaded.
    """
    if settings.port == 0:
        raise ServeError("--engine ray needs a port; choose one with --port")
    RayEngine(address)  # checks the address
    for name, folder in folders.items():
        read_entry(name, folder)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "error")
    stderr = os.dup(2)  # while it connects, 2 leads nowhere
    connect(address or AUTO, lambda reason: _write(stderr, reason))
    os.close(stderr)
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    threads = int(os.environ.get(THREADS, "1"))
    _check_cluster(replicas, threads)
    place = Place(
        settings,
        _absolute(folders),
        _absolute(found),
        {name: os.environ.get(name) for name in (*PASSED, KEY)},
        threads,
        code_version(),
    )
    try:
        _deploy(place, replicas)
        _LOGGER.info(
            f"Serving on http://{settings.host}:{settings.port} with {replicas} "
            f"replica{'s' * (replicas > 1)}; stop it with Ctrl-C"
        )
        stopped.wait()
    finally:
        _stop()


def _write(file: int, line: str) -> None:
    os.write(file, f"{line}\n".encode())


def _stop() -> None:
    """Stop the replicas, which answer what they have begun."""
    with redirect_stdout(StringIO()), no_stderr():  # Ray notes there that its own processes end
        if NAME in serve.status().applications:
            serve.delete(NAME)
        serve.shutdown()  # type: ignore[no-untyped-call]


def _absolute(folders: Mapping[str, Path]) -> dict[str, Path]:
    return {name: folder.absolute() for name, folder in folders.items()}


def _check_cluster(replicas: int, threads: int) -> None:
    if found := serve.status().applications:
        raise ServeError(
            f"Ray Serve on this cluster serves {', '.join(found)} already; stop that first, or use "
            "another cluster"
        )
    has = int(_resources().get("CPU", 0))
    if has < replicas * threads:
        raise ServeError(
            f"the cluster has {has} CPUs, and {replicas} replicas of {threads} each need "
            f"{replicas * threads}; use fewer --replicas, or add a node with `ray start --address "
            "HOST:PORT`"
        )


def _resources() -> Mapping[str, float]:
    found: Mapping[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return found


def _deploy(place: Place, replicas: int) -> None:
    """Start the replicas, and wait until they answer.

    Raises:
        ServeError: one does not start.
    """
    settings = place.settings
    quiet = {"log_level": "ERROR", "enable_access_log": False}  # its lines would hold prompts
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": settings.host, "port": settings.port},
        logging_config=quiet,
    )
    gpus = settings.device != "cpu" and _resources().get("GPU", 0) > 0
    engines: Any = serve.deployment(
        Replica,
        num_replicas=replicas,
        max_ongoing_requests=settings.max_requests,
        max_queued_requests=settings.max_requests,
        ray_actor_options={"num_cpus": place.threads, "num_gpus": int(gpus)},
        graceful_shutdown_timeout_s=settings.drain_s,
        graceful_shutdown_wait_loop_s=0.5,
        health_check_period_s=2.0,
    )
    ingress: Any = serve.deployment(
        Ingress,
        max_ongoing_requests=(replicas + 1) * settings.max_requests,
        ray_actor_options={"num_cpus": 0},
        graceful_shutdown_timeout_s=settings.drain_s,
    )
    application = ingress.bind(engines.bind(place), settings.max_body_bytes)
    try:
        serve.run(application, name=NAME, logging_config=quiet)
    except RuntimeError as error:
        reason = (str(error).strip().splitlines() or ["no reason is known"])[-1]
        raise ServeError(f"a replica does not start: {reason}") from error
