"""What Lashkarashvili et al. 2024 claim about adaptation in two stages, judged on a pair.

That it helps the target is a claim on the target domain, and that frozen modules keep the source
one on the source domain. How claims are judged: `ossicle.studies.analysis.claim`.
"""

from typing import Final

from ossicle.studies.adaptation.models import SOURCE_ONLY, TARGET_ONLY, TWO_STAGE, Pair
from ossicle.studies.analysis.claim import Claim, judge
from ossicle.trials.outcome import Outcome

SOURCE: Final = "Lashkarashvili et al. 2024"
MARGIN: Final = 0.01
MODULES: Final = (("lora",), ("bottleneck",), ("lora", "bottleneck"))  # frozen there, LoRA and BA


def claims_on_pair(pair: Pair) -> list[str]:
    """Return a sentence for each claim that the models of a pair can test."""
    return [
        *judge(_on_target(pair), _finished(pair.on_target)),
        *judge(_on_source(pair), _finished(pair.on_source)),
    ]


def _finished(outcomes: list[Outcome]) -> list[Outcome]:
    return [one for one in outcomes if one.measured is not None]


def _on_target(pair: Pair) -> list[Claim]:
    text = f"On {pair.target}, training on {pair.source} first is better than"
    return [
        Claim(
            statement=f"{text} training on {pair.target} alone",
            source=SOURCE,
            first=(TWO_STAGE,),
            second=(TARGET_ONLY,),
        ),
        Claim(
            statement=f"{text} no training on {pair.target}",
            source=SOURCE,
            first=(TWO_STAGE,),
            second=(SOURCE_ONLY,),
        ),
    ]


def _on_source(pair: Pair) -> list[Claim]:
    found = []
    for modules in MODULES:
        what, name = " and ".join(modules), pair.frozen(modules)
        if name is None:
            continue
        found += [
            Claim(
                statement=f"On {pair.source}, the second stage is better with {what} frozen than "
                "with all modules trained",
                source=SOURCE,
                first=(name,),
                second=(TWO_STAGE,),
            ),
            Claim(
                statement=f"With {what} frozen in the second stage, at most one point is lost on "
                f"{pair.source}",
                source=SOURCE,
                first=(SOURCE_ONLY,),
                second=(name,),
                at_most=MARGIN,
            ),
        ]
    return found
