"""The report of the study of ensembles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ossicle.errors import listing
from ossicle.reports.parts import Part, Section
from ossicle.studies.analysis import summary_table, verdict
from ossicle.studies.ensembles.pool import BUDGET, Pool, pools
from ossicle.studies.ensembles.virtual import PART_SIZES, Plan, virtual_outcomes
from ossicle.studies.plots.standard import figures_of_results, figures_of_runs
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Label

SHOWN: Final = 5  # reasons for missing ensembles


@dataclass(frozen=True)
class Results:
    """The trials and the ensembles of a pool, as outcomes with different recipes.

    Attributes:
        pool: The pool.
        number: Number of the pool in the report, from 1.
        singles: Single recipes at the budget; without budgets, the members.
        members: Single recipes at the budget of a member; none without budgets.
        ensembles: Every ensemble with what it consists of.
    """

    pool: Pool
    number: int
    singles: tuple[Outcome, ...]
    members: tuple[Outcome, ...]
    ensembles: tuple[tuple[Plan, Outcome], ...]

    @property
    def best(self) -> str | None:
        """The single recipe with the best mean on the validation recordings."""
        return self.pool.best(self.pool.singles or self.pool.members)

    def of_kind(self, *kinds: str) -> list[Outcome]:
        """Return the ensembles of some kinds."""
        return [one for plan, one in self.ensembles if plan.kind in kinds]


Extra = Callable[[Sequence[Results]], Section | None]
EXTRAS: Final[tuple[Extra, ...]] = ()  # further sections, from the results of all pools


def report_ensembles(outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
    """Return the verdict and the sections of the report.

    Args:
        outcomes: The outcomes of all trials; some may be missing or failed.
    """
    if not any(one.measured is not None for one in outcomes):
        return ["No trial is finished yet."], []
    found = [_results(pool, number) for number, pool in enumerate(pools(outcomes), start=1)]
    others = [_relabelled(one) for one in outcomes if one.trial.runner == "mfcc"]
    extras = [made for extra in EXTRAS if (made := extra(found)) is not None]
    sections = [
        Section(title="Results", parts=[part for one in found for part in _tables(one, others)]),
        *extras,
        Section(title="Plots", parts=_plots(found)),
    ]
    said = [line for one in found for line in _said(one)]
    return said, [one for one in sections if one.parts]


def _results(pool: Pool, number: int) -> Results:
    share = f" at 1/{len(pool.recipes)}"
    members = tuple(
        _relabelled(one, share if pool.singles else "") for one in pool.members.values()
    )
    singles = tuple(_relabelled(one) for one in pool.singles.values())
    return Results(
        pool=pool,
        number=number,
        singles=singles or members,
        members=members if singles else (),
        ensembles=tuple(virtual_outcomes(pool)),
    )


def _relabelled(outcome: Outcome, share: str = "") -> Outcome:
    """Return an outcome without its budget, which its recipe names instead."""
    labels = {key: value for key, value in outcome.trial.labels.items() if key != BUDGET}
    labels["recipe"] = f"{labels['recipe']}{share}"
    return replace(outcome, trial=replace(outcome.trial, labels=labels))


def _tables(found: Results, others: Sequence[Outcome]) -> list[Part]:
    """Return the results at the whole budget, and those of parts of it."""
    pool = found.pool
    place = f": {pool.where}" if pool.where else ""
    own = [one for one in others if pool.labels.items() <= one.trial.labels.items()]
    whole = [*found.singles, *found.of_kind("mixed", "seeds"), *own]
    reference: Label | None = found.best
    parts: list[Part] = [
        summary_table(
            whole,
            name=f"summary-{found.number}",
            title=f"Single recipes and ensembles{place}",
            reference=reference,
        )
    ]
    if smaller := found.of_kind("part"):
        best = [one for one in found.singles if one.trial.labels["recipe"] == reference]
        parts.append(
            summary_table(
                [*(best if found.members else ()), *(found.members or found.singles), *smaller],
                name=f"parts-{found.number}",
                title=f"Members, and ensembles of {_sizes()} of them{place}",
                reference=reference,
            )
        )
    return [*parts, *_notes(found)]


def _sizes() -> str:
    return " or ".join(map(str, PART_SIZES))


def _notes(found: Results) -> list[str]:
    """Return what to know about the tables, as sentences."""
    pool, number = found.pool, len(found.pool.recipes)
    said = []
    if found.members:
        said.append(
            f"Members of ensembles are fitted to 1/{number} of the budget of the single recipes."
        )
    else:
        said.append(
            "Without --budget each recipe has its own size, so ensembles have more parameters than "
            "single recipes, and nothing is compared at equal sizes."
        )
    if len(pool.seeds) < number:
        said.append(
            f"Ensembles of seeds are left out: {len(pool.seeds)} seeds are fewer than the {number} "
            "members of an ensemble."
        )
    elif any(plan.kind == "seeds" for plan, _ in found.ensembles):
        said.append(
            "An ensemble of seeds has a seed and those that follow it in the grid, cyclically, so "
            "its repeats share members and are not independent: their p over repeats is too small."
        )
    reasons = dict.fromkeys(
        f"{one.trial.labels['recipe']}, seed {one.trial.labels['seed']}: {one.reason}"
        for _, one in found.ensembles
        if one.reason
    )
    if reasons:
        said.append(f"{len(reasons)} ensembles are missing: {listing(list(reasons), SHOWN)}.")
    return said


def _said(found: Results) -> list[str]:
    """Return the verdict on a pool."""
    place = f"{found.pool.where}: " if found.pool.where else ""
    whole = [*found.singles, *found.of_kind("mixed", "seeds")]
    return [f"{place}{line}" for line in verdict(whole)]


def _plots(found: Sequence[Results]) -> list[Part]:
    """Return plots of all results, and those of single recipes that need their run folders."""
    trained = [one for each in found for one in (*each.singles, *each.members)]
    every = [*trained, *(one for each in found for _, one in each.ensembles)]
    return [*figures_of_results(every), *figures_of_runs(trained)]
