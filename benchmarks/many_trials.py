"""Time and memory of a study of ten thousand finished trials that do nothing.

    python benchmarks/many_trials.py [--trials 10000]

One trial is trained for one epoch, on twelve recordings of noise. The others are copies of its
folder, each under the name of its own seed, so that nothing is left to compute. Measured in
processes of their own: `resume` declares the study again, names all trials, finds that there is
nothing to do and reads all results; `report` writes the report from the folder. Processor time and
peak memory of each; `libraries` is what importing them takes before anything is done. It is not
part of the time, and part of the peak. Written to `benchmarks/results/many-trials.json`.
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
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ossicle.studies.grid import Grid
from ossicle.studies.methods import Methods
from ossicle.studies.run import TRIALS, report_study, run_study
from ossicle.training.config import TrainConfig
from ossicle.trials.engine import Job, OnEvent
from ossicle.trials.naming import Naming

RESULTS = Path(__file__).parent / "results" / "many-trials.json"
STEPS = ("resume", "report")
RATE = 16_000  # Hz


def write_recordings(folder: Path) -> None:
    """Write two classes of six recordings of noise."""
    generator = np.random.default_rng(0)
    for number in range(12):
        name = folder / ("loud", "soft")[number % 2] / f"{number}.wav"
        name.parent.mkdir(parents=True, exist_ok=True)
        noise = generator.normal(0, (0.2, 0.02)[number % 2], RATE // 2)
        soundfile.write(name, noise, RATE)


def grid(recordings: Path, number: int) -> Grid:
    """Return the grid of so many trials, which differ in their seed."""
    config = TrainConfig(
        backbone="tiny-hubert",
        recipe="linear",
        data=f"audiofolder:{recordings}",
        epochs=1,
        track="none",
        device="cpu",
    )
    return Grid(config=config, recipes=("linear",), seeds=tuple(range(number)))


def write_trials(scratch: Path, number: int) -> None:
    """Train one trial, and copy its run folder for all others."""
    recordings, study = scratch / "recordings", scratch / "study"
    write_recordings(recordings)
    run_study(Methods(), grid(recordings, 1), study, workers=1, report=False)
    naming = Naming()
    first, *others = (naming.name(one) for one in Methods().trials(grid(recordings, number)))
    for name in others:
        shutil.copytree(study / TRIALS / first, study / TRIALS / name, copy_function=_copy)


def _copy(source: str, target: str) -> None:
    """Copy what is read; link the rest, which would fill the disk."""
    if source.endswith((".json", ".jsonl")):
        shutil.copy2(source, target)
    else:
        os.link(source, target)


def measure(step: str, scratch: Path, number: int) -> dict[str, Any]:
    """Return what a step takes in this process, which has done nothing else."""
    libraries = {"seconds": round(time.process_time(), 1), "peak_mib": _peak_mib()}
    begun = time.process_time()
    if step == "resume":
        declared = grid(scratch / "recordings", number)
        found = run_study(
            Methods(), declared, scratch / "study", engine=_NothingToDo(), report=False
        )
    else:
        found = report_study(scratch / "study")
    assert [one.state for one in found.outcomes] == ["finished"] * number
    seconds = round(time.process_time() - begun, 1)
    return {"seconds": seconds, "peak_mib": _peak_mib(), "libraries": libraries}


class _NothingToDo:
    threads = 1

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
        write_trials(Path(scratch), given.trials)
        found: dict[str, Any] = {"trials": given.trials, "cpu_count": os.cpu_count()}
        for step in STEPS:
            command = [sys.executable, __file__, "--step", step, "--folder", scratch]
            command += ["--trials", str(given.trials)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[step] = json.loads(done.stdout)
            print(step, found[step], flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
