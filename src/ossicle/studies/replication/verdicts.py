"""Every claim of a study of claims, asked of what is finished on one corpus and backbone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from ossicle.studies.adaptation.claims import ON, ask_pair, named_on
from ossicle.studies.adaptation.models import Pair
from ossicle.studies.adaptation.models import pools as domain_pools
from ossicle.studies.analysis.asking import Asked, ask, ask_all
from ossicle.studies.analysis.cell import Cell, cells, describe
from ossicle.studies.analysis.claim import CellKey, Claim, labelled
from ossicle.studies.analysis.listed import chosen_claims
from ossicle.studies.ensembles.pool import pools
from ossicle.studies.ensembles.report import Results, ask_claims, relabelled, results_of
from ossicle.studies.replication.choosing import CHOICE, CHOSEN, SETTINGS, STUDY, size_of
from ossicle.studies.replication.own_studies import HYBRID
from ossicle.studies.replication.plan import PLAIN, values_of
from ossicle.studies.replication.refusals import refusal
from ossicle.studies.searching.found import found_in
from ossicle.studies.searching.report import claims as claims_on_searches
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Label

if TYPE_CHECKING:
    from ossicle.studies.claims import Claims

OVER: Final = ("shots", "budget", "fraction")
PLACE: Final = ("data", "backbone")
WORDS: Final = {  # for claims that were not asked, whose sentences have words in braces
    "strategy": ["darts"],
    "vote": ["majority"],
    "single": ["every single method"],
    "seeds": ["seeds of the best method"],
    "modules": ["LoRA, bottleneck or both"],
    "frozen": ["two-stage, frozen"],
}


@dataclass(frozen=True)
class Place:
    """The outcomes on one corpus with one backbone.

    Attributes:
        name: Corpus and backbone as text, if there are several.
        outcomes: The outcomes.
    """

    name: str
    outcomes: Sequence[Outcome]

    @property
    def task(self) -> str | None:
        """Name of the task; None while nothing is finished."""
        plain = (one for one in self.outcomes if one.trial.labels.get(STUDY) != "domains")
        return next((one.measured.task for one in plain if one.measured is not None), None)

    @property
    def domains_alone(self) -> bool:
        """Whether the outcomes are those of two domains, next to which there are other corpora."""
        return all(one.trial.labels.get(STUDY) == "domains" for one in self.outcomes)

    @cached_property
    def ensembles(self) -> tuple[Results, ...]:
        """The members and votes of each pool, of which several claims are asked."""
        members = [one for one in self.own("ensemble") if one.trial.labels["recipe"] != HYBRID]
        return tuple(results_of(pool) for pool in pools(members))

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """The models of two domains, in each order in which these were learnt."""
        every = domain_pools(self.own("domains"))
        both = [one for one in every if one.finished and len(one.domains) == 2]
        return tuple(Pair(pool, *order) for pool in both for order in pool.orders)

    def own(self, study: str) -> list[Outcome]:
        """Return the outcomes of a study of its own as that study labels them."""
        return [
            _bare(one)
            for one in self.outcomes
            if one.trial.labels.get(STUDY) == study and one.trial.labels[SETTINGS] != CHOICE
        ]

    def results(self, settings: str) -> dict[str, list[Outcome]]:
        """Return the outcomes that one table shows, by what they have in common; not of ensembles.

        Args:
            settings: Where rates and epochs are from. Searches and domains have chosen ones.
        """
        plain = self.of(None, settings)
        found: dict[str, list[Outcome]] = {name: [] for name in ("", *OVER)}
        for one in plain:
            varied = next((name for name in OVER if name in one.trial.labels), "")
            found[varied].append(_bare(one))
        found = {name and f"by {name}": some for name, some in found.items()}
        if settings == CHOSEN:
            found["searches"] = self.own("search")
            for pair in self.pairs:
                found |= {f"{pair.name}, on the {where}": named_on(pair, where) for where in ON}
        return {
            name: some
            for name, some in found.items()
            if any(one.measured is not None for one in some)
        }

    def answers(self, claim: Claim, study: "Claims") -> bool:
        """Return whether a claim is asked here: one about domains where these were trained."""
        if claim.study != "domains" or not study.pair:
            return not self.domains_alone
        return any(one.trial.labels.get(STUDY) == "domains" for one in self.outcomes)

    def of(self, study: str | None, *settings: str) -> list[Outcome]:
        """Return the outcomes of a study of its own, or of none, with some settings."""
        return [
            one
            for one in self.outcomes
            if one.trial.labels.get(STUDY) == study and one.trial.labels.get(SETTINGS) in settings
        ]


def places(outcomes: Sequence[Outcome]) -> list[Place]:
    """Return the outcomes of each corpus and backbone, in the order in which they first occur."""
    found: dict[str, list[Outcome]] = {}
    for one in outcomes:
        labels = {name: one.trial.labels[name] for name in PLACE if name in one.trial.labels}
        found.setdefault(describe(labels), []).append(one)
    return [Place(name, some) for name, some in found.items()]


def ask_place(study: "Claims", place: Place, settings: str = CHOSEN) -> list[Asked]:
    """Ask every claim of a study of the outcomes on one corpus and backbone.

    Args:
        study: The study.
        place: The outcomes.
        settings: Where rates and epochs are from.

    Returns:
        Each claim at least once; with a fault where it has no results or cannot be asked.
    """
    size = size_of(study)
    by_key = _cells(place, settings)
    asked = []
    for claim in (values_of(one, size) for one in chosen_claims(study.only)):
        if not place.answers(claim, study) or (settings != CHOSEN and claim.study not in PLAIN):
            continue
        why = refusal(claim, place.task, has_domains=bool(study.pair))
        if why is not None:
            asked.append(Asked(worded(claim), place.name, fault=why, refused=True))
        elif claim.study in PLAIN:
            found = ask(claim, by_key.get(claim.over, {}), place.name)
            asked.append(found if found.evidence else _explained(found, place))
        else:
            asked += _special(claim, place) or [_explained(Asked(worded(claim)), place)]
    return [replace(one, where=place.name) for one in asked]


def _cells(place: Place, settings: str) -> dict[str, dict[CellKey, Cell]]:
    """Return the cells by the label that they vary over, and by their key."""
    found: dict[str, dict[CellKey, Cell]] = {}
    for cell in cells(place.of(None, settings)):
        over = next((name for name in OVER if name in cell.labels), "")
        found.setdefault(over, {})[labelled(cell.labels, over)] = cell
    return found


def _special(claim: Claim, place: Place) -> list[Asked]:
    """Ask a claim that another study analyses; nothing if its results are missing."""
    own = place.own(claim.study)
    if all(one.measured is None for one in own):
        return []
    if claim.study == "ensemble":
        hybrid = [relabelled(one) for one in own if one.trial.labels["recipe"] == HYBRID]
        return [one for each in place.ensembles for one in ask_claims(each, [claim], hybrid)]
    if claim.study == "search":
        named = [one for one in claims_on_searches(found_in(own)) if one.name == claim.name]
        return ask_all(named, own)
    return [one for pair in place.pairs for one in ask_pair(pair, [claim])]


def _bare(outcome: Outcome) -> Outcome:
    """Return an outcome with the labels that its own study gives it."""
    apart = (STUDY, SETTINGS, *PLACE)
    labels = {name: value for name, value in outcome.trial.labels.items() if name not in apart}
    return replace(outcome, trial=replace(outcome.trial, labels=labels))


def _explained(asked: Asked, place: Place) -> Asked:
    """Return a claim without results, with the reason why they are missing."""
    claim = asked.claim
    recipes = {*claim.recipes}
    failed = [
        one
        for one in place.outcomes
        if one.state in ("failed", "refused") and _bears_on(claim, recipes, one.trial.labels)
    ]
    if not failed:
        return replace(asked, fault=asked.fault or "its trials are not finished", missing=True)
    unfit = [one for one in failed if one.state == "refused"]
    one, words = (unfit[0], "") if unfit else (failed[0], "a trial failed: ")
    fault = f"{words}{one.trial.labels['recipe']}: {one.reason}"
    return replace(asked, fault=fault, refused=bool(unfit), missing=not unfit)


def _bears_on(claim: Claim, recipes: set[str], labels: Mapping[str, Label]) -> bool:
    if claim.study not in PLAIN:
        return labels.get(STUDY) == claim.study or (
            claim.study == "ensemble" and labels.get(SETTINGS) == CHOICE and "budget" in labels
        )
    own = next((name for name in OVER if name in labels), "")
    return labels.get("recipe") in recipes and own == claim.over and STUDY not in labels


def worded(claim: Claim) -> Claim:
    """Return a claim without words in braces."""
    text = " ".join([claim.statement, *claim.recipes])
    return claim.filled(**{name: one for name, one in WORDS.items() if f"{{{name}}}" in text})
