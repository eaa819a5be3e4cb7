"""The tables of a study of claims: verdicts, comparisons, and the settings that were chosen."""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Final

from ossicle.metrics.metric import Metric
from ossicle.reports.parts import Cell, Table
from ossicle.studies.analysis.cell import describe
from ossicle.studies.analysis.judging import CANNOT, LEVEL, POWER, Verdict
from ossicle.studies.analysis.text import NOT_DECIDED, count, p_text
from ossicle.studies.published import published_difference
from ossicle.studies.replication.choosing import (
    CHOICE,
    SETTINGS,
    Key,
    choices,
    key_of,
    validation,
)
from ossicle.tasks import TASKS
from ossicle.trials.outcome import Outcome

NOTHING: Final = Cell(text="–")
SMALL: Final = 20e6  # parameters, below which a backbone is unlike those of the publications
APART: Final = ("seed", "settings", "lr", "epochs", "study")


def word_of(verdict: Verdict, parameters: float | None) -> str:
    """Return the word of a verdict, with the reason if there is one, and what it is about.

    Args:
        verdict: The verdict.
        parameters: Number of parameters of the backbone and what is on it; None if unknown.
    """
    if verdict.reason is not None:
        return f"{verdict.word}: {verdict.reason}"
    if verdict.word == NOT_DECIDED or parameters is None or parameters >= SMALL:
        return verdict.word
    return f"{verdict.word} on this small backbone"


def verdict_table(
    verdicts: Sequence[Verdict],
    beside: Sequence[Verdict],
    parameters: float | None,
    *,
    name: str = "verdicts",
    title: str = "Verdicts",
) -> Table:
    """Return the table that a report begins with.

    Args:
        verdicts: The verdicts; those that cannot be asked last.
        beside: Verdicts on the same claims with the settings of the publications.
        parameters: Number of parameters of the backbone; None if unknown.
        name: Name of the table.
        title: Its heading.
    """
    other = {(one.asked.claim.name, one.asked.where): one for one in beside}
    columns: list[tuple[str, Callable[[Verdict], Cell]]] = [
        ("claim", lambda one: Cell(text=one.asked.claim.name)),
        ("in our words", lambda one: Cell(text=_statement(one))),
        ("verdict", lambda one: Cell(text=word_of(one, parameters))),
        ("difference (95 % interval)", _difference),
        ("of", lambda one: Cell(text=one.evidence.name) if one.evidence else NOTHING),
        ("seeds", lambda one: _number(one.evidence and one.evidence.estimate.seeds)),
        ("recordings", lambda one: _number(one.evidence and one.evidence.recordings)),
        ("corrected p", lambda one: NOTHING if one.p is None else _p(one.p)),
        ("published difference", _published),
        ("matters from", _margin),
        ("could have been found", _detectable),
    ]
    if any(one.asked.where for one in verdicts):
        columns.insert(1, ("where", lambda one: Cell(text=one.asked.where)))
    if beside:
        columns.append(
            (
                "with published settings",
                lambda one: _beside(other.get((one.asked.claim.name, one.asked.where))),
            )
        )
    ordered = sorted(verdicts, key=lambda one: one.word == CANNOT)
    return Table(
        name=name,
        title=title,
        columns=[heading for heading, _ in columns],
        rows=[[show(one) for _, show in columns] for one in ordered],
        notes=_notes(verdicts),
    )


def comparison_table(verdicts: Sequence[Verdict]) -> Table | None:
    """Return every comparison of every claim; None if nothing was compared."""
    rows = [
        [
            Cell(text=one.asked.claim.name),
            Cell(text=each.name),
            Cell(text=each.difference(), value=each.estimate.value),
            Cell(text=each.metric.label),
            Cell(text=each.basis),
            _p(each.estimate.p_above(0.0)),
            _p(each.estimate.p_below(one.asked.claim.margin)),
            _p(each.estimate.p_within(one.asked.claim.margin)),
        ]
        for one in verdicts
        for each in one.asked.evidence
    ]
    if not rows:
        return None
    return Table(
        name="comparisons",
        title="Every comparison",
        columns=[
            *("claim", "comparison", "difference (95 % interval)", "in", "over"),
            *("p above 0", "p below the margin", "p within the margin"),
        ],
        rows=rows,
        notes=["These p are one-sided and not corrected: those of the verdicts are."],
    )


