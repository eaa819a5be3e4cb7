"""What runs inside Ray's workers, on any node: a trial, and the board on which it shows progress.

Ray starts worker processes and uses them again, so each keeps its backbone between trials.
"""

import os
import platform
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ossicle.trials.kept import Kept

LOCK_S: Final = 120.0  # until the file server drops the lock of a node that died; NFS takes 90 s
EVERY_S: Final = 1.0  # time between two steps on the board


class Board:
    """Which trials have started, and the last step of each."""

    def __init__(self) -> None:
        self._started: list[str] = []
        self._steps: dict[str, dict[str, Any]] = {}

    def start(self, name: str) -> None:
        """Note that a trial has started."""
        self._started.append(name)

    def step(self, name: str, step: dict[str, Any]) -> None:
        """Note the last step of a trial."""
        self._steps[name] = step

    def take(self) -> tuple[list[str], dict[str, dict[str, Any]]]:
        """Return what was noted since the last call."""
        taken = self._started, self._steps
        self._started, self._steps = [], {}
        return taken


def compute(
    order: Mapping[str, Any], place: Mapping[str, Any], board: Any, *, again: bool
) -> dict[str, Any]:
    """Compute a trial in a worker of Ray, and say how that ended.

    Args:
        order: `Job.to_dict` of the trial, and its name.
        place: What every worker must be like; see `RayEngine`.
        board: Handle of the `Board`.
        again: Whether the worker that had the trial before has died. Its lock may outlive it, so
            this one waits for it.

    Returns:
        What `run_trial` returns; `what` may also be `unfit`, if this node cannot compute trials.
    """
    if (fault := _settle(place)) is not None:
        return {"what": "unfit", "reason": fault, "seconds": 0.0}
    from ossicle.trials.run_trial import run_trial

    name = order["name"]
    board.start.remote(name)
    next_s = 0.0

    def progress(stage: str, done: int, total: int, **facts: float) -> None:
        nonlocal next_s
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + EVERY_S
            step = {"stage": stage, "done": done, "total": total, "facts": facts}
            board.step.remote(name, step)

    until = time.monotonic() + (LOCK_S if again else 0)
    while True:
        answer = run_trial(order, _kept(), progress)
        if answer["what"] != "elsewhere" or time.monotonic() >= until:
            return answer
        time.sleep(EVERY_S)


def _settle(place: Mapping[str, Any]) -> str | None:
    """Make this process like that of the command; return why that is not possible, or None."""
    node = f"node '{platform.node()}' of the Ray cluster"
    marker = Path(place["marker"])
    if not marker.is_file():
        return (
            f"{node} does not see the folder '{marker.parent}'. All nodes must share it, say on a "
            "network file system: choose another --out, or use --shard on machines that share none"
        )
    for name, value in place["environment"].items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    with suppress(OSError):  # then paths have to be absolute
        os.chdir(place["working_directory"])
    if _code() != place["code"]:
        return (
            f"{node} has another version of ossicle, torch, transformers or numpy, so its results "
            "would differ: install the same versions on all nodes"
        )
    import torch

    torch.set_num_threads(place["threads"])
    return None


@cache
def _code() -> str:
    from ossicle.trials.code import code_version

    return code_version()


@cache
def _kept() -> "Kept":
    from ossicle.trials.kept import Kept

    return Kept()
