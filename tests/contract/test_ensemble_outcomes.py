"""The outputs that trials of every task keep become ensembles under every vote, and a report."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from task_examples import example_of

from ossicle.studies.ensembles.agreement import agreement_parts
from ossicle.studies.ensembles.confidence import confidence_parts
from ossicle.studies.ensembles.pool import Member, Model, Pool
from ossicle.studies.ensembles.virtual import plans, virtual_outcomes
from ossicle.tasks import TASKS, Task
from ossicle.training.config import TrainConfig
from ossicle.training.outputs import KeptOutputs, SideOutputs
from ossicle.trials import outcome as trial_outcome
from ossicle.trials.outcome import Measured, Outcome
from ossicle.trials.trial import Trial
from ossicle.votes import votes_of

COUNT, FRAMES = 12, 24
RECIPES = ("lora", "bottleneck", "parallel")
each_task = pytest.mark.parametrize("name", TASKS)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ossicle.votes.stacked.STRENGTHS", (1.0,))


def labels_of(task: Task) -> list[str]:
    """Return labels with every class or speaker several times."""
    names = getattr(task, "labels", None) or getattr(task, "speakers", None)
    if task.name in ("classification", "verification") and names:
        return [names[number % len(names)] for number in range(COUNT)]
    return [task.example[number % 2] for number in range(COUNT)]


def side(task: Task, labels: Sequence[str], prefix: str, seed: int) -> SideOutputs:
    generator = torch.Generator().manual_seed(seed)
    if task.needs_decoder:  # letters, with log probabilities
        ids = [torch.randint(60, 80, (FRAMES,), generator=generator) for _ in labels]
        noise = [-torch.rand(FRAMES, generator=generator) for _ in labels]
        drawn = tuple(torch.stack(pair, dim=-1) for pair in zip(ids, noise, strict=True))
    width = 8 + task.num_outputs * 2 if task.name == "verification" else task.num_outputs
    shape = (FRAMES, width) if task.by_frame else (width,)
    return SideOutputs(
        keys=tuple(f"{prefix}{number}" for number in range(COUNT)),
        labels=tuple(labels),
        speakers=(None,) * COUNT,
        seconds=(0.48,) * COUNT,
        trials=(),
        outputs=drawn
        if task.needs_decoder
        else tuple(torch.randn(shape, generator=generator) for _ in range(COUNT)),
    )


def member(task: Task, model: Model) -> Member:
    """Return a trial of a recipe with outputs that are noise."""
    labels, number = labels_of(task), RECIPES.index(model[0])
    kept = KeptOutputs(
        task, side(task, labels, "v", 10 + number), side(task, labels, "t", 20 + number)
    )
    decoded = [
        {**task.decode(output), "key": key}
        for key, output in zip(kept.test.keys, kept.test.outputs, strict=True)
    ]
    scores, metrics = task.recording_scores(labels, decoded), task.metrics(labels, decoded)
    measured = Measured(
        task=task.name,
        metrics={key: metrics[key] for key in task.reported},
        scores=None if scores is None else np.array(scores, np.float32),
        predicted=tuple(one["label"] for one in decoded),
        rows=trial_outcome.TestRows(kept.test.keys, kept.test.speakers, kept.test.labels),
        facts={"valid": {key: metrics[key] for key in task.reported}},
    )
    config = TrainConfig(backbone="tiny-hubert", recipe=model[0], data="demo")
    trial = Trial(config=config, labels={"recipe": model[0], "seed": model[1]}, runner="outputs")
    outcome = Outcome(
        trial=trial, name="", folder=Path("nowhere"), state="finished", measured=measured
    )
    return Member(outcome, measured, kept)


@each_task
def test_every_vote_of_a_task_becomes_an_outcome_with_its_metrics(name: str) -> None:
    task = example_of(TASKS[name])
    opened = {model: member(task, model) for model in ((recipe, 0, "") for recipe in RECIPES)}
    outcomes = {model: one.outcome for model, one in opened.items()}
    pool = Pool({}, RECIPES, (0,), ("",), outcomes, {}, dict(opened))
    mixed = [plan for plan in plans(pool) if plan.kind == "mixed"]
    assert [plan.vote for plan in mixed] == list(votes_of(task))
    found = virtual_outcomes(pool)
    assert len(found) == len(mixed) + 3  # pairs
    for plan, outcome in found:
        if outcome.measured is None:
            assert plan.vote.learns  # too few labels of a kind to learn from
            assert outcome.reason is not None
            assert "validation recordings" in outcome.reason
        else:
            assert outcome.measured.metrics.keys() == task.reported.keys()
            assert len(outcome.measured.predicted) == COUNT
    assert agreement_parts(pool, 1)
    assert confidence_parts(pool, 1)
