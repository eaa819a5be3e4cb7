"""The report of the study of claims: the table of verdicts first."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ossicle.reports.parts import Part, Section
from ossicle.studies.analysis.asking import Asked
from ossicle.studies.analysis.judging import CANNOT, NO_RESULT, Verdict, decide
from ossicle.studies.analysis.notes import FEWEST_SEEDS
from ossicle.studies.analysis.table import summary_table
from ossicle.studies.analysis.text import NOT_DECIDED, count
from ossicle.studies.analysis.verdict import unfinished
from ossicle.studies.replication.choosing import CHOSEN, PUBLISHED, cut_epochs
from ossicle.studies.replication.settings import (
    ends_of_the_grid,
    grid_of,
    seconds_by_settings,
    settings_table,
)
from ossicle.studies.replication.tables import (
    SMALL,
    comparison_table,
    limits,
    size_of_backbone,
    verdict_table,
)
from ossicle.studies.replication.verdicts import Place, ask_place, places
from ossicle.trials.outcome import Outcome

if TYPE_CHECKING:
    from ossicle.studies.claims import Claims


def report_claims(study: "Claims", outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
    """Return the verdicts and the sections of the report.

    Args:
        study: The study.
        outcomes: The outcomes of all trials; some may be missing or failed.
    """
    every = places(outcomes)
    verdicts = decide([one for place in every for one in ask_place(study, place)])
    beside = decide(_compared([one for p in every for one in ask_place(study, p, PUBLISHED)]))
    sizes = {place.name: size_of_backbone(place.outcomes) for place in every}
    compared = comparison_table(verdicts)
    chosen = settings_table(outcomes)
    published = [one for one in beside if one.evidence is not None]
    cut = cut_epochs(outcomes)
    sections = [
        Section(
            title="Verdicts",
            parts=[verdict_table(verdicts, published, sizes, cut=cut)],
            opens=True,
        ),
        Section(title="Comparisons", parts=[] if compared is None else [compared]),
        Section(title="Settings", parts=[*_costs(outcomes), *([chosen] if chosen else [])]),
        Section(title="With the settings of the publications", parts=_beside(published, cut)),
        Section(title="Results", parts=_results(every)),
    ]
    said = [
        *_said(verdicts),
        *_small(sizes),
        *limits(verdicts),
        *ends_of_the_grid(outcomes),
        *unfinished(outcomes),
    ]
    return said, [one for one in sections if one.parts]


def _compared(asked: Sequence[Asked]) -> list[Asked]:
    return [one for one in asked if one.evidence]


def _said(verdicts: Sequence[Verdict]) -> list[str]:
    """Return how many claims have which verdict, and the names of those that are decided."""
    words = Counter[str](one.word for one in verdicts)
    names: dict[str, str] = {
        word: ", ".join(dict.fromkeys(o.asked.claim.name for o in verdicts if o.word == word))
        for word in words
    }
    parts = [
        f"{words[word]} {one if words[word] == 1 else several}"
        + (f" ({names[word]})" if word != CANNOT else "")
        for word, one, several in (
            ("holds", "holds", "hold"),
            ("does not hold", "does not hold", "do not hold"),
            (NOT_DECIDED, f"is {NOT_DECIDED}", f"are {NOT_DECIDED}"),
            (NO_RESULT, f"has {NO_RESULT} yet", f"have {NO_RESULT} yet"),
            (CANNOT, CANNOT, CANNOT),
        )
        if words[word]
    ]
    seeds = max((one.evidence.estimate.seeds for one in verdicts if one.evidence), default=0)
    claims = len({one.asked.claim.name for one in verdicts})
    of = count(claims, "claim")
    several = f"{len(verdicts)} verdicts on {of}" if len(verdicts) > claims else of
    said = [f"Of {several}: {'; '.join(parts)}."]
    if 0 < seeds < FEWEST_SEEDS:
        said.append(
            f"Nothing is decided with fewer than {FEWEST_SEEDS} seeds; {count(seeds, 'seed')} "
            f"{'is' if seeds == 1 else 'are'} finished."
        )
    return said


def _small(sizes: Mapping[str, float | None]) -> list[str]:
    """Return what small backbones mean for the verdicts."""
    small = {where: one for where, one in sizes.items() if one is not None and one < SMALL}
    different = dict.fromkeys(
        f"The backbone{f' ({where})' if where else ''} has about {size / 1e6:.1f} million "
        "parameters, those of the publications more than 80 million: the verdicts are about this "
        "backbone and these recordings. They neither confirm nor refute what the publications "
        "report of theirs."
        for where, size in small.items()
    )
    return list(different)


def _costs(outcomes: Sequence[Outcome]) -> list[Part]:
    """Return the grid, and what choosing and the rest cost."""
    spent = seconds_by_settings(outcomes)
    if not spent:
        return []
    rates, epochs = (", ".join(f"{one:g}" for one in each) for each in grid_of(outcomes).values())
    grid = (
        f"The grid is the same for all recipes: rates {rates}; {epochs} epochs. " if rates else ""
    )
    times = ", ".join(f"{seconds / 60:,.1f} min for {name}" for name, seconds in spent.items())
    return [
        f"{grid}Training and test took {times} ({sum(spent.values()) / 3600:,.2f} h in all, added "
        "up over workers). choice: trainings that choose; chosen: with what they chose; published: "
        "with the settings of the publications, next to them."
    ]


def _beside(published: Sequence[Verdict], cut: Mapping[str, str]) -> list[Part]:
    """Return the verdicts with the settings of the publications."""
    if not published:
        return []
    about = (
        "Optimiser, schedule, rates and weight decay are those of the publications as far as they "
        "state them, and epochs too, up to the most of the grid; corpora, batches and backbone "
        "are not. These verdicts are corrected among themselves."
    )
    recipes: dict[str, list[str]] = {}
    for recipe, epochs in cut.items():
        recipes.setdefault(epochs, []).append(recipe)
    if recipes:
        each = "; ".join(f"{epochs} for {', '.join(some)}" for epochs, some in recipes.items())
        about += (
            f" Epochs, of those published: {each}. A difference to a recipe that "
            "needs more of them can be one in speed of training."
        )
    table = verdict_table(
        published, [], {}, name="verdicts-published", title="Verdicts with published settings"
    )
    return [about, table]


def _results(every: Sequence[Place]) -> list[Part]:
    """Return the metrics of each recipe, of what varies together."""
    found: list[Part] = []
    for place in every:
        for name, outcomes in place.results(CHOSEN).items():
            where = ", ".join(filter(None, (place.name, name)))
            found.append(
                summary_table(
                    outcomes,
                    name=f"summary-{len(found) + 1}",
                    title=f"Results: {where}" if where else "Results",
                )
            )
    return found
