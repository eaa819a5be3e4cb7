"""Tiny backbones with a text decoder, and every method at the sites there that it fits."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from kinds import ALONE
from ossicle.adapters.check import attach
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.slots import build_slots
from ossicle.backbones import Backbone, random_backbone
from ossicle.backbones.families import WITH_DECODER
from ossicle.errors import RecipeMismatch
from ossicle.heads import build_head
from ossicle.heads.decoder import DecoderHead
from ossicle.recipes.recipe import Recipe
from ossicle.writing import Generating, Writing

MAX_TOKENS = 4


def _builder(name: str) -> Callable[..., Backbone]:
    family = WITH_DECODER[name]

    def build(*, weights: bool = True, **changed: Any) -> Backbone:
        settings = {**family.tiny(), "encoder_layers": 1, "decoder_layers": 2, **changed}
        return random_backbone(family, settings, "tiny", weights=weights)

    return build


WHOLE = {name: _builder(name) for name in WITH_DECODER}
DEEP = "prompt(length=3)@decoder + deep-prompt(length=3)@dec.layer[1:]"
_SETTINGS = [
    *(name for name in ALONE if name not in ("skip", "deep-prompt")),
    "bottleneck(width=3, position=before)",
    "bottleneck(width=3, insertion=parallel, position=before, reads=norm.attn)",
    "scale(shift=true)",
    "moa(routing=soft, slots=2)",
]


def placed(text: str, *at: str) -> Recipe:
    """Return a recipe of one placement at other sites."""
    (placement,) = Recipe.parse(text).placements
    return Recipe(replace(placement, at=at))


@cache
def on_meta(kind: str) -> Backbone:
    return WHOLE[kind](weights=False)


def decoder_sites(kind: str) -> list[str]:
    """Return the names of the sites of a decoder."""
    return list(dict.fromkeys(s.name for s in on_meta(kind).anatomy.sites if s.in_decoder))


@cache
def fits(kind: str, text: str, site: str) -> bool:
    """Return whether a method fits a site of a decoder; other errors are failures."""
    try:
        build_slots(on_meta(kind), placed(text, site), "meta")
    except RecipeMismatch:
        return False
    return ("reads" not in text and text != "adapterbias") or site in ("dec.ffn", "dec.layer")


def each() -> list[tuple[str, str]]:
    """Return every kind with every method at every site that it fits."""
    return [
        (kind, str(placed(text, site)))
        for kind in WHOLE
        for text in _SETTINGS
        for site in decoder_sites(kind)
        if fits(kind, text, site)
    ]


def together() -> list[tuple[str, str]]:
    """Return every kind with every method at all sites that it fits, in one recipe."""
    found = []
    for kind in WHOLE:
        at: dict[str, list[str]] = defaultdict(list)
        for text in _SETTINGS:
            at[text] += [site for site in decoder_sites(kind) if fits(kind, text, site)]
        found += [(kind, str(placed(text, *sites))) for text, sites in at.items() if sites]
        found.append((kind, DEEP))
    return found


def everything() -> list[tuple[str, str]]:
    """Return every kind with all methods at all sites that they fit, in one recipe."""
    texts = [(kind, text) for kind, text in together() if "full" not in text and text != DEEP]
    # last: the others keep the number of tokens and keys
    texts.sort(key=lambda pair: pair[1].startswith(("prefix", "prompt")))
    return [(kind, " + ".join(text for of, text in texts if of == kind)) for kind in WHOLE]


def attached(backbone: Backbone, recipe: Recipe, beams: int = 1) -> AdaptedModel:
    """Return the backbone with a recipe and its decoder as the head, which writes few tokens."""
    head = build_head("decoder", recipe.seen_by_head(backbone.anatomy), 0)
    assert isinstance(head, DecoderHead)
    head.writing = Writing(generating=Generating(beams=beams, max_tokens=MAX_TOKENS))
    return attach(backbone, recipe, head).eval()
