"""Ensembles as outcomes, so that tables, tests and plots of studies work on them.

    mixed                 a member of each recipe
    K seeds of RECIPE     the recipe that is best on validation, with as many seeds
    RECIPE + RECIPE ...   all pairs and triples of recipes

The members of every ensemble have consecutive seeds, from its own on and cyclically: members with
one seed would share the order of recordings, the crops and the first parameters of the head, and
err together more often than seeds of one recipe do.

A vote that learns is fitted on the validation recordings of its members, never on test recordings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from torch import Tensor

from ossicle.errors import OssicleError
from ossicle.studies.ensembles.pool import BUDGET, Member, Missing, Model, Pool
from ossicle.tasks import Task
from ossicle.training.outputs import SideOutputs
from ossicle.trials.outcome import Measured, Outcome
from ossicle.trials.trial import Label, Trial
from ossicle.votes import VOTES, Soft, Vote

Kind: TypeAlias = Literal["mixed", "seeds", "part"]
RUNNER: Final = "ensemble"  # of virtual trials, which nothing runs
PART_SIZES: Final = (2, 3)


@dataclass(frozen=True)
class Plan:
    """What an ensemble consists of, for each seed.

    Attributes:
        kind: `mixed`: all recipes; `seeds`: seeds of one recipe; `part`: some of the recipes.
        name: Its name, without the vote.
        vote: The vote.
        recipes: Recipes of its members; of `seeds`, the one recipe.
    """

    kind: Kind
    name: str
    vote: type[Vote]
    recipes: tuple[str, ...]

    @property
    def label(self) -> str:
        """Its label `recipe`."""
        return f"{self.name}: {self.vote.name}"

    def models(self, pool: Pool, seed: Label, fold: Label) -> list[Model]:
        """Return its members; none of seeds that would be the same ensemble once more."""
        if self.kind == "seeds":
            return [(self.recipes[0], one, fold) for one in pool.seeds_from(seed)]
        return [(one, pool.seed_after(seed, n), fold) for n, one in enumerate(self.recipes)]


@dataclass(frozen=True)
class Decided:
    """An ensemble of one repeat, after its vote.

    Attributes:
        plan: What it consists of.
        members: Its members.
        vote: The vote, fitted.
        decoded: The decoded decision on each test recording, with the recording's `key`.
        outputs: The combined output of each test recording; None where the vote has none.
    """

    plan: Plan
    members: tuple[Member, ...]
    vote: Vote
    decoded: tuple[dict[str, Any], ...]
    outputs: tuple[Tensor | None, ...]


def plans(pool: Pool) -> list[Plan]:
    """Return the ensembles of a pool; none while nothing is finished."""
    task = _some_task(pool)
    if task is None:
        return []
    votes = [vote for vote in VOTES.values() if vote.supports(task)]
    found = [Plan("mixed", "mixed", vote, pool.recipes) for vote in votes]
    best, number = pool.best(pool.members), len(pool.recipes)
    if best is not None and len(pool.seeds) >= number:
        found += [Plan("seeds", f"{number} seeds of {best}", vote, (best,)) for vote in votes]
    return found + [
        Plan("part", " + ".join(some), Soft, some)
        for size in PART_SIZES
        if size < number
        for some in combinations(pool.recipes, size)
    ]


def decide(pool: Pool, plan: Plan, seed: Label, fold: Label) -> Decided | Missing:
    """Return an ensemble of one repeat, or why there is none."""
    opened = [pool.open(model) for model in plan.models(pool, seed, fold)]
    missing = [one for one in opened if isinstance(one, Missing)]
    if missing:
        return missing[0]
    members = tuple(one for one in opened if isinstance(one, Member))
    if fault := _fault(plan, members):
        return Missing("failed", fault)
    first = members[0].kept
    valid, test = (
        list(zip(*(getattr(one.kept, side).outputs for one in members), strict=True))
        for side in ("valid", "test")
    )
    task = first.task.without_cohort()
    try:
        vote = plan.vote.fit(task, valid, first.valid.labels)
        decisions = [vote.decide(task, outputs) for outputs in test]
    except OssicleError as error:
        return Missing("failed", f"the vote cannot be taken: {error}")
    decoded = tuple(
        {**one.decoded, "key": key} for one, key in zip(decisions, first.test.keys, strict=True)
    )
    return Decided(plan, members, vote, decoded, tuple(one.output for one in decisions))


def virtual_outcome(pool: Pool, plan: Plan, seed: Label, fold: Label) -> Outcome:
    """Return an ensemble of one repeat as an outcome; a missing one says why in `reason`."""
    found = decide(pool, plan, seed, fold)
    outcome = pool.members[plan.models(pool, seed, fold)[0]]
    labels = {key: value for key, value in outcome.trial.labels.items() if key != BUDGET}
    trial = Trial(
        config=outcome.trial.config,
        labels={**labels, "recipe": plan.label, "seed": seed},
        runner=RUNNER,
    )
    base = Outcome(trial=trial, name="", folder=outcome.folder, state="failed")
    if isinstance(found, Missing):
        return replace(base, state=found.state, reason=found.reason)
    return replace(base, state="finished", measured=_measured(found))


def virtual_outcomes(pool: Pool) -> list[tuple[Plan, Outcome]]:
    """Return every ensemble of every seed and fold."""
    return [
        (plan, virtual_outcome(pool, plan, seed, fold))
        for plan in plans(pool)
        for seed in pool.seeds
        for fold in pool.folds
        if plan.models(pool, seed, fold)
    ]


def _some_task(pool: Pool) -> Task | None:
    for model in pool.members:
        if isinstance(found := pool.open(model), Member):
            return found.kept.task
    return None


def _fault(plan: Plan, members: Sequence[Member]) -> str | None:
    """Return why members cannot vote together; None if they can."""
    first = members[0].kept
    if any(one.kept.task.to_dict() != first.task.to_dict() for one in members):
        return "its members have other labels or tasks"
    if any(_rows(one.kept.valid) != _rows(first.valid) for one in members):
        return "its members have other validation recordings"
    if any(_rows(one.kept.test) != _rows(first.test) for one in members):
        return "its members have other test recordings"
    if plan.vote.learns and first.validates_on_test:
        return (
            f"the vote {plan.vote.name} learns from the validation recordings, which are the test "
            "recordings of these data"
        )
    return None


def _rows(side: SideOutputs) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return side.keys, side.labels


def _measured(found: Decided) -> Measured:
    """Return the result of an ensemble as that of a trial; sizes and times are added up."""
    first, every = found.members[0], [one.measured for one in found.members]
    test = first.kept.test
    task = first.kept.task.without_cohort().with_trials(test.trials)
    metrics = task.metrics(test.labels, found.decoded)
    scores = task.recording_scores(test.labels, found.decoded)
    peaks = [one.peak_memory_mib for one in every if one.peak_memory_mib is not None]
    return replace(
        first.measured,
        metrics={key: metrics[key] for key in task.reported},
        scores=None if scores is None else np.array(scores, np.float32),
        predicted=tuple(one["label"] for one in found.decoded),
        parameters=_parameters([one.parameters for one in every]),
        adapter_bytes=sum(one.adapter_bytes for one in every),
        train_seconds=sum(one.train_seconds for one in every),
        step_seconds=None,
        test_seconds=None,
        peak_memory_mib=max(peaks, default=None),
        best_epoch=0,
        epochs=0,
        notices=tuple(dict.fromkeys(notice for one in every for notice in one.notices)),
        facts={},
    )


def _parameters(every: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the parameters of all members together; the backbone counts once."""
    shared = every[0].get("total", 0) - every[0].get("trainable", 0)
    found = {key: sum(one.get(key, 0) for one in every) for key in ("trainable", "head")}
    return found | {"total": shared + found["trainable"]}