def settings_table(outcomes: Sequence[Outcome]) -> Table | None:
    """Return what was chosen for each recipe, and what choosing cost; None without choices."""
    tried: dict[Key, list[Outcome]] = {}
    for one in outcomes:
        if one.trial.labels.get("settings") == "choice":
            tried.setdefault(key_of(one.trial), []).append(one)
    best = choices(outcomes)
    rows = [_chosen_row(some, best.get(key)) for key, some in tried.items()]
    if not rows:
        return None
    return Table(
        name="settings",
        title="Settings chosen on validation",
        columns=[
            *("recipe", "rate", "epochs", "best on validation", "worst", "tried", "failed"),
            "seconds",
        ],
        rows=rows,
        notes=[
            "Each recipe is trained at each rate and number of epochs with the first seed, and the "
            "best by the primary metric on the validation recordings is used with all seeds. "
            "Where the best rate is the lowest or the highest, a wider grid could be better. Ties "
            "go to the lower rate and fewer epochs. Seconds are those of all these trainings."
        ],
    )


def grid_of(outcomes: Sequence[Outcome]) -> dict[str, list[float]]:
    """Return the rates (`lr`) and the numbers of epochs (`epochs`) that trials choose from."""
    tried = [one.trial.labels for one in outcomes if one.trial.labels.get(SETTINGS) == CHOICE]
    return {name: sorted({float(one[name]) for one in tried}) for name in ("lr", "epochs")}


def ends_of_the_grid(outcomes: Sequence[Outcome]) -> list[str]:
    """Return how many choices are at an end of the grid, where a wider one may be better."""
    best, grid = choices(outcomes).values(), grid_of(outcomes)
    found: list[str] = []
    for name, pick, end in (
        ("lr", max, "the highest rate"),
        ("lr", min, "the lowest rate"),
        ("epochs", max, "the most epochs"),
    ):
        values = grid[name]
        number = sum(one[name] == pick(values) for one in best) if len(values) > 1 else 0
        of = "" if found else f" of {count(len(best), 'choice')}"
        found += [f"{number}{of} at {end}"] * (number > 0)
    if not found:
        return []
    return [f"At an end of the grid, where a wider one may be better: {', '.join(found)}."]


def _chosen_row(some: Sequence[Outcome], best: object) -> list[Cell]:
    labels = {k: v for k, v in some[0].trial.labels.items() if k not in APART}
    scored = [score for one in some if (score := validation(one.measured)) is not None]
    metric = _metric_of(some)
    seconds = sum(one.measured.train_seconds for one in some if one.measured is not None)
    lr = best.get("lr") if isinstance(best, dict) else None
    epochs = best.get("epochs") if isinstance(best, dict) else None
    shown = [
        NOTHING if not scored or metric is None else Cell(text=metric.text(abs(pick(scored))))
        for pick in (max, min)
    ]
    return [
        Cell(text=describe(labels)),
        NOTHING if lr is None else Cell(text=f"{lr:g}", value=lr),
        _number(epochs),
        *shown,
        _number(len(some)),
        _number(sum(one.state == "failed" for one in some)),
        Cell(text=f"{seconds:,.0f}", value=seconds),
    ]


def _metric_of(some: Sequence[Outcome]) -> Metric | None:
    task = next((TASKS[one.measured.task] for one in some if one.measured is not None), None)
    return None if task is None else task.reported[task.primary_metric]


