"""Exported graphs in onnxruntime, next to torch: size, difference of outputs and time.

    python benchmarks/onnx_graphs.py              base sizes with random weights, 7 rounds
    python benchmarks/onnx_graphs.py --quick      try the code on tiny ones; nothing is stored

LoRA of rank 8 with a classification head, on one CPU thread of both. Torch, the float32 graph and
the int8 graph take turns in an order that rotates from round to round; each is a batch of noise
from the waveform on. Each value is the ratio of processor time to torch's in the same round: median
and quartiles. Written to `benchmarks/results/onnx-graphs.json`.
"""

import argparse
import json
import platform
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from ossicle.adapters.check import attach
from ossicle.adapters.saving import save
from ossicle.backbones import load_backbone
from ossicle.compute.turns import ratios, take_turns
from ossicle.convert.onnx import export_onnx
from ossicle.convert.onnx.graph import Session
from ossicle.frozen.part import BatchRow
from ossicle.heads import build_head
from ossicle.inference.single import SingleModel
from ossicle.recipes.recipe import Recipe
from ossicle.training.trained import Trained

RESULTS: Final = Path(__file__).parent / "results" / "onnx-graphs.json"
BACKBONES: Final = ("config:hubert-base", "config:ast-base?length=own", "config:whisper-base")
SHIPPED: Final = ("tiny-hubert", "tiny-ast?length=own")
TASK: Final = {
    "name": "classification",
    "labels": ["a", "b", "c"],
    "label_smoothing": 0.0,
    "max_seconds": 10.0,
}
BATCHES: Final = {"1 x 4 s": (1, 4), "4 x 4 s": (4, 4)}
PACKAGES: Final = ("ossicle", "torch", "transformers", "onnx", "onnxruntime")


def saved(name: str, folder: Path) -> Path:
    """Write an adapter folder whose adapters and head change the output."""
    torch.manual_seed(0)
    backbone = load_backbone(name)
    recipe = Recipe.parse("lora")
    model = attach(backbone, recipe, build_head("mean", recipe.seen_by_head(backbone.anatomy), 3))
    with torch.no_grad():
        for parameter in model.trainable().values():
            parameter += 0.02 * torch.randn_like(parameter)
    save(model.eval(), folder, task=TASK)
    return folder


def measured(name: str, rounds: int) -> dict[str, Any]:
    """Return sizes, differences and ratios of one backbone."""
    with tempfile.TemporaryDirectory() as place:
        run = saved(name, Path(place) / "run")
        files = {"float32": Path(place) / "a.onnx", "int8": Path(place) / "b.onnx"}
        plain = export_onnx(run, files["float32"])
        small = export_onnx(run, files["int8"], int8=True)
        model = Trained.open(run, device="cpu").predictor.groups[0].model
        assert isinstance(model, SingleModel), "a run has a single model"
        sessions = {kind: Session(file, 1) for kind, file in files.items()}
        found = {
            "megabytes": {kind: size / 1e6 for kind, size in small.bytes.items()},
            "difference": dict(small.difference),
            "largest output": plain.largest,
        }
        for label, (rows, seconds) in BATCHES.items():
            found[label] = turns(model, sessions, rows, seconds, rounds)
    return found


def turns(
    model: SingleModel, sessions: dict[str, Session], rows: int, seconds: int, rounds: int
) -> dict[str, Any]:
    """Return the ratios of the graphs to torch, of one batch."""
    rate, rng = model.backbone.sample_rate, np.random.default_rng(0)
    waves = [rng.normal(0, 0.1, seconds * rate).astype(np.float32) for _ in range(rows)]
    actions: dict[str, Callable[[], Any]] = {
        "torch": lambda: model.outputs([BatchRow.of(model.backbone.row(wave)) for wave in waves]),
        **{kind: partial(session, waves) for kind, session in sessions.items()},
    }
    took = take_turns(actions, rounds, "cpu")
    return {kind: asdict(ratios(took[kind], took["torch"])) for kind in sessions}


def main() -> None:
    """Measure and store, or try the code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(1)
    names, rounds = (SHIPPED, 2) if given.quick else (BACKBONES, given.rounds)
    found = {name: measured(name, rounds) for name in names}
    print(json.dumps(found, indent=1))
    if not given.quick:
        versions = {package: metadata.version(package) for package in PACKAGES}
        about = {"rounds": rounds, "processor": platform.processor(), "versions": versions}
        RESULTS.write_text(json.dumps({**about, "backbones": found}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
