"""Measure the core rows on a GPU: `make gpu-check` calls this with what time is left.

PYTHONPATH=src:benchmarks python -m gpu --seconds 300 --file benchmarks/results/gpu.json
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from gpu import serving, training
from gpu.budget import Outcome, Task, run_within
from gpu.memory import about
from ossicle.files import write_json
from speed.bench import Bench

ROUNDS = 7
SEED = 0


def main() -> int:
    """Measure, storing after every task; return how many tasks ended with an error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--quick", action="store_true", help="tiny models and 2 rounds")
    parser.add_argument("--seconds", type=float, required=True, help="to finish within")
    parser.add_argument("--file", type=Path, required=True, help="to write the results to")
    parser.add_argument("--tests", default="{}", help="result of the tests, JSON; stored as it is")
    options = parser.parse_args()
    torch.manual_seed(SEED)
    bench = Bench(options.device, 2 if options.quick else ROUNDS, quick=options.quick)
    results: dict[str, Any] = {
        **about(bench.device, SEED),
        "rounds": bench.rounds,
        "tests": json.loads(options.tests),
        "figures": {},
        "skipped": {},
        "failed": {},
    }
    for outcome in run_within(plan(bench), options.seconds):
        record(outcome, results)
        write_json(options.file, results)
    return min(len(results["failed"]), 100)


def plan(bench: Bench) -> Iterator[Task]:
    """Yield every task, the most important first: LoRA, several adapters, the other methods."""
    steps = list(training.tasks(bench, training.models(bench)))
    lora = [task for task in steps if task.name.endswith(", lora")]
    yield from lora
    yield from serving.tasks(bench)
    yield from (task for task in steps if task not in lora)


def record(outcome: Outcome, results: dict[str, Any]) -> None:
    """Add an outcome to the results and print it."""
    if outcome.skipped:
        results["skipped"][outcome.name] = outcome.skipped
        print(f"{outcome.name}: skipped, {outcome.skipped}", flush=True)
    elif outcome.error:
        results["failed"][outcome.name] = outcome.error
        print(f"{outcome.name}: failed, {outcome.error}", flush=True)
    else:
        results["figures"][outcome.name] = outcome.figures
        print(outcome.name)
        for label, found in outcome.figures.items():
            peak = f", {found['peak_mib']:.0f} MiB" if found.get("peak_mib") else ""
            speed = f"{found['audio_s_per_s']:.0f} s of audio a second"
            print(f"  {label:<28} {found['median']:.3f}, {speed}{peak}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
