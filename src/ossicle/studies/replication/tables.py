"""The tables of verdicts and of comparisons, and what both leave open."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ossicle.reports.parts import Cell, Table
from ossicle.studies.analysis.judging import CANNOT, LEVEL, POWER, Verdict
from ossicle.studies.analysis.text import NOT_DECIDED, p_text
from ossicle.studies.published import published_difference
from ossicle.trials.outcome import Outcome

NOTHING: Final = Cell(text="–")
SMALL: Final = 20e6  # parameters, below which a backbone is unlike those of the publications


def word_of(verdict: Verdict, size: float | None) -> str:
    """Return the word of a verdict, with what it is about and what is shown, or the reason.

    Args:
        verdict: The verdict.
        size: Number of parameters of the backbone; None if unknown.
    """
    if verdict.reason is not None:
        return f"{verdict.word}: {verdict.reason}"
    small = verdict.word != NOT_DECIDED and size is not None and size < SMALL
    said = f"{verdict.word} on this small backbone" if small else verdict.word
    return f"{said}: {_contrary(verdict)}" if verdict.word == "does not hold" else said


def _contrary(verdict: Verdict) -> str:
    """Return what is shown where a claim does not hold."""
    match verdict.asked.claim.kind:
        case "better":
            return f"a gain of {_margin(verdict).text} is excluded"
        case "not better":
            return f"a gain of more than {_margin(verdict).text} is shown"
        case "equal":
            return f"a difference of more than {_margin(verdict).text} is shown"


def verdict_table(
    verdicts: Sequence[Verdict],
    beside: Sequence[Verdict],
    sizes: Mapping[str, float | None],
    *,
    cut: Mapping[str, str] | None = None,
    name: str = "verdicts",
    title: str = "Verdicts",
) -> Table:
    """Return the table that a report begins with.

    Args:
        verdicts: The verdicts; those that cannot be asked last.
        beside: Verdicts on the same claims with the settings of the publications.
        sizes: Number of parameters of the backbone by `Asked.where`; None or missing if unknown.
        cut: Recipes with fewer epochs than published, as `choosing.cut_epochs` returns them.
        name: Name of the table.
        title: Its heading.
    """
    other = {(one.asked.claim.name, one.asked.where): one for one in beside}
    columns: list[tuple[str, Callable[[Verdict], Cell]]] = [
        ("claim", lambda one: Cell(text=one.asked.claim.name)),
        ("in our words", lambda one: Cell(text=_statement(one))),
        ("verdict", lambda one: Cell(text=word_of(one, sizes.get(one.asked.where)))),
        ("difference (95 % interval)", _difference),
        ("of", lambda one: Cell(text=one.evidence.name) if one.evidence else NOTHING),
        ("seeds", lambda one: number(one.evidence and one.evidence.estimate.seeds)),
        ("recordings", lambda one: number(one.evidence and one.evidence.recordings)),
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
                lambda one: _beside(other.get((one.asked.claim.name, one.asked.where)), cut or {}),
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


def _beside(verdict: Verdict | None, cut: Mapping[str, str]) -> Cell:
    """Return a verdict with published settings, and how many of the published epochs it is of."""
    if verdict is None or verdict.evidence is None:
        return NOTHING
    epochs = dict.fromkeys(cut[one] for one in verdict.asked.claim.recipes if one in cut)
    of = f" with {' and '.join(epochs)} epochs" if epochs else ""
    return Cell(text=f"{verdict.word}{of}, {verdict.evidence.difference()}")


def _p(value: float) -> Cell:
    return Cell(text=p_text(value), value=value)


def number(value: object) -> Cell:
    """Return a whole number as a cell; a dash for anything else."""
    return Cell(text=f"{value:,}", value=value) if isinstance(value, int) else NOTHING


def _notes(verdicts: Sequence[Verdict]) -> list[str]:
    hypotheses = max((one.hypotheses for one in verdicts), default=0)
    return [
        "The difference is that of the comparison that decides, or of the one that is least in "
        "favour, and above 0 where the first of the two is better. Its interval covers other "
        "seeds, and other recordings or speakers where the score of each is known. The table of "
        "comparisons has all of them.",
        *([f"p is corrected by Holm's method for {hypotheses} hypotheses."] if hypotheses else []),
        f"Each claim and its contrary is a hypothesis. Holds: p of the claim is below {LEVEL:g}. "
        "Does not hold: p of the contrary is, which is a gain below the smallest difference that "
        "matters or, where a claim says that something brings nothing, one above it. An order is "
        "shown by each of its comparisons, and that something brings nothing by a test against "
        "the smallest difference that matters; a large p shows nothing.",
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
        found.append(
            "Intervals and p cover other recordings, not other speakers or sources of sound."
        )
    if any(one.asked.claim.over == "fraction" and one.evidence for one in verdicts):
        found.append("Fractions are of the training recordings that --train-fraction leaves.")
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


def size_of_backbone(outcomes: Sequence[Outcome]) -> float | None:
    """Return the number of parameters of the smallest model; None while nothing is finished.

    That is the backbone with a head, and with next to nothing beside it.
    """
    known = [one.measured.parameters.get("total") for one in outcomes if one.measured is not None]
    return min((one for one in known if one), default=None)
