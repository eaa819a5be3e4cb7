"""Time and memory of naming, resuming and reading a study of ten thousand finished trials.

    python benchmarks/many_trials.py [--trials 10000]

One trial is trained: demo data, tiny-hubert, one epoch. The others are copies of its folder, each
under the name of its own seed, so that nothing is left to compute. Measured in processes of their
own: `names` of all trials, `resume` (names, and what there is to do), and `report` (names, and all
results). Processor time and peak memory of each; `libraries` is what importing them takes, before
anything is done, and is part of each peak. Written to
`benchmarks/results/many-trials.json`.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ossicle.training.config import TrainConfig
from ossicle.trials.engine import Job, OnEvent
from ossicle.trials.folder import read_outcomes
from ossicle.trials.local_engine import LocalEngine
from ossicle.trials.naming import Naming
from ossicle.trials.run import run_trials
from ossicle.trials.trial import Trial

RESULTS = Path(__file__).parent / "results" / "many-trials.json"
CONFIG = TrainConfig(
    backbone="tiny-hubert", recipe="linear", data="demo", epochs=1, track="none", device="cpu"
)
STEPS = ("names", "resume", "report")


def trials(number: int) -> list[Trial]:
    """Return so many trials, which differ in their seed."""
    return [
        Trial(config=replace(CONFIG, seed=seed), labels={"recipe": "linear", "seed": seed})
        for seed in range(number)
    ]


def write(folder: Path, number: int) -> None:
    """Train one trial, and copy its run folder for all others."""
    declared, naming = trials(number), Naming()
    first, *others = [naming.name(trial) for trial in declared]
    run_trials(declared[:1], [first], folder, engine=LocalEngine())
    for name in others:
        shutil.copytree(folder / first, folder / name, copy_function=_copy)


def _copy(source: str, target: str) -> None:
    """Copy what is read; link the rest, which would fill the disk."""
    if source.endswith(("config.json", "metrics.json")):
        shutil.copy2(source, target)
    else:
        os.link(source, target)


def measure(step: str, folder: Path, number: int) -> dict[str, Any]:
    """Return what a step takes in this process, which has done nothing else."""
    libraries = {"seconds": round(time.process_time(), 1), "peak_mib": _peak_mib()}
    begun = time.process_time()
    declared, naming = trials(number), Naming()
    names = [naming.name(trial) for trial in declared]
    if step == "resume":
        run_trials(declared, names, folder, engine=_NothingToDo())
    if step == "report":
        assert all(one.state == "finished" for one in read_outcomes(declared, names, folder))
    seconds = round(time.process_time() - begun, 1)
    return {"seconds": seconds, "peak_mib": _peak_mib(), "libraries": libraries}


class _NothingToDo:
    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> None:  # noqa: ARG002 - its interface
        raise AssertionError(f"{len(jobs)} trials are computed again")


def _peak_mib() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    """Write the trials, and measure each step in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--step", choices=STEPS, help="measure this one here, and print it")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.step:
        print(json.dumps(measure(given.step, given.folder, given.trials)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "trials"
        write(folder, given.trials)
        found: dict[str, Any] = {"trials": given.trials, "cpu_count": os.cpu_count()}
        for step in STEPS:
            command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
            command += ["--trials", str(given.trials)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[step] = json.loads(done.stdout)
            print(step, found[step], flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
