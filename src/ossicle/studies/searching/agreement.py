"""Whether searches with other seeds find the same architecture.

    equal layers    mean over pairs of searches of the fraction of layers with the same candidate
    Fleiss' kappa   this agreement beyond chance: 1 if all are equal, 0 as by chance, below 0 less

Chance is that of the candidates as often as the searches have chosen them together. Where all have
chosen one candidate everywhere, kappa is not defined.

Source: Fleiss 1971, "Measuring nominal scale agreement among many raters", Psychological Bulletin
76; layers are the subjects, searches the raters. Computed by statsmodels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from ossicle.reports.parts import Cell, Table
from ossicle.studies.searching.found import NOTHING, Found, by_strategy


@dataclass(frozen=True)
class Agreement:
    """The agreement of several architectures.

    Attributes:
        equal_layers: Mean fraction of equal layers of two of them.
        kappa: Fleiss' kappa; None if it is not defined.
        unanimous: Number of layers with the same candidate in all.
    """

    equal_layers: float
    kappa: float | None
    unanimous: int


def agreement(architectures: Sequence[Sequence[str]]) -> Agreement:
    """Return the agreement of two or more architectures: a candidate for each layer."""
    from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

    layers = list(zip(*architectures, strict=True))
    shares = [
        fmean(a == b for a, b in zip(one, other, strict=True))
        for one, other in combinations(architectures, 2)
    ]
    counts, names = aggregate_raters([list(layer) for layer in layers])
    return Agreement(
        equal_layers=fmean(shares),
        kappa=float(fleiss_kappa(counts)) if len(names) > 1 else None,
        unanimous=sum(len(set(layer)) == 1 for layer in layers),
    )


def agreement_table(found: Sequence[Found], number: int, place: str) -> Table | None:
    """Return the agreement of the seeds of each strategy; None if none has two with a choice.

    Args:
        found: The searches of a panel.
        number: Number of the panel in the report, from 1.
        place: Data and backbone, as the end of a heading.
    """
    chosen = [one for one in found if one.choice]
    num_layers = 1 + max((layer for one in chosen for layer in one.choice), default=-1)
    rows = [
        _row(name, [[one.in_layer(layer) for layer in range(num_layers)] for one in part])
        for name, part in by_strategy(chosen).items()
        if len(part) > 1
    ]
    if not rows:
        return None
    return Table(
        name=f"agreement-{number}",
        title=f"Whether repeated searches find the same architecture{place}",
        columns=[
            "strategy",
            "searches",
            "equal layers (%)",
            "Fleiss' kappa",
            "layers equal in all",
        ],
        rows=rows,
        notes=[
            "Equal layers: the fraction of layers with the same candidate, as the mean over pairs "
            "of searches. Fleiss' kappa is this agreement beyond chance: 1 if all architectures "
            "are equal, 0 as by chance; it is not defined where only one candidate was ever "
            "chosen. The search with the control uniform has the same candidate in all layers, so "
            "its searches agree everywhere or nowhere."
        ],
    )


def _row(name: str, architectures: Sequence[Sequence[str]]) -> list[Cell]:
    one = agreement(architectures)
    kappa = (
        Cell(text=NOTHING) if one.kappa is None else Cell(text=f"{one.kappa:.2f}", value=one.kappa)
    )
    return [
        Cell(text=name),
        Cell(text=str(len(architectures)), value=len(architectures)),
        Cell(text=f"{100 * one.equal_layers:.1f}", value=one.equal_layers),
        kappa,
        Cell(text=f"{one.unanimous} of {len(architectures[0])}", value=one.unanimous),
    ]
