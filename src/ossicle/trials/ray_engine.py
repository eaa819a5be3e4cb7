"""The engine of a Ray cluster: each trial is a Ray task.

Ray runs in a child process (`ossicle.trials.ray_driver`). It ends its process when it loses its
cluster, and waits for minutes for one that cannot be reached; here, both are errors.

Nothing here imports torch before a trial is computed, so that a wrong option is refused at once.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from ossicle.child import run_child
from ossicle.errors import RunError
from ossicle.files import replace_file
from ossicle.trials.engine import Event, Job, OnEvent, outcome_event

AUTO: Final = "auto"
COMMAND: Final = (sys.executable, "-m", "ossicle.trials.ray_driver")
THREADS: Final = "OMP_NUM_THREADS"
# Variables that workers on all nodes get as they are here; those that are not set are removed.
PASSED: Final = (
    *("OSSICLE_CACHE", "OSSICLE_CACHE_GB", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE"),
    *(THREADS, "MKL_NUM_THREADS"),
)


@dataclass(frozen=True)
class RayEngine:
    """Computes trials on a Ray cluster whose nodes share the folder of trials.

    A worker or node that dies costs its running trials the epoch under way: they go on from their
    checkpoints on another one.

    Attributes:
        address: HOST:PORT of the head of the cluster; None: RAY_ADDRESS, or the cluster of this
            machine.
        workers: Most trials at a time; None: as many as the cluster has room for.
        threads: Threads and CPUs of a trial; None: OMP_NUM_THREADS, or 1. Results depend on it bit
            by bit.
    """

    address: str | None = None
    workers: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without a connection.

        Raises:
            RunError: Ray is not installed, or the address is not that of a head.
        """
        _check_usable(self.address)

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> None:
        """Compute all trials; see `Engine.run`.

        Raises:
            RunError: no cluster can be reached, a node does not share the folder or has another
                version of ossicle; or one of the reasons of `Engine.run`.
        """
        if not jobs:
            return
        folder = jobs[0].folder.parent.absolute()
        marker = folder / f".ray-{uuid4().hex}"
        _make(folder)
        replace_file(marker, b"Nodes of a Ray cluster see that they share this folder.\n")
        try:
            self._drive(jobs, self._order(jobs, marker), on_event)
        finally:
            marker.unlink(missing_ok=True)

    def _order(self, jobs: Sequence[Job], marker: Path) -> dict[str, Any]:
        """Return what the driver needs, as plain data."""
        from ossicle.trials.code import code_version

        return {
            "address": self.address or AUTO,
            "workers": self.workers,
            "jobs": [{"name": job.name, **job.to_dict()} for job in jobs],
            "place": {
                "threads": self.threads or _threads(),
                "marker": str(marker),
                "code": code_version(),
                "working_directory": str(Path.cwd()),
                "environment": {name: os.environ.get(name) for name in PASSED},
            },
        }

    def _drive(self, jobs: Sequence[Job], order: dict[str, Any], on_event: OnEvent) -> None:
        from ossicle.trials.folder import write_failed

        named = {job.name: job for job in jobs}
        errors: list[str] = []
        left = set(named)

        def on_line(line: bytes) -> None:
            ((kind, value),) = json.loads(line).items()
            if kind == "error":
                errors.append(value)
            elif kind == "event":
                on_event(Event(**value))
            elif kind == "gone":
                name, reason, details = value
                left.discard(name)
                write_failed(named[name].folder, reason, details)
                on_event(Event(name=name, what="failed", reason=reason))
            else:
                name, answer = value
                left.discard(name)
                on_event(outcome_event(named[name], answer))

        status = run_child(COMMAND, json.dumps(order).encode(), on_line)
        if errors:
            raise RunError(errors[0])
        if left:
            raise RunError(
                f"the connection to the Ray cluster at '{order['address']}' was lost (status "
                f"{status}). Finished trials are kept, and interrupted ones continue: repeat the "
                "command when the cluster is back"
            )


def _make(folder: Path) -> None:
    """Create the folder of trials.

    Raises:
        RunError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"'{folder}' cannot be created: {error.strerror or error}") from error


def _threads() -> int:
    chosen = os.environ.get(THREADS, "")
    return int(chosen) if chosen.isdecimal() and int(chosen) > 0 else 1


def _check_usable(address: str | None) -> None:
    if address is not None and "://" in address:
        raise RunError(
            f"--address is '{address}', an address of Ray Client; run the command on a node of the "
            "cluster and give HOST:PORT of its head, or auto"
        )
    if importlib.util.find_spec("ray") is None:
        raise RunError("--engine ray needs a package that is missing: pip install 'ossicle[ray]'")
