"""Outcomes of searches that were never run."""

from dataclasses import replace

import numpy as np
from outcomes import study

from ossicle.trials.outcome import Outcome

CANDIDATES = ["skip", "lora", "bias"]
LAYERS = 4


def searches(right: dict[str, float], *, seeds: int = 5, **more) -> list[Outcome]:
    """Return searches whose answers are right about so often.

    `uniform` has LoRA in all layers, `random` other architectures with each seed, and `darts` the
    same with each seed but for one layer; `darts` has gates and is continued.
    """
    return [_searched(one) for one in study(right, seeds=seeds, **more)]


def _searched(one: Outcome) -> Outcome:
    strategy, seed = str(one.trial.labels["recipe"]), int(one.trial.labels["seed"])
    generator = np.random.default_rng([seed, len(strategy)])
    choice = {
        "uniform": ["lora"] * LAYERS,
        "random": generator.choice(CANDIDATES, LAYERS).tolist(),
        "darts": ["bias", "lora", "skip", "lora" if seed % 2 else "bias"],
    }[strategy]
    facts = {
        "strategy": strategy,
        "is_control": strategy != "darts",
        "cost_epochs": 40,
        "cost_steps": 400,
        "recipe": "lora",
        "candidates": CANDIDATES,
        "choice": {str(layer): name for layer, name in enumerate(choice)},
        "front": [[100 * (seed + 1), 0.6, "bias"], [1000 * (seed + 1), 0.7, "lora(rank=2)"]],
    }
    if strategy == "darts":
        gates = [{str(layer): _gates(epoch) for layer in range(LAYERS)} for epoch in range(3)]
        facts |= {"gates": gates, "importance": [0.1, 0.2, 0.4, 0.3]}
        better = {name: value + 0.05 for name, value in one.measured.metrics.items()}
        facts["continued"] = {"metrics": better, "parameters": 333}
    return replace(one, measured=replace(one.measured, facts=facts))


def _gates(epoch: int) -> list[float]:
    return [0.3 - 0.1 * epoch, 0.3 + 0.2 * epoch, 0.4 - 0.1 * epoch]
