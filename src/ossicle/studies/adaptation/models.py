"""Models of the study of domains as outcomes on each domain, so that tables and tests work on them.

    source only, target only     trained on one of two domains
    joint                        trained on both together
    two-stage, ...               trained on the source, then on the target

A model is measured on the test recordings of a domain, whatever it was trained on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from ossicle.studies.adaptation.plan import (
    ALONE,
    ARROW,
    JOINT,
    PLAIN,
    TRAINED_ON,
    TRAINING,
)
from ossicle.studies.analysis.cell import Cell, cells, describe, varying
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Label

SOURCE_ONLY: Final = "source only"
TARGET_ONLY: Final = "target only"
TWO_STAGE: Final = "two-stage"
TEST: Final = ("test",)  # the side of a domain that models have in common


@dataclass(frozen=True)
class Pool:
    """The models of one recipe, backbone and budget.

    Attributes:
        where: What tells the pool from the others; empty if there is one.
        number: Its number, from 1.
        domains: The domains, in the order in which they were given.
        trained: The outcomes of each model, by what it was trained on and how.
    """

    where: str
    number: int
    domains: tuple[str, ...]
    trained: Mapping[tuple[str, str], Sequence[Outcome]]

    @cached_property
    def orders(self) -> list[tuple[str, ...]]:
        """The orders in which all domains are learnt."""
        chains = [tuple(on.split(ARROW)) for on, way in self.trained if way == PLAIN]
        return [one for one in chains if len(one) == len(self.domains)]

    @cached_property
    def ways(self) -> list[str]:
        """The ways to go on to the next domain."""
        names = dict.fromkeys(way for _, way in self.trained)
        return [way for way in names if way not in (ALONE, JOINT)]

    @property
    def finished(self) -> bool:
        """Whether a model is finished."""
        every = (one for outcomes in self.trained.values() for one in outcomes)
        return any(one.measured is not None for one in every)

    def after(self, way: str, order: Sequence[str]) -> list[Outcome]:
        """Return the outcomes of a chain after its last domain; a chain of one is the same for all.

        Args:
            way: The way to go on.
            order: The domains that were learnt, in their order.
        """
        key = (order[0], ALONE) if len(order) == 1 else (ARROW.join(order), way)
        return list(self.trained.get(key, ()))

    def joint(self) -> list[Outcome]:
        """Return the outcomes of the model that was trained on all domains together."""
        return [one for (_, way), some in self.trained.items() if way == JOINT for one in some]


@dataclass(frozen=True)
class Pair:
    """The models of a pool that has two domains, in one order.

    Attributes:
        pool: The pool.
        source: The domain that is learnt first.
        target: The domain that is learnt next.
    """

    pool: Pool
    source: str
    target: str

    @property
    def name(self) -> str:
        """The two domains, and what tells the pool from the others."""
        return f"{self.source}{ARROW}{self.target}" + (
            f", {self.pool.where}" * bool(self.pool.where)
        )

    @cached_property
    def stages(self) -> dict[str, list[Outcome]]:
        """The outcomes of every model in two stages, by its name."""
        order = (self.source, self.target)
        found = {two_stage(way): self.pool.after(way, order) for way in self.pool.ways}
        return {name: outcomes for name, outcomes in found.items() if outcomes}

    @cached_property
    def models(self) -> dict[str, list[Outcome]]:
        """The outcomes of every model, by its name; the baselines first."""
        baselines = {
            SOURCE_ONLY: self.pool.after(PLAIN, [self.source]),
            TARGET_ONLY: self.pool.after(PLAIN, [self.target]),
            JOINT: self.pool.joint(),
        }
        return {**baselines, **self.stages}

    @cached_property
    def on_source(self) -> list[Outcome]:
        """Every model on the test recordings of the source."""
        return self._on(self.source)

    @cached_property
    def on_target(self) -> list[Outcome]:
        """Every model on the test recordings of the target."""
        return self._on(self.target)

    @cached_property
    def source_cells(self) -> dict[str, Cell]:
        """Every model on the source, by its name."""
        return cells_by_name(self.on_source)

    @cached_property
    def target_cells(self) -> dict[str, Cell]:
        """Every model on the target, by its name."""
        return cells_by_name(self.on_target)

    def frozen(self, modules: Sequence[str]) -> str | None:
        """Return the model in whose second stage these modules are frozen; None without one."""
        for name, outcomes in self.stages.items():
            given = outcomes[0].trial.config.freeze
            if given is not None and {one.strip() for one in given.split(",")} == set(modules):
                return name
        return None

    def _on(self, domain: str) -> list[Outcome]:
        return [on_domain(one, domain, name) for name, some in self.models.items() for one in some]


def two_stage(way: str) -> str:
    """Return the name of a model that goes on in a way."""
    return TWO_STAGE if way == PLAIN else f"{TWO_STAGE}, {way}"


def on_domain(outcome: Outcome, domain: str, name: str) -> Outcome:
    """Return an outcome on the test recordings of a domain, labelled by the name of its model."""
    labels: dict[str, Label] = {"recipe": name, "seed": outcome.trial.labels["seed"]}
    measured = None if outcome.measured is None else outcome.measured.domains.get(domain)
    trial = replace(outcome.trial, labels=labels)
    return replace(outcome, trial=trial, measured=measured)


def cells_by_name(outcomes: Sequence[Outcome]) -> dict[str, Cell]:
    """Return the cells of labelled outcomes by their names; also those without a result."""
    return {str(one.labels["recipe"]): one for one in cells(outcomes)}


def pools(outcomes: Sequence[Outcome]) -> list[Pool]:
    """Return the pools of the outcomes of a study, in the order in which they first occur."""
    grouped: dict[tuple[tuple[str, Label], ...], list[Outcome]] = {}
    apart = ("seed", TRAINED_ON, TRAINING)
    for one in outcomes:
        labels = {key: value for key, value in one.trial.labels.items() if key not in apart}
        grouped.setdefault(tuple(labels.items()), []).append(one)
    names = varying([Cell(dict(labels), {}, 0, "", "") for labels in grouped])
    return [
        _pool(describe(dict(labels), names), number, group)
        for number, (labels, group) in enumerate(grouped.items(), start=1)
    ]


def _pool(where: str, number: int, group: Sequence[Outcome]) -> Pool:
    trained: dict[tuple[str, str], list[Outcome]] = {}
    for one in group:
        labels = one.trial.labels
        trained.setdefault((str(labels[TRAINED_ON]), str(labels[TRAINING])), []).append(one)
    return Pool(where, number, tuple(group[0].trial.settings), trained)
