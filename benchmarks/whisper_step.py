"""A training step of Whisper whole with LoRA, against peft's LoRA on the same model.

    python benchmarks/whisper_step.py              Whisper base, two recordings of 5 s, 7 rounds
    python benchmarks/whisper_step.py --quick      try the code on a tiny model; nothing is stored

LoRA of rank 8 at queries and values: of encoder and decoder, or of the decoder alone. The model of
peft is transformers' with its cross-entropy, trained as transformers' documentation shows it; both
sides have the same weights, mel frames, tokens (start, 20 of text, end) and fused AdamW, in
float32 on one torch thread. Recordings are padded to 30 s, except where a variant is at its own
length. "cached" is a step from the second epoch on: the encoder's output is read from the cache on
disk. All variants take turns in an order that rotates from round to round. Each value is the ratio
of processor time to peft's step with the same layers in the same round: median and quartiles.
Memory is that of a process for each variant: loaded, and at the peak of two steps. Written to
`benchmarks/results/whisper-step.json`.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration

from ossicle.adapters.check import attach
from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import load_backbone, random_backbone
from ossicle.backbones.families import WITH_DECODER
from ossicle.backbones.transformers_logging import quiet_transformers
from ossicle.compute.turns import ratios, take_turns
from ossicle.frozen.cut import find_cut, run_to_cut
from ossicle.frozen.part import BatchRow, FrozenPart
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Seq2Seq
from ossicle.writing import Text
from speed.groups.memory import resident
from speed.ours import open_cache

RESULTS: Final = Path(__file__).parent / "results" / "whisper-step.json"
FULL: Final = "config:whisper-base"
SECONDS: Final = 5
RATE: Final = 16_000
TEXTS: Final = ("twenty bytes of text", "and twenty bytes too")
DECODER: Final = "lora@dec.attn.q,dec.attn.v,dec.cross.q,dec.cross.v"
BOTH: Final = f"{DECODER},attn.q,attn.v"
TARGETS: Final = {BOTH: ["q_proj", "v_proj"], DECODER: r".*\.decoder\..*\.(q_proj|v_proj)"}
GOALS: Final = {"all layers": 0.9, "decoder, cached": 0.25}
PACKAGES: Final = ("ossicle", "torch", "transformers", "peft")
VARIANTS: Final = (
    "peft: all layers",
    "peft: decoder",
    "all layers",
    "all layers, own length",
    "decoder",
    "decoder, cached",
)
Action = Callable[[], None]


def waves() -> list[Any]:
    """Return noise."""
    rng = np.random.default_rng(0)
    return [rng.normal(0, 0.1, SECONDS * RATE).astype(np.float32) for _ in TEXTS]


def stepping(loss: Callable[[], torch.Tensor], parameters: list[Any]) -> Action:
    """Return a step with fused AdamW."""
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def our_model(name: str, recipe: str) -> AdaptedModel:
    """Return a recipe on a Whisper with its decoder."""
    backbone = load_backbone(name, decoder=True)
    model = attach(backbone, Recipe.parse(recipe), build_head("decoder", backbone.anatomy, 0))
    return model.train()


def our_step(name: str, recipe: str, folder: str | None) -> Action:
    """Return a step as `ossicle train` takes it: from waves, or from states cached in a folder."""
    model = our_model(name, recipe)
    task = Seq2Seq(language="en").with_tokens(model.backbone.tokens)
    assert model.head is not None, "it was given"
    task.configure(model.head)
    texts = [Text(text) for text in TEXTS]
    inputs = [model.backbone.row(wave) for wave in waves()]
    frozen = FrozenPart(find_cut(model), None)
    if folder is not None:
        frozen.cache = open_cache(model, folder)
        for number, states in enumerate(run_to_cut(model.backbone, inputs, frozen.cut)):
            frozen.cache.put(f"{number:032}", states.numpy(), inputs[number][1])

    def rows() -> list[BatchRow]:
        if frozen.cache is None:
            pairs = zip(inputs, texts, strict=True)
            return [BatchRow(row, None, row[1], None, text) for row, text in pairs]
        found = [frozen.cache.get(f"{number:032}") for number in range(len(texts))]
        kept = zip([one for one in found if one], texts, strict=True)
        return [BatchRow(None, torch.from_numpy(one[0]), one[1], None, text) for one, text in kept]

    labels = list(TEXTS)
    return stepping(
        lambda: task.loss(frozen.outputs(model, rows()), labels), list(model.trainable().values())
    )


def peft_step(folder: str, recipe: str) -> Action:
    """Return a step of peft on transformers' model, with the weights of a folder."""
    from peft import LoraConfig, get_peft_model

    backbone = load_backbone(folder, decoder=True)
    values, _ = backbone.batch(waves())
    assert backbone.tokens is not None, "it has a decoder"
    start, end = backbone.tokens.starting("en")[1:], backbone.tokens.end
    labels = torch.tensor([[*start, *backbone.tokens.encode(text), end] for text in TEXTS])
    with quiet_transformers():
        stock = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    model = get_peft_model(stock, LoraConfig(r=8, target_modules=TARGETS[recipe])).train()
    features = values.transpose(1, 2).contiguous()
    trained = [one for one in model.parameters() if one.requires_grad]
    return stepping(lambda: model(input_features=features, labels=labels).loss, trained)


