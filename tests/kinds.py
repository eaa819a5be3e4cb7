"""Every family as a tiny backbone, post- and pre-norm if it has both; every method."""

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from transformers import AutoConfig

from ossicle.adapters.check import attach
from ossicle.adapters.count import count
from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import FAMILIES, Backbone, random_backbone
from ossicle.errors import RecipeMismatch, SiteNotFound
from ossicle.heads import build_head
from ossicle.methods import METHODS
from ossicle.recipes.recipe import Recipe

Pair = tuple[str, str]  # kind, recipe
PRE_NORM = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    kind: (name, changed)
    for name, family in FAMILIES.items()
    for kind, changed in ((name, {}), (f"{name}-pre-norm", PRE_NORM))
    if not changed or hasattr(AutoConfig.for_model(family.model_type), "do_stable_layer_norm")
}
# length is an option of the name; smaller patches fit into the waves of the tests
KINDS["ast-own-length"] = ("ast", {"length": "own", "patch_size": 8})
KINDS["whisper-own-length"] = ("whisper", {"length": "own"})


def tiny_backbone(
    kind: str,
    *,
    seed: int = 0,
    weights: bool = True,
    stochastic: bool = False,
    **changed: Any,
) -> Backbone:
    """Return a random backbone of a kind, with changed settings."""
    name, form = KINDS[kind]
    configured = {**FAMILIES[name].tiny(), **form, **changed}
    length = configured.pop("length", None)
    how = {"seed": seed, "weights": weights, "stochastic": stochastic, "length": length}
    return random_backbone(FAMILIES[name], configured, "tiny", **how)


def saved_name(kind: str, folder: object) -> str:
    """Return the name that loads a saved backbone of a kind."""
    length = KINDS[kind][1].get("length")
    return f"{folder}?length={length}" if length else str(folder)


ALONE = {name: method.example or name for name, method in METHODS.items()}
SETTINGS = [
    *ALONE.values(),  # every method at the sites of its choice
    *(
        f"bottleneck(width=5, insertion={insertion}, position={position}, residual={residual})"
        "@attn,ffn"
        for insertion in ("sequential", "parallel")
        for position in ("before", "after")
        for residual in ("true", "false")
    ),
    "lora(reduction=8, alpha=8, scale=alpha/reduction)",
    "lora(rank=2, scale=0.5, init=normal)@attn.q,attn.k,attn.v,attn.o,ffn.in,ffn.out",
    "scale(shift=true)@attn.q,norm.ffn,ffn",
    "convpass(kernel=5, insertion=parallel, position=before)@attn",
    "moa(routing=soft, slots=2, normalise=width)@ffn",
    "weighted-sum(normalise=true, gated=true)",
    "p-adapter(where=suffix, nonlinear=true)",
    "p-adapter(where=suffix)@encoder",
    "prompt(keep=true)",
    "prompt(length=2, init=xavier)@layer",
    "bottleneck(insertion=parallel, position=before, reads=layer)",
    "bottleneck(insertion=parallel, position=before, reads=ffn.out)",  # input wider than its output
    "bottleneck(width=5)@ffn1 + lora@ffn1.in + norm@norm.conv,norm.layer + bottleneck@conv",
    "convpass(grid=true)",
    "prompt(length=3, drop_distillation=true, keep=true) + deep-prompt(length=3)[1:]",
]


@cache
def fits(kind: str, expression: str) -> bool:
    """Return whether a recipe fits a kind of backbone; other errors are failures."""
    try:
        count(on_meta(kind), Recipe.parse(expression))
    except (SiteNotFound, RecipeMismatch):
        return False
    return True


@cache
def on_meta(kind: str) -> Backbone:
    return tiny_backbone(kind, weights=False)


def pairs(expressions: Iterable[str]) -> list[Pair]:
    """Return every kind of backbone with every recipe that fits it."""
    return [(kind, one) for kind in KINDS for one in expressions if fits(kind, one)]


def rotation(pairs: Iterable[Pair], turn: int) -> set[Pair]:
    """Return pairs that cover every recipe and every kind, different ones for another turn."""
    kinds, recipes = defaultdict(list), defaultdict(list)
    for kind, recipe in pairs:
        kinds[recipe].append(kind)
        recipes[kind].append(recipe)
    chosen = {
        (fitting[(turn + number) % len(fitting)], recipe)
        for number, (recipe, fitting) in enumerate(kinds.items())
    }
    met = {kind for kind, _ in chosen}
    return chosen | {
        (kind, fitting[turn % len(fitting)]) for kind, fitting in recipes.items() if kind not in met
    }


def every(nth: int, pairs: Iterable[Pair], turn: int) -> set[Pair]:
    """Return every nth pair, of each recipe in turn; the next turn begins one pair later."""
    by_recipe = sorted(pairs, key=lambda pair: (pair[1], pair[0]))
    return {pair for number, pair in enumerate(by_recipe) if number % nth == turn % nth}


def attached(backbone: Backbone, recipe: Recipe) -> AdaptedModel:
    return attach(backbone, recipe, build_head("mean", recipe.seen_by_head(backbone.anatomy), 3))


def parameters(model: AdaptedModel) -> dict[str, torch.nn.Parameter]:
    return model.trainable()


@torch.no_grad()
def shake(model: AdaptedModel, by: float = 0.1) -> None:
    for parameter in parameters(model).values():
        parameter += torch.randn_like(parameter) * by
