"""Outcomes of a study of domains that was never run, with accuracies that a test chooses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from outcomes import outcome, rows

from ossicle.studies.adaptation.plan import ALONE, ARROW, JOINT, TRAINED_ON, TRAINING
from ossicle.trials.outcome import Measured, Outcome
from ossicle.trials.runners.domains import CURVE, UNTRAINED
from ossicle.trials.trial import BEFORE

SIZE = 20
LABELS = ["a", "b"] * (SIZE // 2)
Right = Mapping[str, int]  # number of right answers on each domain


def measured(right: int, domain: str, shift: int = 0) -> Measured:
    """Return a result on a domain with so many right answers, beginning with one of them."""
    is_right = np.roll(np.arange(SIZE) < right, shift)
    other = {"a": "b", "b": "a"}
    said = [label if is_right[n] else other[label] for n, label in enumerate(LABELS)]
    found = outcome({"recipe": "lora"}, rows(LABELS, f"{domain}/"), said).measured
    assert found is not None
    return replace(found, split_fingerprint={"test": domain})


def model(
    on: str,
    way: str,
    right: Right,
    *,
    seed: int = 0,
    shift: int = 0,
    facts: Mapping[str, Any] | None = None,
    all_modules: str = "lora",
    **labels: Any,
) -> Outcome:
    """Return a finished outcome of a model.

    Args:
        on: The domains that it was trained on.
        way: How.
        right: Number of right answers of `SIZE` on each domain.
        seed: Its seed.
        shift: Which answers are right.
        facts: Facts of the runner.
        all_modules: The modules that are frozen where all are.
        labels: More labels.
    """
    domains = {name: measured(number, name, shift) for name, number in right.items()}
    whole = {"recipe": "lora", **labels, "seed": seed, TRAINED_ON: on, TRAINING: way}
    one = outcome(whole, rows(LABELS), LABELS)
    assert one.measured is not None
    config = one.trial.config
    if way.startswith("freeze "):
        modules = way.removeprefix("freeze ").replace("all", all_modules).replace(" + ", ",")
        config = replace(config, parent=BEFORE, freeze=modules)
    names = {name: name for name in right}
    return replace(
        one,
        trial=replace(one.trial, config=config, runner="domains", settings=names),
        measured=replace(
            one.measured, domains=domains, facts={UNTRAINED: None, CURVE: None, **(facts or {})}
        ),
    )


def untrained(right: Right) -> dict[str, Any]:
    """Return the facts of a first stage whose untrained model has so many right answers."""
    return {
        UNTRAINED: {name: dict(measured(number, name).metrics) for name, number in right.items()}
    }


def pair(
    source: Sequence[int],
    target: Sequence[int],
    joint: Sequence[int],
    ways: Mapping[str, Sequence[int]],
    *,
    seeds: int = 6,
    before: Sequence[int] = (10, 10),
) -> list[Outcome]:
    """Return the outcomes of models on the domains s and t, equal for all seeds.

    Args:
        source: Right answers on s and t of the model that was trained on s.
        target: The same of the model that was trained on t.
        joint: The same of the one that was trained on both.
        ways: The same of every two-stage model.
        seeds: Number of seeds.
        before: The same of the untrained model.
    """
    names = ("s", "t")
    facts = untrained(dict(zip(names, before, strict=True)))
    given = [("s", ALONE, source), ("t", ALONE, target), ("s + t", JOINT, joint)]
    given += [(ARROW.join(names), way, right) for way, right in ways.items()]
    return [
        model(on, way, dict(zip(names, right, strict=True)), seed=seed, facts=facts)
        for seed in range(seeds)
        for on, way, right in given
    ]
