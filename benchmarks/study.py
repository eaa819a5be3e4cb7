"""Time of a study of many short trials, against the same `ossicle train` commands.

    python benchmarks/study.py [--trials 12] [--rounds 3] [--workers 1] [--shots 2] [--epochs 1]

In each round the study and the commands take turns, both in new folders: the study with so many
workers, the commands one after the other in as many shells. The trials are seeds of one recipe.
What the caches keep (lengths and hashes of recordings, output of frozen layers) is there for both,
from a round that is not counted. The ratio is study over commands: the median of the rounds, with
the least and the greatest; of the time that passes and of processor time, which other programs on
the machine disturb less. A study saves the start of the commands, so it is the less, the longer the
trials: with `--shots 0` they train on all recordings. Written to `benchmarks/results/study.json`.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from statistics import median

from ossicle.training.config import TrainConfig
from ossicle.trials.capacity import choose_threads
from ossicle.trials.local_engine import LocalEngine
from ossicle.trials.naming import Naming
from ossicle.trials.run import run_trials
from ossicle.trials.trial import Trial

RESULTS = Path(__file__).parent / "results" / "study.json"


def study(configs: list[TrainConfig], folder: Path, workers: int) -> None:
    """Run the trials as a study does, in this process."""
    trials = [Trial(config=config, labels={"seed": config.seed}) for config in configs]
    naming = Naming()
    names = [naming.name(trial) for trial in trials]
    engine = LocalEngine(workers, choose_threads(workers))
    outcomes = run_trials(trials, names, folder, engine=engine)
    assert all(one.state == "finished" for one in outcomes)


def commands(configs: list[TrainConfig], folder: Path, workers: int) -> None:
    """Run a command for each trial, so many at a time."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(choose_threads(workers))}

    def train(config: TrainConfig) -> None:
        command = [sys.executable, "-m", "ossicle", "train", "--out", f"{folder}/{config.seed}"]
        for name in ("backbone", "recipe", "data", "epochs", "seed", "track"):
            command += [f"--{name}", str(getattr(config, name))]
        command += [] if config.shots is None else ["--shots", str(config.shots)]
        subprocess.run(command, check=True, capture_output=True, env=environment)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(train, configs))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return how long a call takes, and the processor time of the processes that it starts."""
    begun, used = time.perf_counter(), _processor_s()
    work()
    return time.perf_counter() - begun, _processor_s() - used


def _processor_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (
        ("trials", 12),
        ("rounds", 3),
        ("workers", 1),
        ("epochs", 1),
        ("shots", 2),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--data", default="demo")
    parser.add_argument("--backbone", default="tiny-hubert")
    parser.add_argument("--recipe", default="lora")
    parser.add_argument("--study", type=Path, help="run the study alone, in this folder")
    given = parser.parse_args()
    config = TrainConfig(
        backbone=given.backbone,
        recipe=given.recipe,
        data=given.data,
        epochs=given.epochs,
        shots=given.shots or None,
        track="none",
    )
    configs = [replace(config, seed=seed) for seed in range(given.trials)]
    if given.study:
        study(configs, given.study, given.workers)
        return
    rounds = measure(configs, given.rounds, given.workers, sys.argv[1:])
    found = {
        "trials": given.trials,
        "workers": given.workers,
        "data": given.data,
        "epochs": given.epochs,
        "shots": given.shots,
        "ratio": spread([one["study"][0] / one["commands"][0] for one in rounds]),
        "processor_ratio": spread([one["study"][1] / one["commands"][1] for one in rounds]),
        "seconds": rounds,
        "cpu_count": os.cpu_count(),
        "torch": metadata.version("torch"),
    }
    print(json.dumps(found, indent=1))
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def measure(
    configs: list[TrainConfig], rounds: int, workers: int, options: list[str]
) -> list[dict[str, tuple[float, float]]]:
    """Return the times of both in each round."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        commands(configs[:1], Path(scratch) / "first", 1)  # fills the caches
        for number in range(rounds):
            where = Path(scratch) / f"study-{number}"
            again = [sys.executable, __file__, *options, "--study", str(where)]
            both = {
                "study": lambda again=again: subprocess.run(again, check=True, capture_output=True),
                "commands": lambda number=number: commands(
                    configs, Path(scratch) / f"commands-{number}", workers
                ),
            }
            order = list(both) if number % 2 == 0 else list(both)[::-1]
            found.append({name: timed(both[name]) for name in order})
            print(found[-1], file=sys.stderr, flush=True)
    return found


def spread(ratios: list[float]) -> dict[str, float]:
    """Return median, least and greatest."""
    return {
        "median": round(median(ratios), 3),
        "low": round(min(ratios), 3),
        "high": round(max(ratios), 3),
    }


if __name__ == "__main__":
    main()
