"""Load a backbone by name: a shipped one, a hub id, a folder, or random weights.

tiny-hubert, tiny-ast                     small models shipped with ossicle, for speech and sounds
microsoft/wavlm-base-plus                 a hub id; `?revision=...` for a revision
hf:microsoft/wavlm-base-plus@main         the same, even where there is a folder of that name
models/hubert, ./tiny-hubert              a folder in the hub's layout
config:wavlm-large                        the architecture of a released model, random weights
config:ast-base?max_length=512&seed=1     the same with other settings and another seed
tiny-ast?length=own                       AST or Whisper at the own length of every clip
openai/whisper-base?length=5              Whisper with windows of 5 seconds in place of 30
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from transformers import MODEL_MAPPING, AutoConfig, AutoModel

from ossicle.backbones.backbone import Backbone
from ossicle.backbones.decoder import Decoder
from ossicle.backbones.families import FAMILIES, NAMED, WITH_DECODER
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
from ossicle.backbones.source import GENERATION, Source, folder_of
from ossicle.backbones.tokens import SPELLINGS, TOKENIZER, Tokens
from ossicle.backbones.transformers_logging import quiet_transformers
from ossicle.backbones.weights import load_weights, meta_model
from ossicle.errors import BackboneError
from ossicle.files import FileState
from ossicle.paths import HERE
from ossicle.settings import Limits, check_known, check_setting, read_value, split_query
from ossicle.writing import Generating

RANDOM = "config:"
MULTILINGUAL: Final = 51865  # token ids of the smallest Whisper that is not English alone
_INVALID: Final = (  # what transformers and torch raise for settings that do not fit each other
    *(ArithmeticError, AssertionError, LookupError),
    *(RuntimeError, TypeError, ValueError),
)
SEEDS: Final = Limits(0, (1 << 63) - 1)
PRETRAINED: Final = ("revision", "length")  # options of a pretrained backbone


def load_backbone(
    name: str,
    *,
    weights: bool = True,
    decoder: bool = False,
    stochastic: bool = False,
    fast: bool = True,
    device: str = "cpu",
    places: Sequence[Path] = HERE,
) -> Backbone:
    """Load a frozen backbone, ready for adapters.

    Args:
        name: Name, hub id or folder; see the docstring of this module.
        weights: Whether to load weights; False gives the architecture on the meta device, for
            counting parameters.
        decoder: Whether to load its text decoder too.
        stochastic: Whether to keep dropout and SpecAugment of the checkpoint in training.
            LayerDrop is always off, because adapters of a dropped layer would not train.
        fast: Whether faster equivalents may replace frozen modules, see `ossicle.backbones.fast`.
        device: Device to load it to.
        places: Folders to search for a relative path, in this order.

    Raises:
        BackboneError: the model is not found, its family is not supported or has no decoder,
            `preprocessor_config.json` is missing, or the weights are incomplete or not
            safetensors.
    """
    is_random = name.startswith(RANDOM)
    downloads = not is_random and folder_of(name.partition("?")[0], places) is None
    with quiet_transformers(bars=downloads):
        if is_random:
            backbone = _random(name, weights=weights, decoder=decoder, stochastic=stochastic)
        else:
            backbone = _pretrained(
                name, places, weights=weights, decoder=decoder, stochastic=stochastic
            )
    backbone.forward_state.fast = fast
    return backbone.to(device) if weights else backbone


def _random(name: str, *, weights: bool, decoder: bool, stochastic: bool) -> Backbone:
    short, texts = split_query(name.removeprefix(RANDOM), BackboneError)
    check_known("architecture", short, NAMED, BackboneError)
    family, settings = NAMED[short]
    family = _with_decoder(family, name) if decoder else family
    length = texts.pop("length", None)
    where = f"in '{name:.200}'"
    seed = read_value(f"seed {where}", texts.pop("seed", "0"), (int,), SEEDS, BackboneError)
    default = AutoConfig.for_model(family.model_type)
    options = {key: _option(short, key, text, default) for key, text in texts.items()}
    settings = {**settings, **options}
    if options and weights:
        _check_memory(name, family, settings)
    return random_backbone(
        family,
        settings,
        name,
        seed=seed,
        weights=weights,
        stochastic=stochastic,
        length=length,
    )


def _option(short: str, key: str, text: str, default: Any) -> Any:
    """Return the value of an option, with the type of transformers' default."""
    check_setting(f"'{short}'", key, vars(default), BackboneError)
    like = getattr(default, key)
    if not isinstance(like, bool | int | float | str):
        raise BackboneError(
            f"{key} of '{short}' is not a number or a text and cannot be set in a name"
        )
    value: Any = read_value(f"{key} of '{short}'", text, (type(like),), error=BackboneError)
    return float(value) if isinstance(like, float) else value  # transformers is strict


def _check_memory(name: str, family: Family, settings: dict[str, Any]) -> None:
    """Raise BackboneError for more random weights than fit into memory."""
    model = _unloaded(name, family, settings, "meta")[0]
    count = sum(parameter.numel() for parameter in model.parameters())
    if count > MAX_PARAMETERS:
        raise BackboneError(
            f"'{name}' has {count} parameters; random weights are limited to {MAX_PARAMETERS}. "
            "Choose a smaller architecture, or count it without weights: ossicle params"
        )


