"""Claims of publications that a study of their recipes can test."""

from collections.abc import Mapping, Sequence
from typing import Final

from ossicle.studies.analysis.claim import Claim, judge
from ossicle.trials.outcome import Outcome


def _ast(*names: str) -> tuple[str, ...]:
    return tuple(f"ast/{name}" for name in names)


_D: Final = "Cappellazzo et al. 2023"
_POINT: Final = 0.01

CLAIMS: Final[tuple[Claim, ...]] = (
    Claim(
        statement="Houlsby adapters and LoRA lead prompts, prefixes, BitFit and a linear probe",
        source=f"{_D}, table I",
        first=_ast("hou-par", "hou-seq", "lora-qv"),
        second=_ast("spt-300", "dpt-25", "prefix-24", "bitfit", "linear"),
    ),
    Claim(
        statement="Adapters in parallel are better than the same in sequence",
        source=f"{_D}, table I",
        first=_ast("pf-par", "hou-par", "convpass-pf-par", "convpass-hou-par"),
        second=_ast("pf-seq", "hou-seq", "convpass-pf-seq", "convpass-hou-seq"),
        zipped=True,
    ),
    Claim(
        statement="Convpass is no better than a bottleneck, to within one point",
        source=f"{_D}, table I",
        first=_ast("convpass-pf-par", "convpass-pf-seq", "convpass-hou-par", "convpass-hou-seq"),
        second=_ast("pf-par", "pf-seq", "hou-par", "hou-seq"),
        at_most=_POINT,
    ),
    Claim(
        statement="Of six placements of an adapter, parallel to attention and before it is best",
        source=f"{_D}, table III",
        first=_ast("mhsa-par-before"),
        second=_ast(
            "ffn-after", "ffn-seq-before", "ffn-par-before", "mhsa-after", "mhsa-seq-before"
        ),
    ),
    Claim(
        statement="Sequential adapters before a block are worse than all other placements",
        source=f"{_D}, table III",
        first=_ast("ffn-after", "ffn-par-before", "mhsa-after", "mhsa-par-before"),
        second=_ast("ffn-seq-before", "mhsa-seq-before"),
    ),
    Claim(
        statement="LoRA at q,k,v,o and at q,v is better than at q and at q,k",
        source=f"{_D}, table IV",
        first=_ast("lora-qkvo", "lora-qv"),
        second=_ast("lora-q", "lora-qk"),
    ),
    Claim(
        statement="LoRA at q,k,v,o is better than at q,v",
        source=f"{_D}, table IV",
        first=_ast("lora-qkvo"),
        second=_ast("lora-qv"),
    ),
    Claim(
        statement="Combining adapters, LoRA and prompts brings nothing over LoRA alone, to within "
        "one point",
        source=f"{_D}, table VI",
        first=_ast("adapter+lora", "adapter+dpt-25", "adapter+dpt-14+lora"),
        second=_ast("lora-x2"),
        at_most=_POINT,
    ),
    Claim(
        statement="Sequential adapters need their residual, and parallel ones must not have it",
        source=f"{_D}, table VII",
        first=_ast("ffn-after", "ffn-par-before"),
        second=_ast("seq-no-residual", "par-residual"),
        zipped=True,
    ),
    Claim(
        statement="Full fine-tuning is no better than E-, L- and P-adapters, to within one point",
        source="Inoue et al. 2024",
        first=("elp/full",),
        second=("elp/elp",),
        at_most=_POINT,
    ),
    Claim(
        statement="In transcription, E-adapters matter more than L-adapters",
        source="Inoue et al. 2024",
        task="asr",
        first=("elp/ep",),
        second=("elp/lp",),
    ),
    Claim(
        statement="In speaker verification, L-adapters matter more than E-adapters",
        source="Inoue et al. 2024",
        task="verification",
        first=("elp/lp",),
        second=("elp/ep",),
    ),
    Claim(
        statement="In emotion and other classification, L-adapters matter more than E-adapters",
        source="Inoue et al. 2024",
        task="classification",
        first=("elp/lp",),
        second=("elp/ep",),
    ),
    Claim(
        statement="In categorical emotion, leaving the weighted sum or the gate out of the "
        "combination of all four is worse",
        source="Lashkarashvili et al. 2024",
        task="classification",
        first=("ser/lora+ba+ws+wg",),
        second=("ser/lora+ba+wg", "ser/lora+ba+ws"),
    ),
    Claim(
        statement="In dimensional emotion, adding a weighted sum or a gate to LoRA and a "
        "bottleneck brings nothing, to within 0.01",
        source="Lashkarashvili et al. 2024",
        task="regression",
        first=("ser/lora+ba+ws", "ser/lora+ba+wg", "ser/lora+ba+ws+wg"),
        second=("ser/lora+ba",),
        at_most=_POINT,
    ),
)
_FEW: Final = "With few labelled recordings of each class, adapters lead LoRA"
_MANY: Final = "With more parameters, LoRA leads adapters"
_BY_SHOTS: Final = (
    Claim(
        statement=_FEW,
        source=f"{_D}, table II",
        first=_ast("pf-par"),
        second=_ast("lora-qv"),
    ),
    Claim(statement=_FEW, source=f"{_D}, table II", first=("bottleneck",), second=("lora",)),
)
_BY_BUDGET: Final = (
    Claim(
        statement=_MANY,
        source=f"{_D}, scaling",
        first=_ast("lora-qv"),
        second=_ast("pf-par"),
    ),
    Claim(statement=_MANY, source=f"{_D}, scaling", first=("lora",), second=("bottleneck",)),
)
_BY_FRACTION: Final = (
    Claim(
        statement="Full fine-tuning is no better than adapters, to within one point",
        source="Inoue et al. 2024, who leave open whether it is with more data",
        first=("full",),
        second=("lora", "houlsby"),
        at_most=_POINT,
    ),
)


SPECIAL: Final[Mapping[str, tuple[Claim, ...]]] = {
    "shots": _BY_SHOTS,
    "budget": _BY_BUDGET,
    "fraction": _BY_FRACTION,
}


def claims_on(outcomes: Sequence[Outcome]) -> list[str]:
    """Return a sentence for each claim that the recipes of a study can test.

    Claims about few recordings, fractions of them and budgets are tested where the outcomes have
    such a label, and the others where they have none.
    """
    labels = {name for one in outcomes for name in one.trial.labels}
    chosen = [claims for name, claims in SPECIAL.items() if name in labels]
    return judge(chosen[0] if chosen else CLAIMS, outcomes)