def seconds_by_settings(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the seconds of the finished trials by where their settings are from, each once."""
    found: dict[str, dict[str, float]] = {}
    for one in outcomes:
        if one.measured is not None:
            name = str(one.trial.labels.get("settings"))
            spent = one.measured.train_seconds + (one.measured.test_seconds or 0.0)
            found.setdefault(name, {})[one.name] = spent
    return {name: sum(spent.values()) for name, spent in found.items()}


def _statement(verdict: Verdict) -> str:
    claim = verdict.asked.claim
    asserted = "left open by " if claim.is_open else ""
    return f"{claim.statement} ({asserted}{claim.source})"


def _difference(verdict: Verdict) -> Cell:
    one = verdict.evidence
    if one is None:
        return NOTHING
    return Cell(text=f"{one.difference()} {one.metric.label}", value=one.estimate.value)


def _published(verdict: Verdict) -> Cell:
    """Return the difference that a publication reports between the two that are shown."""
    claim = verdict.asked.claim
    if claim.published:
        return Cell(text=claim.published)
    recipes = _shown_pair(verdict)
    if recipes is None or claim.growth:
        return NOTHING
    shots = verdict.evidence.terms[0][1][1] if verdict.evidence and claim.over == "shots" else None
    found = published_difference(*recipes, shots)
    if found is None:
        return NOTHING
    return Cell(text=f"{100 * found[0]:+.1f}, mean of {found[1]} corpora", value=found[0])


def _shown_pair(verdict: Verdict) -> tuple[str, str] | None:
    if verdict.evidence is not None and verdict.evidence.terms:
        (_, (first, _)), (_, (second, _)) = verdict.evidence.terms[:2]
        return first, second
    return verdict.asked.claim.pairs[0] if len(verdict.asked.claim.pairs) == 1 else None


def _margin(verdict: Verdict) -> Cell:
    if verdict.evidence is None:
        return NOTHING
    margin = verdict.asked.claim.margin
    return Cell(text=verdict.evidence.metric.difference(margin)[1:], value=margin)


def _detectable(verdict: Verdict) -> Cell:
    if verdict.detectable is None or verdict.evidence is None:
        return NOTHING
    text = verdict.evidence.metric.difference(verdict.detectable)[1:]
    return Cell(text=text, value=verdict.detectable)


def _beside(verdict: Verdict | None) -> Cell:
    if verdict is None or verdict.evidence is None:
        return NOTHING
    return Cell(text=f"{verdict.word}, {verdict.evidence.difference()}")


def _p(value: float) -> Cell:
    return Cell(text=p_text(value), value=value)


def _number(value: object) -> Cell:
    return Cell(text=f"{value:,}", value=value) if isinstance(value, int) else NOTHING


def _notes(verdicts: Sequence[Verdict]) -> list[str]:
    hypotheses = max((one.hypotheses for one in verdicts), default=0)
    return [
        "The difference is that of the comparison that decides, or of the one that is least in "
        "favour; its interval covers other seeds, and other recordings or speakers where the score "
        "of each is known. All comparisons are below.",
        *([f"p is corrected by Holm's method for {hypotheses} hypotheses."] if hypotheses else []),
        f"Each claim and its contrary is a hypothesis. Holds: p of the claim is below {LEVEL:g}. "
        "Does not hold: p of the contrary is. An order is shown by each of its comparisons, and "
        "that something brings nothing by a test against the smallest difference that matters; a "
        "large p shows nothing.",
        "Could have been found: the smallest true difference that this size shows with a "
        f"probability of {POWER:.0%} at the corrected level; of claims that something brings "
        "nothing, the smallest margin. Above the column before it, not decided says little about "
        "the claim.",
    ]


def limits(verdicts: Sequence[Verdict]) -> list[str]:
    """Return what the errors do not cover, and which p is too small."""
    evidence = [one.evidence for one in verdicts if one.evidence is not None]
    found = []
    if any(one.unit == "recording" for one in evidence):
        found.append("Recordings are drawn, not speakers: the verdicts are about these speakers.")
    for unit, drawn in (("", "seeds alone"), ("fold", "seeds and folds")):
        labels = dict.fromkeys(one.metric.label for one in evidence if one.unit == unit)
        if labels:
            found.append(
                f"{' and '.join(labels)} {'is' if len(labels) == 1 else 'are'} not defined for a "
                f"single recording, so that errors cover {drawn}: the verdicts are about these "
                "test recordings."
            )
    if any(one.asked.claim.name == "A2b" and one.evidence for one in verdicts):
        found.append(
            "Repeats of an ensemble of seeds share members, so that the p of A2b is too small."
        )
    return found


def mean_parameters(outcomes: Sequence[Outcome]) -> float | None:
    """Return the mean number of parameters of whole models; None while nothing is finished."""
    known = [one.measured.parameters.get("total") for one in outcomes if one.measured is not None]
    totals = [one for one in known if one]
    return fmean(totals) if totals else None
