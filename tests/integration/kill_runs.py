"""Train again and again, and kill each run: while it writes its nth file, or at a random moment.

Run by test_resume.py and, with a strategy of a search, by test_bilevel.py; an order is on stdin.
Everything is imported once; each run is a fork, and nothing is computed before, so that torch
starts its threads in the fork.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import transformers.models.hubert.modeling_hubert  # noqa: F401

from ossicle.search.bilevel.run import train_in_turn
from ossicle.training.config import TrainConfig
from ossicle.training.run import train


def main() -> None:
    order = json.load(sys.stdin)
    config, out = TrainConfig.from_dict(order["config"]), Path(order["out"])
    status_by_folder = {}
    for number in order["files"]:
        folder, started = out / f"killed-in-file-{number}", time.perf_counter()
        status_by_folder[str(folder)] = run(
            config, folder, at_file=number, strategy=order.get("strategy")
        )
        longest_s = time.perf_counter() - started
    chance = random.Random(0)
    for timed in range(order["timed"]):
        folder = out / f"killed-after-time-{timed}"
        delay_s = chance.uniform(0.1, 1.0) * longest_s
        status_by_folder[str(folder)] = run(config, folder, after_s=delay_s)
    sys.stdout.write(json.dumps(status_by_folder))


def run(
    config: TrainConfig,
    folder: Path,
    *,
    at_file: int = 0,
    after_s: float = 0.0,
    strategy: str | None = None,
) -> int:
    """Return the exit status of a run in a fork, which is killed by itself or by us."""
    child = os.fork()
    if child == 0:
        if at_file:
            kill_in_file(at_file)
        os.dup2(2, 1)
        if strategy is None:
            train(config, folder)
        else:
            train_in_turn(config, strategy, folder)
        os._exit(0)
    if after_s:
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_in_file(number: int) -> None:
    """Kill the process when the nth file is written but not renamed, half of it on disk."""
    files = 0
    sync = os.fsync

    def die(descriptor: int) -> None:
        nonlocal files
        files += 1
        if files == number:
            os.truncate(descriptor, os.fstat(descriptor).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    os.fsync = die


if __name__ == "__main__":
    main()
