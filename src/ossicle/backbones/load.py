"""From a name to a backbone: one that ossicle ships, a hub id, a folder, or random weights.

tiny-hubert, tiny-ast                     small ones that ossicle ships, on speech and on sounds
microsoft/wavlm-base-plus                 a model-hub id, `?revision=...` for a revision
models/hubert, ./tiny-hubert              a folder in the hub's layout
config:wavlm-large                        the true architecture with random weights
config:ast-base?max_length=512&seed=1     the same with settings changed, other weights
tiny-ast?length=own                       AST that takes every clip at its own length
"""

from pathlib import Path
from typing import Any, Final

import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel

from ossicle.backbones.ast import AST
from ossicle.backbones.backbone import Backbone
from ossicle.backbones.families import FAMILIES, NAMED
from ossicle.backbones.family import Family
from ossicle.backbones.quiet import quiet
from ossicle.errors import BackboneError, did_you_mean, listing

RANDOM = "config:"
SHIPPED: Final = {
    file.parent.name: file.parent
    for file in sorted((Path(__file__).parent / "pretrained").glob("*/config.json"))
}


def load_backbone(
    name: str,
    *,
    weights: bool = True,
    stochastic: bool = False,
    fast: bool = True,
    device: str = "cpu",
) -> Backbone:
    """Return a frozen, prepared and described backbone.

    Args:
        name: See the head of this module.
        weights: False: architecture alone, on the meta device, for counting.
        stochastic: Keep dropout and SpecAugment of the checkpoint in training. LayerDrop is always
            off: the adapters of a layer that is left out would neither act nor train.
        fast: Let exact shortcuts stand in for frozen modules: `ossicle.backbones.fast`.
        device: Where it shall run.

    Raises:
        BackboneError: no such model, a family that ossicle does not know, a missing
            `preprocessor_config.json`, weights that are incomplete or not safetensors.
    """
    with quiet(bars=not name.startswith(RANDOM) and not _folder(_options(name)[0]).is_dir()):
        if name.startswith(RANDOM):
            backbone = _random(name, weights=weights, stochastic=stochastic)
        else:
            backbone = _pretrained(name, weights=weights, stochastic=stochastic)
    backbone.flow.fast = fast
    return backbone.to(device) if weights else backbone


