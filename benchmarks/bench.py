"""Speed and memory against transformers and peft: the rows of `docs/reference/speed.md`.

    python benchmarks/bench.py                      all groups on the CPU, one thread
    python benchmarks/bench.py --groups steps,bank  some of them; the others stay as stored
    python benchmarks/bench.py --device cuda        the same on a GPU
    python benchmarks/bench.py --quick              try the code on tiny models, storing nothing

All variants of a comparison share a process and take turns, in an order that rotates from round to
round. Each value is a ratio to the first variant of the same round: median and quartiles. On a CPU
processor time is measured, so that other programs disturb it less; on a GPU, the time until it is
idle. Models have their true size and random weights, clips are noise. Results are stored in
`results/bench-DEVICE.json`.
"""

import argparse
import json
import platform
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from ossicle import strict_json
from speed.bench import Bench, Figures
from speed.groups import GROUPS

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("ossicle", "torch", "transformers", "peft")


def main() -> None:
    """Measure and store."""
    options = parsed()
    rounds = 2 if options.quick else options.rounds
    bench = Bench(options.device, rounds, options.threads, options.quick)
    torch.set_num_threads(bench.threads)
    if options.print:
        group = GROUPS[options.print]
        part = options.part
        print(json.dumps(group.part(bench, part) if part else group.measure(bench)))
        return
    scratch = Path(tempfile.gettempdir()) / f"ossicle-bench-quick-{bench.device}.json"
    file = scratch if bench.quick else RESULTS / f"bench-{bench.device}.json"
    measure_all(bench, options.groups.split(","), file)
    print(f"Written to {file}")


def parsed() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", default=",".join(GROUPS), help="separated by commas")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--rounds", type=int, default=7, help="of each comparison")
    parser.add_argument("--threads", type=int, default=1, help="of torch, on a CPU")
    parser.add_argument("--quick", action="store_true", help="tiny models, 2 rounds, scratch file")
    parser.add_argument("--print", choices=GROUPS, help="print one group as JSON; store nothing")
    parser.add_argument("--part", help="with --print: one row, in this process")
    return parser.parse_args()


def measure_all(bench: Bench, names: list[str], file: Path) -> None:
    """Measure groups and store each as soon as it is there."""
    stored = json.loads(file.read_text()) if file.is_file() else {}
    for name in names:
        group = GROUPS[name]
        if bench.device != "cpu" and group.cpu_only:
            continue
        begun = time.perf_counter()
        figures = group.measure(bench)
        stored[name] = {
            "figures": figures,
            "rounds": bench.rounds,
            "device": describe(bench),
            "versions": {package: metadata.version(package) for package in PACKAGES},
        }
        file.write_text(strict_json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {group.title} ({time.perf_counter() - begun:.0f} s)")
        show(figures)


def show(figures: Figures) -> None:
    """Print the values of a group."""
    for label, value in figures.items():
        print(f"  {label:<70} {shown(value)}", flush=True)


def shown(value: Any) -> str:
    """Return a value as text."""
    if isinstance(value, float):
        return f"{value:.1f}"
    if "median" in value:
        return f"{value['median']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
    return ", ".join(f"{key}: {number:.3g}" for key, number in value.items())


def describe(bench: Bench) -> str:
    """Return the name of the processor or GPU."""
    if bench.device == "cuda":
        return torch.cuda.get_device_name()
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    plural = "s" if bench.threads > 1 else ""
    return f"{names[0] if names else platform.machine()}, {bench.threads} thread{plural}"


if __name__ == "__main__":
    main()
