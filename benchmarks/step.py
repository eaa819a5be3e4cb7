"""Speed of training step and inference of every method, compared with the backbone and peft.

    python benchmarks/step.py --backbone config:hubert-base --seconds 2 --batch 2

All variants share one process and one batch of noise and take turns, in an order that rotates from
round to round; a result is the ratio to the bare forward of the same round, as the median over the
rounds with its quartiles. Processor time is measured, so that a busy machine disturbs less. The
result is printed as a table and written as JSON to `benchmarks/results/`.

Variants of peft: `peft` as its documentation shows it (`get_peft_model`, then `train()`), and
`peft+freeze` after `freeze_feature_encoder()`. Both are LoRA of rank 8 at q and v with a linear
head on the mean, as ours.
"""

import argparse
import platform
import re
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ossicle import strict_json
from ossicle.adapters.check import attach
from ossicle.backbones import Backbone, load_backbone
from ossicle.compute.turns import ratios, take_turns
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe

RECIPES = ("linear", "bitfit", "lora", "bottleneck", "parallel", "houlsby", "full")
CLASSES = 10
BARE = "bare forward"

Variant = tuple[Callable[[], None], Callable[[], None]]


def ours(name: str, recipe: str, waves: list[Any], target: Tensor) -> Variant:
    """Return a training step and an inference of ossicle."""
    backbone = load_backbone(name)
    head = build_head("mean", backbone.anatomy, CLASSES)
    model = attach(backbone, Recipe.parse(recipe), head)
    values, lengths = backbone.batch(waves)
    parameters = list(model.trainable().values())
    return step_and_inference(model, lambda: model(values, lengths), parameters, target)


def peft_lora(name: str, waves: list[Any], target: Tensor, *, freeze: bool) -> Variant | None:
    """Return the same of Hugging Face peft; None where it cannot be had."""
    from peft import LoraConfig, get_peft_model

    backbone = load_backbone(name, stochastic=True)  # its configuration as released
    if not hasattr(backbone.model, "feature_extractor"):
        if freeze:
            return None
    elif freeze:
        backbone.model.feature_extractor._freeze_parameters()  # no public way without a head
    values, _ = backbone.batch(waves)
    model = get_peft_model(backbone.model, LoraConfig(r=8, target_modules=["q_proj", "v_proj"]))
    head = nn.Linear(backbone.anatomy.width, CLASSES)
    parameters = [p for p in model.parameters() if p.requires_grad] + list(head.parameters())

    def forward() -> Tensor:
        hidden = model(input_values=values).last_hidden_state
        output: Tensor = head(hidden.mean(dim=1))
        return output

    return step_and_inference(model, forward, parameters, target)


def step_and_inference(
    model: nn.Module, forward: Callable[[], Tensor], parameters: list[nn.Parameter], target: Tensor
) -> Variant:
    """Return a training step with AdamW, and a forward pass without gradients."""
    optimizer = torch.optim.AdamW(parameters, lr=1e-4)

    def step() -> None:
        model.train()
        optimizer.zero_grad()
        nn.functional.cross_entropy(forward(), target).backward()
        optimizer.step()

    @torch.no_grad()
    def inference() -> None:
        model.eval()
        forward()

    return step, inference


def bare(backbone: Backbone, waves: list[Any]) -> Callable[[], None]:
    """Return the forward pass of the frozen backbone alone."""
    values, lengths = backbone.batch(waves)

    @torch.no_grad()
    def forward() -> None:
        backbone(values, lengths)

    return forward


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="config:tiny-hubert")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    backbone = load_backbone(options.backbone)
    rng = np.random.default_rng(0)
    size = int(options.seconds * backbone.sample_rate)
    waves = list(rng.standard_normal((options.batch, size), dtype=np.float32) * 0.1)
    target = torch.arange(options.batch) % CLASSES
    variants: dict[str, Variant | None] = {
        recipe: ours(options.backbone, recipe, waves, target) for recipe in RECIPES
    }
    for name, freeze in (("peft lora", False), ("peft+freeze lora", True)):
        variants[name] = peft_lora(options.backbone, waves, target, freeze=freeze)
    actions = {BARE: bare(backbone, waves)}
    for name, variant in variants.items():
        if variant is not None:
            actions[f"{name}: step"], actions[f"{name}: inference"] = variant
    seconds = take_turns(actions, options.rounds, "cpu")
    found = {name: asdict(ratios(values, seconds[BARE])) for name, values in seconds.items()}
    report = {
        "settings": vars(options),
        "ratio_to_bare_forward": found,
        "versions": {p: metadata.version(p) for p in ("ossicle", "torch", "transformers", "peft")},
        "device": f"cpu, {options.threads} threads, {platform.machine()}",
        "seed": 0,
    }
    short = re.sub(r"[^\w-]+", "-", options.backbone)
    file = Path(__file__).parent / "results" / f"step-{short}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(strict_json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"{options.backbone}, {options.batch} x {options.seconds:g} s, {options.rounds} rounds")
    print("| variant | training step | inference |\n| --- | --- | --- |")
    for name, variant in variants.items():
        if variant is not None:
            cells = (found[f"{name}: {kind}"] for kind in ("step", "inference"))
            shown = " | ".join(
                f"{c['median']:.2f} [{c['low']:.2f}, {c['high']:.2f}]" for c in cells
            )
            print(f"| {name} | {shown} |")


if __name__ == "__main__":
    main()