def action_of(variant: str, folder: str, cache: str) -> Action:
    """Return the step of a label."""
    recipe = DECODER if "decoder" in variant else BOTH
    if variant.startswith("peft"):
        return peft_step(folder, recipe)
    name = f"{folder}?length=own" if "own length" in variant else folder
    return our_step(name, recipe, cache if "cached" in variant else None)


def memory_of(variant: str, folder: str) -> dict[str, float]:
    """Return MB of this process once it has loaded a model, and at the peak of two steps."""
    with tempfile.TemporaryDirectory() as cache:
        step = action_of(variant, folder, cache)
        Path("/proc/self/clear_refs").write_text("5")  # reset the peak, which was of loading
        before = resident("VmRSS")
        step()
        step()
        return {"loaded": before, "peak": resident("VmHWM")}


def in_child(variant: str, folder: str) -> dict[str, float]:
    """Return `memory_of` of a new process."""
    command = [sys.executable, "-W", "ignore", __file__, "--memory", variant, "--folder", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def compared(seconds: dict[str, list[float]]) -> dict[str, Any]:
    """Return the ratio of each variant to peft's with the same layers."""
    found = {}
    for variant in VARIANTS[2:]:
        theirs = seconds["peft: decoder" if "decoder" in variant else "peft: all layers"]
        found[variant] = {**asdict(ratios(seconds[variant], theirs)), "goal": GOALS.get(variant)}
    return found


def saved(folder: str, *, quick: bool) -> None:
    """Write a Whisper of random weights."""
    family = WITH_DECODER["whisper"]
    tiny = random_backbone(family, family.tiny(), "tiny") if quick else None
    (tiny or load_backbone(FULL, decoder=True)).save(folder)


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.memory:
        print(json.dumps(memory_of(given.memory, given.folder)))
        return
    rounds = 2 if given.quick else given.rounds
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as cache:
        saved(folder, quick=given.quick)
        actions = {variant: action_of(variant, folder, cache) for variant in VARIANTS}
        seconds = take_turns(actions, rounds, "cpu")
        del actions
        memory = {variant: in_child(variant, folder) for variant in VARIANTS}
    found = {
        "backbone": FULL,
        "rounds": rounds,
        "versions": {name: metadata.version(name) for name in PACKAGES},
        "processor": platform.machine(),
        "ratios": compared(seconds),
        "memory_mb": memory,
    }
    for variant, ratio in found["ratios"].items():
        spread = f"{ratio['median']:.3f} [{ratio['low']:.3f}, {ratio['high']:.3f}]"
        print(f"{variant:24} {spread}" + (f"   goal {ratio['goal']}" if ratio["goal"] else ""))
    for variant, sizes in memory.items():
        print(f"{variant:24} {sizes['loaded']:.0f} MB loaded, {sizes['peak']:.0f} MB at the peak")
    if not given.quick:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