def _unloaded(name: str, family: Family, settings: dict[str, Any], device: str) -> tuple[Any, Any]:
    """Return a new model and its configuration."""
    config = build_config(f"'{name}'", family.model_type, settings)
    MODEL_MAPPING[type(config)]  # imports its module before the device is set: it may make tensors
    try:
        with torch.device(device):
            return AutoModel.from_config(config), config
    except _INVALID as error:
        raise BackboneError(f"'{name}' is not a valid architecture: {one_line(error)}") from error


def random_backbone(
    family: Family,
    settings: dict[str, Any],
    name: str,
    *,
    seed: int = 0,
    weights: bool = True,
    stochastic: bool = False,
    length: str | None = None,
) -> Backbone:
    """Return a backbone of that architecture with random weights that depend on the seed only."""
    settings = family.own_settings(settings)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model, config = _unloaded(name, family, settings, "cpu" if weights else "meta")
    shared = {key: value for key, value in settings.items() if key in family.extractor}
    chosen = {**family.extractor, **shared}
    extractor = build_extractor(f"'{name}'", chosen.pop("feature_extractor_type"), chosen)
    check_fit(name, family, config, extractor)
    family = _of_length(family, length, extractor, name)
    text = None
    if family.has_decoder:
        sizes = {"vocabulary": config.vocab_size, "max_length": config.max_target_positions}
        text = Tokens.of_bytes(name, extractor.chunk_length, **sizes), Generating()
    return _finish(name, family, family.encoder(model), extractor, text, stochastic=stochastic)


def _pretrained(
    name: str, places: Sequence[Path], *, weights: bool, decoder: bool, stochastic: bool
) -> Backbone:
    path, options = split_query(name, BackboneError)
    for key in options:
        check_setting(f"pretrained backbone '{path:.200}'", key, PRETRAINED, BackboneError)
    source = Source(path, options.get("revision"), places)
    data = source.read(CONFIG)
    family = _family(path, data)
    family = _with_decoder(family, path) if decoder else family
    config = read_config(path, family.model_type, data)
    extractor = read_extractor(path, family, source.read(EXTRACTOR))
    check_fit(path, family, config, extractor)
    family = _of_length(family, options.get("length"), extractor, name)
    family.describe(config)  # raises for unsupported settings, before weights are read
    text = _text(path, source, config) if family.has_decoder else None
    if not weights:
        model = family.assemble(meta_model(path, family, config))
        return _finish(name, family, model, extractor, text, stochastic=stochastic)
    files = source.weights()
    states = [FileState.of(file) for file in files]  # before reading: they may change meanwhile
    model = family.assemble(load_weights(path, files, family, config))
    backbone = _finish(name, family, model, extractor, text, stochastic=stochastic)
    known = tuple(state for state in states if state is not None)
    backbone.weight_files = known if len(known) == len(files) else ()
    return backbone


def _family(path: str, data: dict[str, Any]) -> Family:
    model_type = data.get("model_type")
    found = next((family for family in FAMILIES.values() if family.model_type == model_type), None)
    if found is None:
        raise BackboneError(
            f"'{path}' has model_type {model_type!r:.60} in its {CONFIG}, which ossicle does not "
            f"support. Supported families: {', '.join(FAMILIES)}"
        )
    return found


def _of_length(family: Family, length: str | None, extractor: Any, name: str) -> Family:
    """Return the family for the option `length`."""
    if length is None:
        return family
    try:
        return family.of_length(length, extractor)
    except BackboneError as error:
        raise BackboneError(f"length is {length!r:.60} in '{name:.200}': {error}") from None


def _with_decoder(family: Family, name: str) -> Family:
    """Return the family with its text decoder."""
    if family.name not in WITH_DECODER:
        raise BackboneError(
            f"'{name:.200}' is a {family.name}, which has no text decoder; the task seq2seq needs "
            f"one of {', '.join(WITH_DECODER)}. With this backbone, transcribe with --task asr"
        )
    return WITH_DECODER[family.name]


def _text(path: str, source: Source, config: Any) -> tuple[Tokens, Generating]:
    """Return the tokenizer of a pretrained backbone, and how it says that texts are generated."""
    file = source.file(TOKENIZER)
    if file is None:
        raise BackboneError(
            f"backbone '{path:.200}' has no {TOKENIZER}, which its text decoder needs. Save it "
            "there with the tokenizer's save_pretrained, or copy it from the original model"
        )
    has_own = source.file(GENERATION) is not None
    generation = source.read(GENERATION) if has_own else {}
    is_multilingual = bool(generation.get("is_multilingual", config.vocab_size >= MULTILINGUAL))
    spellings = source.read(SPELLINGS) if source.file(SPELLINGS) is not None else None
    tokens = Tokens.read(
        file,
        path,
        is_multilingual=is_multilingual,
        max_length=config.max_target_positions,
        spellings=spellings,
    )
    suppressed = tuple(generation.get("suppress_tokens") or ())
    not_first = tuple(generation.get("begin_suppress_tokens") or ())
    return tokens, Generating(suppressed=suppressed, not_first=not_first)


def _finish(
    name: str,
    family: Family,
    model: Any,
    extractor: Any,
    text: tuple[Tokens, Generating] | None,
    *,
    stochastic: bool,
) -> Backbone:
    model.config.layerdrop = 0.0
    if not stochastic:  # also where the configuration lacks it: data2vec's code reads it
        model.config.apply_spec_augment = False
    decoder = None if text is None else Decoder(model, *text)
    return Backbone(name, family, model, extractor, decoder=decoder, stochastic=stochastic)
