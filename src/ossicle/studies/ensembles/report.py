"""The report of the study of ensembles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ossicle.errors import listing
from ossicle.reports.parts import Part, Section
from ossicle.studies.analysis.asking import Asked
from ossicle.studies.analysis.claim import Claim
from ossicle.studies.analysis.judging import decide
from ossicle.studies.analysis.sentences import sentence
from ossicle.studies.analysis.table import summary_table
from ossicle.studies.analysis.verdict import unfinished, verdict
from ossicle.studies.calibration import TITLE as CALIBRATION
from ossicle.studies.ensembles.agreement import agreement_parts
from ossicle.studies.ensembles.claims import MAJORITY, ask_learning, ask_votes
from ossicle.studies.ensembles.confidence import confidence_parts
from ossicle.studies.ensembles.differ import Differ
from ossicle.studies.ensembles.gains import BySeed, gain_parts
from ossicle.studies.ensembles.mistakes import mistake_parts
from ossicle.studies.ensembles.models import answers, has_right_and_wrong, member_answers
from ossicle.studies.ensembles.pool import BUDGET, Pool, pools
from ossicle.studies.ensembles.virtual import Plan, virtual_outcomes
from ossicle.studies.explain import HOW_TO_EXPLAIN, explained
from ossicle.studies.explain import TITLE as INSIDE
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

    @property
    def vote(self) -> str | None:
        """The vote that claims and examples are about: the majority where the task has it."""
        votes = [plan.vote.name for plan, _ in self.ensembles if plan.kind == "mixed"]
        return MAJORITY if MAJORITY in votes else next(iter(votes), None)

    def of_kind(self, *kinds: str) -> list[Outcome]:
        """Return the ensembles of some kinds."""
        return [one for plan, one in self.ensembles if plan.kind in kinds]

    def answers(self, label: str) -> BySeed:
        """Return the answers of an ensemble for each seed that has them, by its label."""
        by_seed: dict[Label, list[Outcome]] = {}
        for plan, one in self.ensembles:
            if plan.label == label:
                by_seed.setdefault(one.trial.labels["seed"], []).append(one)
        found = {seed: answers(parts) for seed, parts in by_seed.items()}
        return {seed: one for seed, one in found.items() if one is not None}

    def answers_of_member(self, recipe: str) -> BySeed:
        """Return the answers of a member for each seed that has them."""
        found = {seed: member_answers(self.pool, recipe, seed) for seed in self.pool.seeds}
        return {seed: one for seed, one in found.items() if one is not None}


def report_ensembles(outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
    """Return the verdict and the sections of the report.

    Args:
        outcomes: The outcomes of all trials; some may be missing or failed.
    """
    if not any(one.measured is not None for one in outcomes):
        return ["No trial is finished yet."], []
    found = [results_of(pool, number) for number, pool in enumerate(pools(outcomes), start=1)]
    others = [relabelled(one) for one in outcomes if one.trial.runner == "mfcc"]
    inside = explained(_trained(found))
    sections = [
        Section(title="Results", parts=[part for one in found for part in _tables(one, others)]),
        Section(title="Do the methods learn differently?", parts=_each(found, _agreement)),
        Section(title="Where members and votes err", parts=_each(found, _mistakes)),
        Section(title="What votes gain", parts=_each(found, _gains)),
        Section(title=CALIBRATION, parts=_each(found, _confidence)),
        Section(title="Plots", parts=[*_plots(found), *([] if inside else [HOW_TO_EXPLAIN])]),
        Section(title=INSIDE, parts=inside),
    ]
    said = [line for one in found for line in _said(one)]
    return said + unfinished(outcomes), [one for one in sections if one.parts]


def _each(found: Sequence[Results], parts: Callable[[Results], list[Part]]) -> list[Part]:
    return [part for one in found for part in parts(one)]


def _agreement(found: Results) -> list[Part]:
    return agreement_parts(found.pool, found.number)


def _confidence(found: Results) -> list[Part]:
    return confidence_parts(found.pool, found.number)


def _mistakes(found: Results) -> list[Part]:
    """Return where each member and the vote err."""
    columns = {
        recipe: list(found.answers_of_member(recipe).values()) for recipe in found.pool.recipes
    }
    if found.vote is not None:
        label = f"mixed: {found.vote}"
        columns[label] = list(found.answers(label).values())
    return mistake_parts(found.pool, columns, found.number)


def _gains(found: Results) -> list[Part]:
    """Return what each vote gains over the best member; the vote of the claims comes first."""
    best = found.pool.best(found.pool.members)
    labels = dict.fromkeys(plan.label for plan, _ in found.ensembles if plan.kind != "part")
    ordered = sorted(labels, key=lambda one: one != f"mixed: {found.vote}")
    if best is None:
        return []
    votes = {label: found.answers(label) for label in ordered}
    member = found.answers_of_member(best)
    return gain_parts(best, member, votes, found.number, found.pool.where)


def results_of(pool: Pool, number: int = 1) -> Results:
    """Return the trials and the ensembles of a pool."""
    share = f" at 1/{len(pool.recipes)}"
    members = tuple(relabelled(one, share if pool.singles else "") for one in pool.members.values())
    singles = tuple(relabelled(one) for one in pool.singles.values())
    return Results(
        pool=pool,
        number=number,
        singles=singles or members,
        members=members if singles else (),
        ensembles=tuple(virtual_outcomes(pool)),
    )


def relabelled(outcome: Outcome, share: str = "") -> Outcome:
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
    smaller = found.of_kind("part")
    best = [one for one in found.singles if one.trial.labels["recipe"] == reference]
    if found.members:
        smaller = [*best, *found.members, *smaller]
    elif smaller:
        smaller = [*found.singles, *smaller]
    if smaller:
        parts.append(
            summary_table(
                smaller,
                name=f"parts-{found.number}",
                title=f"Members, and ensembles of 2 or 3 of them{place}",
                reference=reference,
            )
        )
    return [*parts, *_notes(found)]


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
    elif len(pool.seeds) == number:
        said.append("All seeds make one ensemble of seeds, which has one repeat.")
    if len(pool.seeds) > 1:
        said.append(
            "The members of an ensemble have a seed and those that follow it in the grid, "
            "cyclically, so that they do not share the order of recordings and the first "
            "parameters of the head. The repeats of an ensemble are not independent: those of "
            "seeds of one recipe share members, the others share seeds. Their p over repeats is "
            "too small."
        )
    learnt = dict.fromkeys(plan.vote.name for plan, _ in found.ensembles if plan.vote.learns)
    if learnt:
        said.append(
            f"Votes that learn ({listing(learnt)}) are fitted to the labels of the validation "
            "recordings, by which single recipes only choose their epoch: a gain over them can "
            "come from these labels."
        )
    configs = [one.trial.config for one in found.singles]
    if any(one.shots is not None or one.train_fraction is not None for one in configs):
        said.append("A seed draws the training recordings too: seeds also differ in their data.")
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
    said = [
        *map(sentence, decide(ask_claims(found))),
        *verdict([one for one in whole if one.measured is not None]),
    ]
    return [f"{place}{line}" for line in said]


def ask_claims(
    found: Results, claims: Sequence[Claim] | None = None, others: Sequence[Outcome] = ()
) -> list[Asked]:
    """Ask the claims about ensembles of a pool.

    Args:
        found: The trials and ensembles of the pool.
        claims: The claims; None: all about ensembles.
        others: Outcomes of further recipes with as many parameters.
    """
    if found.vote is None:
        return []
    whole = [*found.singles, *others, *found.of_kind("mixed", "seeds")]
    seeds = [plan for plan, _ in found.ensembles if plan.kind == "seeds"]
    of_vote = next((plan.label for plan in seeds if plan.vote.name == found.vote), None)
    singles = [str(one.trial.labels["recipe"]) for one in found.singles]
    asked = ask_votes(
        whole,
        vote=found.vote,
        singles=tuple(dict.fromkeys(singles)) if found.members else (),
        seeds=of_vote,
        claims=claims,
    )
    if not has_right_and_wrong(found.pool):
        return asked
    return asked + ask_learning(Differ(found.pool), claims)


def _trained(found: Sequence[Results]) -> list[Outcome]:
    return [one for each in found for one in (*each.singles, *each.members)]


def _plots(found: Sequence[Results]) -> list[Part]:
    """Return plots of all results, and those of single recipes that need their run folders."""
    trained = _trained(found)
    every = [*trained, *(one for each in found for _, one in each.ensembles)]
    return [*figures_of_results(every), *figures_of_runs(trained)]
