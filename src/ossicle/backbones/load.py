"""From a name to a backbone: one that ossicle ships, a hub id, a folder, or random weights.

tiny-hubert, tiny-ast                     small ones that ossicle ships, on speech and on sounds
microsoft/wavlm-base-plus                 a model-hub id, `?revision=...` for a revision
models/hubert, ./tiny-hubert              a folder in the hub's layout
config:wavlm-large                        the true architecture with random weights
config:ast-base?max_length=512&seed=1     the same with settings changed, other weights
tiny-ast?length=own                       AST that takes every clip at its own length
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoConfig, AutoModel

from ossicle.backbones.ast import AST
from ossicle.backbones.backbone import Backbone
from ossicle.backbones.families import FAMILIES, NAMED
from ossicle.backbones.family import Family
from ossicle.backbones.settings import (
    CONFIG,
    EXTRACTOR,
    MAX_PARAMETERS,
    build_config,
    build_extractor,
    check_fit,
    one_line,
    read_config,
    read_extractor,
)
from ossicle.backbones.source import Source, folder_of
from ossicle.backbones.transformers_logging import quiet_transformers
from ossicle.backbones.weights import load_weights, meta_model
from ossicle.errors import BackboneError, did_you_mean
from ossicle.paths import HERE

RANDOM = "config:"
MAX_SEED: Final = 1 << 63


def load_backbone(
    name: str,
    *,
    weights: bool = True,
    stochastic: bool = False,
    fast: bool = True,
    device: str = "cpu",
    places: Sequence[Path] = HERE,
) -> Backbone:
    """Return a frozen, prepared and described backbone.

    Args:
        name: See the head of this module.
        weights: False: architecture alone, on the meta device, for counting.
        stochastic: Keep dropout and SpecAugment of the checkpoint in training. LayerDrop is always
            off: the adapters of a layer that is left out would neither act nor train.
        fast: Let exact shortcuts stand in for frozen modules: `ossicle.backbones.fast`.
        device: Where it shall run.
        places: Folders in which a relative path may start; the first that has it counts.

    Raises:
        BackboneError: no such model, a family that ossicle does not know, a missing
            `preprocessor_config.json`, weights that are incomplete or not safetensors.
    """
    is_random = name.startswith(RANDOM)
    downloads = not is_random and folder_of(_options(name)[0], places) is None
    with quiet_transformers(bars=downloads):
        if is_random:
            backbone = _random(name, weights=weights, stochastic=stochastic)
        else:
            backbone = _pretrained(name, places, weights=weights, stochastic=stochastic)
    backbone.forward_state.fast = fast
    return backbone.to(device) if weights else backbone


def _random(name: str, *, weights: bool, stochastic: bool) -> Backbone:
    short, options = _options(name.removeprefix(RANDOM))
    if short not in NAMED:
        raise BackboneError(
            f"no architecture '{short:.80}'. There are: {', '.join(NAMED)}."
            f"{did_you_mean(short[:80], NAMED)}"
        )
    family, settings = NAMED[short]
    family = _of_length(family, options.pop("length", None), name)
    seed = options.pop("seed", 0)
    if type(seed) is not int or not 0 <= seed < MAX_SEED:
        raise BackboneError(
            f"seed is {seed!r:.60} in '{name:.200}'; expected a whole number from 0 to 2^63 - 1"
        )
    default = AutoConfig.for_model(family.model_type)
    for key, value in options.items():
        if not hasattr(default, key):
            raise BackboneError(
                f"'{short}' has no setting '{key}'.{did_you_mean(key, vars(default))}"
            )
        if type(value) is not type(getattr(default, key)):
            raise BackboneError(
                f"{key} is {value!r:.60} in '{name:.200}'; expected a value like "
                f"{getattr(default, key)!r}"
            )
    settings = {**settings, **options}
    if options and weights:
        _check_memory(name, family, settings)
    return random_backbone(
        family, settings, name, seed=seed, weights=weights, stochastic=stochastic
    )


def _check_memory(name: str, family: Family, settings: dict[str, Any]) -> None:
    """Raise for an architecture of more random numbers than a machine should be asked for."""
    model = _unloaded(name, family, settings, "meta")[0]
    count = sum(parameter.numel() for parameter in model.parameters())
    if count > MAX_PARAMETERS:
        raise BackboneError(
            f"'{name}' has {count} parameters; random weights are made for at most "
            f"{MAX_PARAMETERS}. Choose a smaller architecture, or count it: ossicle params"
        )


def _unloaded(name: str, family: Family, settings: dict[str, Any], device: str) -> tuple[Any, Any]:
    """Return a new model and its configuration."""
    config = build_config(f"'{name}'", family.model_type, settings)
    try:
        with torch.device(device):
            return AutoModel.from_config(config), config
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise BackboneError(f"'{name}' is no valid architecture: {one_line(error)}") from error


def random_backbone(
    family: Family,
    settings: dict[str, Any],
    name: str,
    *,
    seed: int = 0,
    weights: bool = True,
    stochastic: bool = False,
) -> Backbone:
    """Return a backbone of that architecture with random weights, the same for a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model, config = _unloaded(name, family, settings, "cpu" if weights else "meta")
    shared = {key: value for key, value in settings.items() if key in family.extractor}
    made = {**family.extractor, **shared}
    extractor = build_extractor(f"'{name}'", made.pop("feature_extractor_type"), made)
    check_fit(name, family, config, extractor)
    return _finish(name, family, family.encoder(model), extractor, stochastic=stochastic)


