"""A server under load: many adapters over HTTP against the bare backbone and a loop of peft.

    python benchmarks/serving.py              HuBERT base, on a machine with two idle cores
    python benchmarks/serving.py --soak 30    the memory over half an hour, and nothing else
    python benchmarks/serving.py --only bank  one part: bank, paired, mixed or changes
    python benchmarks/serving.py --quick      try the code on a tiny model; nothing is stored

Requests come from a process of their own as a Poisson process, and do not wait for each other: see
`load/client.py`. Recordings are noise of 0.5 to 1.5 s, adapters LoRA of rank 8 at q and v with
random weights, one drawn for each request. The server is that of `ossicle serve`, with one torch
thread. Capacity is what it answers in a second with eight requests under way; loads are shares of
the median capacity of the rounds so far. The bound is `--max-answer-s`: what would probably be
answered later is refused.

peft runs behind the same HTTP application: `set_adapter` and a forward pass of one recording under
a lock (`load/peft_engine.py`). In every round ossicle, peft and the bare backbone take turns, for a
few seconds each, so that they meet the same machine; ratios are those within a round. The bare
backbone runs, without HTTP, the batches that the server has formed: as many rows of the same
lengths. Written to `benchmarks/results/serving.json`.

Processor time is compared batch by batch, as a ratio between parts of a round would hide what HTTP
and adapters cost: in the part `bank` without HTTP, in turns of one batch; in the part `paired` in a
server at 0.8 of its capacity, which runs each batch once more without adapters. Processor time of a
server is that of all its processes, decoding too.

The memory is measured with a HuBERT of 6 layers of 256 at a low rate, with a quarter of 256
adapters resident, so that most requests load an adapter and remove another one. Written to
`benchmarks/results/serving-memory.json`.
"""

import argparse
import json
import platform
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import torch

from load.alone import bank_to_bare
from load.changes import come_and_go, loading, soak
from load.inputs import write_adapters, write_recordings
from load.mixed import Bare, Setting, measure
from load.paired import throughput
from ossicle.backbones import load_backbone
from speed.sizes import FULL, QUICK

RESULTS = Path(__file__).parent / "results"
COUNTS, QUICK_COUNTS = (1, 32, 256), (1, 4)
COMING = 100  # adapters that come and go
SECONDS = (0.5, 0.75, 1.0, 1.25, 1.5)
GOAL = 0.9
PARTS = ("bank", "paired", "mixed", "changes")
PACKAGES = ("ossicle", "torch", "transformers", "peft", "fastapi", "uvicorn")


def main() -> None:
    """Measure, print and store."""
    given = _given()
    torch.set_num_threads(1)
    results = _stored() if given.only else {}
    with tempfile.TemporaryDirectory() as scratch:
        for label, value in run(given, Path(scratch)):
            results[label] = value
            print(f"{label}: {json.dumps(value, indent=1)}", flush=True)
            if not given.quick:
                store(given, results)


def _stored() -> dict[str, Any]:
    """Return the results of earlier runs."""
    file = RESULTS / "serving.json"
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))["results"] if file.exists() else {}
    return found


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--part-s", type=float, default=2.5, help="seconds of a part of a round")
    parser.add_argument("--max-answer-s", type=float, default=8.0, help="of the server")
    parser.add_argument("--soak", type=float, help="minutes; measure the memory, and nothing else")
    parser.add_argument(
        "--rate", type=float, default=2.0, help="requests a second, except in `mixed`"
    )
    parser.add_argument("--note", default="", help="kept with the results")
    parser.add_argument("--only", choices=PARTS, help="one part, stored with the others")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="of adapters")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    if given.quick:
        given.rounds, given.part_s = 1, 2.0
    return given


def run(given: argparse.Namespace, scratch: Path) -> Iterator[tuple[str, Any]]:
    """Yield the results of each part."""
    sizes = QUICK if given.quick else FULL
    name = sizes.base if given.soak is None else sizes.small
    counts = QUICK_COUNTS if given.quick else given.counts
    recordings = write_recordings(scratch, SECONDS)
    root = scratch / "adapters"
    made = write_adapters(name, root, max(*counts, 8))
    folders = {folder.name: folder for folder in made}
    limits = {"max_answer_s": given.max_answer_s}
    setting = Setting(name, folders, recordings, limits, given.part_s, given.rounds)
    if given.soak is not None:
        yield "memory", soak(setting, given.rate, given.soak)
        return
    backbone = load_backbone(name, device="cpu")
    bare = Bare(backbone, recordings)
    parts = (given.only,) if given.only else PARTS
    if "bank" in parts:
        yield "bank to bare, by processor time", bank_to_bare(setting, bare)
    if "paired" in parts:
        for count in counts:
            label = f"{count} adapters: throughput at 0.8 to bare, by processor time"
            yield label, throughput(setting, count)
    if "mixed" in parts:
        for count in counts:
            yield f"{count} adapters", measure(setting, count, bare)
    if "changes" not in parts:
        return
    some = {key: folders[key] for key in list(folders)[: COMING + 1]}
    coming = Setting(name, some, recordings, limits, given.part_s, given.rounds)
    yield "adding adapters", loading(coming, given.rate, root)
    yield "adapters that come and go", come_and_go(coming, given.rate, root, backbone)


def store(given: argparse.Namespace, results: dict[str, Any]) -> None:
    """Write what was measured so far."""
    about = {
        "note": given.note,
        "recordings": f"noise of {SECONDS[0]:g} to {SECONDS[-1]:g} s",
        "rounds": given.rounds,
        "seconds of a part": given.part_s,
        "max_answer_s": given.max_answer_s,
        "goal": GOAL,
        "cores": psutil.cpu_count(),
        "device": platform.processor() or platform.machine(),
        "versions": {package: metadata.version(package) for package in PACKAGES},
    }
    file = RESULTS / ("serving.json" if given.soak is None else "serving-memory.json")
    file.write_text(json.dumps(about | {"results": results}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
