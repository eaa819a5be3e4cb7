"""Cost of an ensemble folder: five members against one, five single passes, and the bare backbone.

    python benchmarks/ensemble.py             HuBERT base, two recordings of 4 s, 7 rounds
    python benchmarks/ensemble.py --quick     try the code on a tiny model; nothing is stored

Members are LoRA of rank 8 at q and v with random weights, over all layers and in the top third. The
ensemble is a folder, made and opened as `ossicle ensemble` and `ossicle predict` do. `predict`
reads the files, runs the models, decodes and votes; the bare forward pass only runs. All variants
take turns on the same recordings, in an order that rotates from round to round. Each value is the
ratio of processor time to the bare forward pass of the same round: median and quartiles. One torch
thread. Written to `benchmarks/results/ensemble.json`.
"""

import argparse
import json
import platform
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from ossicle.adapters.saving import save
from ossicle.backbones import load_backbone
from ossicle.compute.turns import ratios, take_turns
from ossicle.tasks import Classification
from ossicle.training.combine import make_ensemble
from ossicle.training.trained import Trained
from speed.ours import adapted
from speed.sizes import CLASSES, FULL, QUICK, RATE

RESULTS = Path(__file__).parent / "results" / "ensemble.json"
MEMBERS = 5
TARGETS = {"all layers": 3.1, "top third": 1.6}
PLACES = {"all layers": "", "top third": "[8:]"}  # of 12 layers
PACKAGES = ("ossicle", "torch", "transformers")


def write_recordings(folder: Path, count: int, seconds: float) -> list[Path]:
    """Write recordings of noise, and return their files."""
    generator = np.random.default_rng(0)
    files = [folder / f"{number}.wav" for number in range(count)]
    for file in files:
        soundfile.write(file, generator.normal(0, 0.1, int(seconds * RATE)), RATE)
    return files


def write_ensemble(name: str, recipe: str, folder: Path) -> Path:
    """Write members with random weights and their ensemble; return the folder of the latter."""
    task = Classification([str(number) for number in range(CLASSES)])
    facts = task.to_dict() | {"max_seconds": 30.0}
    model = adapted(name, recipe, "cpu")
    runs = [folder / f"member-{number}" for number in range(MEMBERS)]
    for run in runs:
        with torch.no_grad():
            for parameter in model.trainable().values():
                parameter.normal_(0, 0.02)
        save(model, run, task=facts)
    return make_ensemble(runs, folder / "ensemble", device="cpu").path


def bare_forward(name: str, files: list[Path]) -> Callable[[], Any]:
    """Return the forward passes of the backbone without adapters, a recording at a time."""
    backbone = load_backbone(name, device="cpu")
    waves = [soundfile.read(file, dtype="float32")[0] for file in files]
    batches = [backbone.batch([wave]) for wave in waves]

    @torch.no_grad()
    def run() -> None:
        for batch in batches:
            backbone(*batch)

    return run


def predictions(trained: Trained, files: list[Path], times: int = 1) -> Callable[[], Any]:
    """Return the predictions for all recordings, so many times."""
    return lambda: [list(trained.predict(files)) for _ in range(times)]


def measure(name: str, place: str, rounds: int, files: list[Path]) -> dict[str, Any]:
    """Return the cost of each variant as a ratio to the bare forward pass."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_ensemble(name, f"lora{PLACES[place]}", Path(scratch))
        ensemble, single = (
            Trained.open(folder, device="cpu"),
            Trained.open(folder.parent / "member-0", device="cpu"),
        )
    actions = {
        "bare forward": bare_forward(name, files),
        "one member": predictions(single, files),
        "five single passes": predictions(single, files, MEMBERS),
        "ensemble of five": predictions(ensemble, files),
    }
    seconds = take_turns(actions, rounds, "cpu")
    bare = seconds["bare forward"]
    found = {label: asdict(ratios(values, bare)) for label, values in seconds.items()}
    of_one = ratios(seconds["ensemble of five"], seconds["one member"])
    return found | {"ensemble of five, to one member": asdict(of_one)}


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    name, rounds, seconds = (QUICK.base, 2, 0.4) if given.quick else (FULL.base, given.rounds, 4.0)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        files = write_recordings(Path(scratch), 2, seconds)
        for place, target in TARGETS.items():
            results[place] = measure(name, place, rounds, files) | {"target": target}
            for label, value in results[place].items():
                shown = value if label == "target" else json.dumps(value)
                print(f"{place}: {label}: {shown}", flush=True)
    about = {
        "members": MEMBERS,
        "recordings": f"{len(files)} of {seconds:g} s",
        "rounds": rounds,
        "device": platform.processor() or platform.machine(),
        "versions": {package: metadata.version(package) for package in PACKAGES},
    }
    if not given.quick:
        RESULTS.write_text(json.dumps(about | {"results": results}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
