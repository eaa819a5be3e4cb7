"""What Lashkarashvili et al. 2024 claim about adaptation in two stages, asked of a pair.

That it helps the target is a claim on the target domain, and that frozen modules keep the source
one on the source domain.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ossicle.studies.adaptation.models import Pair
from ossicle.studies.analysis.asking import Asked, ask_all
from ossicle.studies.analysis.claim import Claim
from ossicle.studies.analysis.listed import claims_about
from ossicle.trials.outcome import Outcome

MODULES: Final = (("lora",), ("bottleneck",), ("lora", "bottleneck"))  # frozen there, LoRA and BA
ON: Final = {"target": " on the target", "source": " on the source"}


def ask_pair(pair: Pair, claims: Sequence[Claim] | None = None) -> list[Asked]:
    """Ask each claim that the models of a pair can test.

    Args:
        pair: The pair.
        claims: The claims; None: all about domains.
    """
    every = claims_about("domains") if claims is None else claims
    filled = [one for claim in every for one in _filled(claim, pair)]
    return [
        *ask_all([one for one in filled if _is_on(one, "target")], named_on(pair, "target")),
        *ask_all([one for one in filled if _is_on(one, "source")], named_on(pair, "source")),
    ]


def _filled(claim: Claim, pair: Pair) -> list[Claim]:
    """Return a claim about frozen modules for each set of them that the pair has."""
    if "{frozen}" not in " ".join(claim.recipes):
        return [claim]
    names = {" and ".join(modules): pair.frozen(modules) for modules in MODULES}
    return [
        claim.filled(modules=[modules], frozen=[name])
        for modules, name in names.items()
        if name is not None
    ]


def _is_on(claim: Claim, domain: str) -> bool:
    return claim.recipes[0].endswith(ON[domain])


def named_on(pair: Pair, domain: str) -> list[Outcome]:
    """Return the finished outcomes on a domain, labelled as the claims name them."""
    outcomes = pair.on_target if domain == "target" else pair.on_source
    return [
        replace(one, trial=replace(one.trial, labels=labels))
        for one in outcomes
        if one.measured is not None
        for labels in [{**one.trial.labels, "recipe": f"{one.trial.labels['recipe']}{ON[domain]}"}]
    ]