def _random(name: str, *, weights: bool, stochastic: bool) -> Backbone:
    short, options = _options(name.removeprefix(RANDOM))
    if short not in NAMED:
        raise BackboneError(
            f"no architecture '{short}'. There are: {', '.join(NAMED)}.{did_you_mean(short, NAMED)}"
        )
    family, settings = NAMED[short]
    family = _of_length(family, options.pop("length", None), name)
    seed = options.pop("seed", 0)
    if type(seed) is not int:
        raise BackboneError(f"seed is {seed!r} in '{name}'; expected a whole number")
    default = AutoConfig.for_model(family.model_type)
    for key, value in options.items():
        if not hasattr(default, key):
            raise BackboneError(
                f"'{short}' has no setting '{key}'.{did_you_mean(key, vars(default))}"
            )
        if type(value) is not type(getattr(default, key)):
            raise BackboneError(
                f"{key} is {value!r} in '{name}'; expected a value like {getattr(default, key)!r}"
            )
    return random_backbone(
        family, {**settings, **options}, name, seed=seed, weights=weights, stochastic=stochastic
    )


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
    try:
        config = AutoConfig.for_model(family.model_type, **settings)
        with torch.random.fork_rng(devices=[]), torch.device("cpu" if weights else "meta"):
            torch.default_generator.manual_seed(seed)
            model = AutoModel.from_config(config)
    except (ArithmeticError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise BackboneError(f"'{name}' is no valid architecture: {error}") from error
    shared = {key: value for key, value in settings.items() if key in family.extractor}
    made = {**family.extractor, **shared}
    extractor_class = getattr(transformers, made.pop("feature_extractor_type"))
    with quiet():
        extractor = extractor_class(**made)
    return _finish(name, family, model, extractor, stochastic=stochastic)


def _pretrained(name: str, *, weights: bool, stochastic: bool) -> Backbone:
    path, options = _options(name)
    revision, length = options.pop("revision", None), options.pop("length", None)
    if options:
        raise BackboneError(
            f"'{name}': a pretrained backbone takes no option '{next(iter(options))}'"
        )
    where = {} if revision is None else {"revision": str(revision)}
    folder = _folder(path)
    source = str(folder) if folder.is_dir() else path
    if not folder.is_dir() and (path.count("/") > 1 or path.startswith((".", "/", "~"))):
        raise BackboneError(f"there is no folder '{path}'")
    config = _read(source, "config.json", AutoConfig.from_pretrained, where)
    family = next((f for f in FAMILIES.values() if f.model_type == config.model_type), None)
    if family is None:
        raise BackboneError(
            f"'{path}' is of the type '{config.model_type}'. ossicle knows: {', '.join(FAMILIES)}"
        )
    family = _of_length(family, length, name)
    extractor = _read(
        source, "preprocessor_config.json", AutoFeatureExtractor.from_pretrained, where
    )
    _compare(path, config, extractor)
    if not weights:
        with torch.device("meta"):
            model = AutoModel.from_config(config)
        return _finish(name, family, model, extractor, stochastic=stochastic)
    model, report = _read(
        source,
        "model.safetensors",
        AutoModel.from_pretrained,
        {
            **where,
            "config": config,
            "use_safetensors": True,
            "dtype": torch.float32,
            "output_loading_info": True,
        },
    )
    absent = set(report["missing_keys"]) - {"masked_spec_embed"}
    missing = {key for key in absent if key.startswith(family.part)}
    if missing or report["mismatched_keys"]:
        wrong = sorted(missing) + sorted(str(key) for key in report["mismatched_keys"])
        raise BackboneError(
            f"the weights of '{path}' are incomplete: {len(wrong)} tensors are missing or have "
            f"another shape, the first '{wrong[0]}'. Download or save the checkpoint again"
        )
    return _finish(name, family, model, extractor, stochastic=stochastic)


def _of_length(family: Family, length: object, name: str) -> Family:
    """Return the family that takes clips as the option `length` says."""
    if length is None:
        return family
    if length != "own" or not isinstance(family, AST):
        raise BackboneError(
            f"length is {length!r} in '{name}'; AST takes length=own, and no other family any"
        )
    return AST(own_length=True)


def _folder(path: str) -> Path:
    """Return where the weights lie if they lie on this machine."""
    return SHIPPED.get(path, Path(path).expanduser())


def _read(source: str, file: str, reader: Any, options: dict[str, Any]) -> Any:
    """Call a transformers reader; say which file of which backbone it failed on."""
    try:
        return reader(source, **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        local = Path(source).is_dir()
        if local and file.endswith(".safetensors") and not any(Path(source).glob("*.safetensors")):
            reason = (
                "the folder has no .safetensors file; ossicle reads no pickled weights. "
                "Save the model again with transformers' save_pretrained"
            )
        elif local and not file.endswith(".safetensors") and not (Path(source) / file).is_file():
            reason = f"the folder has no {file}; a folder in the hub's layout needs one"
        elif not local:
            reason += (
                " (there is no local folder of that name either, and ossicle ships "
                f"{listing(SHIPPED)}).{did_you_mean(source, SHIPPED)}"
            )
        raise BackboneError(f"backbone '{source}': {file} cannot be read: {reason}") from error


def _compare(path: str, config: Any, extractor: Any) -> None:
    """Raise where model and feature extractor do not agree on the size of a spectrogram."""
    for key in ("max_length", "num_mel_bins"):
        made, taken = getattr(extractor, key, None), getattr(config, key, None)
        if made is not None and taken is not None and made != taken:
            raise BackboneError(
                f"backbone '{path}': preprocessor_config.json has {key}={made} and config.json "
                f"{key}={taken}; make them equal"
            )


def _finish(name: str, family: Family, model: Any, extractor: Any, *, stochastic: bool) -> Backbone:
    model.config.layerdrop = 0.0
    if not stochastic:  # data2vec's configuration has no such switch, and its code asks for it
        model.config.apply_spec_augment = False
    return Backbone(name, family, family.encoder(model), extractor, stochastic=stochastic)


def _options(name: str) -> tuple[str, dict[str, bool | int | float | str]]:
    path, mark, query = name.partition("?")
    options: dict[str, bool | int | float | str] = {}
    for pair in query.split("&") if mark else ():
        key, equals, text = pair.partition("=")
        if not equals or not key or not text:
            raise BackboneError(f"'{pair}' in '{name}' is no option; write name=value")
        options[key] = {"true": True, "false": False}.get(text.lower(), text)
        for number in (int, float):
            try:
                options[key] = number(text)
                break
            except ValueError:
                continue
    return path, options