def _pretrained(name: str, places: Sequence[Path], *, weights: bool, stochastic: bool) -> Backbone:
    path, options = _options(name)
    revision, length = options.pop("revision", None), options.pop("length", None)
    if options:
        raise BackboneError(
            f"'{name:.200}': a pretrained backbone takes no option '{next(iter(options))}'"
        )
    source = Source(path, None if revision is None else str(revision), places)
    data = source.read(CONFIG)
    family = _family(path, data)
    family = _of_length(family, length, name)
    config = read_config(path, family.model_type, data)
    extractor = read_extractor(path, family, source.read(EXTRACTOR))
    check_fit(path, family, config, extractor)
    family.describe(config)  # raises for what ossicle does not describe, before weights are read
    if weights:
        model = load_weights(path, source.weights(), family, config)
    else:
        model = meta_model(path, family, config)
    return _finish(name, family, model, extractor, stochastic=stochastic)


def _family(path: str, data: dict[str, Any]) -> Family:
    kind = data.get("model_type")
    found = next((family for family in FAMILIES.values() if family.model_type == kind), None)
    if found is None:
        raise BackboneError(
            f"'{path}' is of the type {kind!r:.60} by its {CONFIG}. ossicle knows: "
            f"{', '.join(FAMILIES)}"
        )
    return found


def _of_length(family: Family, length: object, name: str) -> Family:
    """Return the family that takes clips as the option `length` says."""
    if length is None:
        return family
    if length != "own" or not isinstance(family, AST):
        raise BackboneError(
            f"length is {length!r} in '{name}'; AST takes length=own, and no other family any"
        )
    return AST(own_length=True)


def _finish(name: str, family: Family, model: Any, extractor: Any, *, stochastic: bool) -> Backbone:
    model.config.layerdrop = 0.0
    if not stochastic:  # data2vec's configuration has no such switch, and its code asks for it
        model.config.apply_spec_augment = False
    return Backbone(name, family, model, extractor, stochastic=stochastic)


def _options(name: str) -> tuple[str, dict[str, bool | int | float | str]]:
    path, mark, query = name.partition("?")
    options: dict[str, bool | int | float | str] = {}
    for pair in query.split("&") if mark else ():
        key, equals, text = pair.partition("=")
        if not equals or not key or not text:
            raise BackboneError(f"'{pair}' in '{name}' is no option; write name=value")
        if key in options:
            raise BackboneError(f"'{key}' is given twice in '{name}'")
        options[key] = {"true": True, "false": False}.get(text.lower(), text)
        for number in (int, float):
            try:
                options[key] = number(text)
                break
            except ValueError:
                continue
    return path, options
