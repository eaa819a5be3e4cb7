"""The process that gives the trials of a study to a Ray cluster.

    python -m ossicle.trials.ray_driver

It reads one line of JSON, from `RayEngine`, and writes lines of JSON: {"event": fields of an
Event}, {"end": [name of a trial, what `run_trial` returned]}, {"gone": [name, reason, details]} of
a trial whose workers die time and again, and {"error": message}. It does not import torch.
"""

import json
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from threading import Lock, Timer
from typing import Any, BinaryIO, Final

from ossicle.child import read_order
from ossicle.errors import OssicleError, RunError
from ossicle.training.folder import LOG

CONNECT_S: Final = 20.0  # Ray itself waits for two minutes, and ends the process then
POLL_S: Final = 1.0
ROOM_S: Final = 60.0  # time for which a cluster may have no node that can hold a trial
IN_FLIGHT: Final = 1000  # most trials that Ray knows of at a time
CHANCES: Final = 3  # how often a trial is started without a finished epoch in between
FAILED: Final = 2  # exit status


@dataclass
class _Attempt:
    """A trial that a task computes.

    Attributes:
        order: Its order.
        deaths: How many workers have died with it since its last finished epoch.
        again: Whether a worker has died with it.
        epochs: Size of its log when it was started last, in bytes.
        shown: Whether its start was reported.
    """

    order: dict[str, Any]
    deaths: int = 0
    again: bool = False
    epochs: int = -1
    shown: bool = False

    @property
    def name(self) -> str:
        return str(self.order["name"])

    def log_size(self) -> int:
        """Return the size of its log, which grows with every finished epoch."""
        with suppress(OSError):
            return (Path(self.order["folder"]) / LOG).stat().st_size
        return 0


class _Parent:
    """The process that started this one."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._lock = Lock()

    def send(self, kind: str, value: Any) -> None:
        """Write one line."""
        with self._lock:
            self._output.write(json.dumps({kind: value}).encode() + b"\n")
            self._output.flush()

    def event(self, name: str, what: str, **fields: Any) -> None:
        """Send an event of a trial."""
        self.send("event", {"name": name, "what": what, **fields})


class _Driver:
    """Gives trials to Ray, and starts those again whose worker has died."""

    def __init__(self, order: Mapping[str, Any], parent: _Parent) -> None:
        import ray.util.scheduling_strategies

        from ossicle.trials import ray_worker

        self._ray: Any = ray
        self._parent = parent
        self._address = order["address"]
        self._place = ray.put(order["place"])
        self._cpus = order["place"]["threads"]
        self._most = order["workers"] or IN_FLIGHT
        self._waiting = deque(_Attempt(one) for one in order["jobs"])
        self._running: dict[Any, _Attempt] = {}
        self._task = self._ray.remote(max_retries=0)(ray_worker.compute)
        self._has_gpus = self._ray.cluster_resources().get("GPU", 0) > 0
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            node_id=ray.get_runtime_context().get_node_id(), soft=False
        )
        board = self._ray.remote(num_cpus=0, max_restarts=-1)(ray_worker.Board)
        self._board = board.options(scheduling_strategy=here).remote()

    def run(self) -> None:
        """Compute all trials.

        Raises:
            RunError: the cluster cannot compute them.
        """
        self._check_room()
        had_room = time.monotonic()
        looked = had_room
        while self._waiting or self._running:
            while self._waiting and len(self._running) < self._most:
                self._start(self._waiting.popleft())
            ended, _ = self._ray.wait(list(self._running), timeout=POLL_S)
            self._show()
            for task in ended:
                self._end(task, self._running.pop(task))
            if time.monotonic() < looked + 10 * POLL_S:
                continue
            looked = time.monotonic()
            if self._missing_room() is None:
                had_room = looked
            elif looked > had_room + ROOM_S:
                self._check_room()

    def _start(self, attempt: _Attempt) -> None:
        attempt.epochs = attempt.log_size()
        task = self._task.options(
            num_cpus=self._cpus, num_gpus=self._gpus(attempt), name=attempt.name
        )
        arguments = (attempt.order, self._place, self._board)
        self._running[task.remote(*arguments, again=attempt.again)] = attempt

    def _gpus(self, attempt: _Attempt) -> int:
        """Return how many GPUs a trial uses."""
        device = attempt.order["config"]["device"]
        return int(device.startswith("cuda") or (device == "auto" and self._has_gpus))

    def _show(self) -> None:
        """Report what the trials have put on the board."""
        try:
            started, steps = self._ray.get(self._board.take.remote())
        except self._ray.exceptions.RayActorError:  # its process was killed; Ray starts another
            return
        running = {one.name: one for one in self._running.values()}
        for name in started:
            if name in running:
                self._started(running[name])
        for name, step in steps.items():
            if name in running:
                self._parent.event(name, "step", **step)

    def _started(self, attempt: _Attempt) -> None:
        if not attempt.shown:
            attempt.shown = True
            self._parent.event(attempt.name, "started")

    def _end(self, task: Any, attempt: _Attempt) -> None:
        exceptions = self._ray.exceptions
        try:
            answer = self._ray.get(task)
        except exceptions.RayTaskError as error:
            raise RunError(
                f"a node of the Ray cluster cannot compute trials: {_last(error)}. Install the "
                "same version of ossicle on all nodes"
            ) from error
        except exceptions.RayError as error:
            self._died(attempt, error)
            return
        if answer["what"] == "unfit":
            raise RunError(answer["reason"])
        self._started(attempt)
        self._parent.send("end", [attempt.name, answer])

    def _died(self, attempt: _Attempt, error: Exception) -> None:
        """Start a trial again whose worker has died, unless that happens time and again."""
        self._started(attempt)
        progressed = attempt.log_size() != attempt.epochs
        attempt.deaths = 1 if progressed else attempt.deaths + 1
        reason = self._reason(error)
        if attempt.deaths < CHANCES:
            attempt.again = True
            self._parent.event(attempt.name, "restarted", reason=reason)
            self._start(attempt)
            return
        reason = f"{reason}, {CHANCES} times without a finished epoch in between"
        self._parent.send("gone", [attempt.name, reason, str(error)])

    def _reason(self, error: Exception) -> str:
        exceptions = self._ray.exceptions
        if isinstance(error, exceptions.OutOfMemoryError):
            return "its node ran out of memory; use a smaller --batch-size or fewer --workers"
        if isinstance(error, exceptions.NodeDiedError):
            return "its node died"
        if isinstance(error, exceptions.WorkerCrashedError):
            return "its worker process was killed or crashed, say because memory ran out"
        return f"Ray lost it ({type(error).__name__})"

    def _missing_room(self) -> str | None:
        """Return what no living node has, or None."""
        attempts = [*self._running.values(), *self._waiting]
        gpus = max(map(self._gpus, attempts), default=0)
        for node in self._ray.nodes():
            has = node["Resources"]
            if node["Alive"] and has.get("CPU", 0) >= self._cpus and has.get("GPU", 0) >= gpus:
                return None
        return f"{self._cpus} CPU{'s' * (self._cpus > 1)}{' and a GPU' * gpus}"

    def _check_room(self) -> None:
        if (missing := self._missing_room()) is not None:
            raise RunError(
                f"no node of the Ray cluster at '{self._address}' has {missing}, which a trial "
                "takes. Finished trials are kept: add a node (`ray start --address HOST:PORT`), or "
                "set OMP_NUM_THREADS lower, and repeat the command"
            )


def _last(error: Exception) -> str:
    """Return the last line of an error of a task, which names what was raised."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def connect(address: str, say: Callable[[str], None]) -> None:
    """Connect to a cluster.

    Args:
        address: HOST:PORT of its head, or `auto`.
        say: Called, before the process is ended, with the reason why it is.

    Raises:
        RunError: that is not possible.
    """
    start = "Start a cluster with `ray start --head`, or give --address HOST:PORT of its head"

    def give_up() -> None:
        say(f"no Ray cluster answers at '{address}' within {CONNECT_S:.0f} s. {start}")
        os._exit(FAILED)

    timer = Timer(CONNECT_S, give_up)
    timer.daemon = True
    timer.start()
    import ray

    try:
        with no_stderr():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RunError(f"the Ray cluster '{address}' cannot be used: {reason}. {start}") from error
    finally:
        timer.cancel()


@contextmanager
def no_stderr() -> Iterator[None]:
    """Hide what Ray's C++ code writes about each attempt to connect; errors are exceptions."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def main() -> None:
    """Compute the trials that the parent asks for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, and so this process
    order: Mapping[str, Any] = json.loads(read_order())
    parent = _Parent(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # what libraries print is not for the parent
    sys.stdout = StringIO()  # where Ray prints a page of state when a node dies
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # it would upload the working directory
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "error")
    try:
        connect(order["address"], partial(parent.send, "error"))
        _Driver(order, parent).run()
    except OssicleError as error:
        parent.send("error", str(error))
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
