"""Save an adapter set with its head, and load it back to the same bits."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from ossicle import __version__
from ossicle.attach.adapted import AdaptedModel, AdapterSet
from ossicle.attach.folder import (
    DIGEST,
    FACTS,
    FORMAT,
    TENSORS,
    digest_of,
    read_folder,
    replace_file,
    write_json,
)
from ossicle.attach.recipe import Recipe
from ossicle.backbones import Backbone, load_backbone
from ossicle.errors import AdapterFileError, RecipeMismatch, RunError
from ossicle.heads import build_head


def save(model: AdaptedModel, folder: Path | str, *, task: Mapping[str, Any] | None = None) -> None:
    """Write the current adapter set and its head into a folder.

    Args:
        model: Its last active set is saved.
        folder: Made if need be; the two files in it are replaced.
        task: Plain data to keep with it, such as the names of the classes.

    Raises:
        RunError: a file cannot be written; what was there before is untouched.
    """
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"'{path}' cannot be written: {error.strerror or error}; choose another folder"
        ) from error
    save_facts(model, path, task=task)
    save_tensors(model, path)


def save_facts(model: AdaptedModel, folder: Path, *, task: Mapping[str, Any] | None = None) -> None:
    """Write `recipe.json` alone: everything that training does not change."""
    item, backbone = model.current, model.backbone
    head = item.head and {"name": item.head.name, "outputs": item.head.num_outputs}
    facts = {
        "format": FORMAT,
        "ossicle": __version__,
        "backbone": identity(backbone),
        "recipe": item.recipe.to_dict(),
        "expression": str(item.recipe),
        "head": head,
        "task": dict(task or {}),
        "tensors": {key: list(p.shape) for key, p in model.trainable(item).items()},
    }
    write_json(folder / FACTS, facts)


def save_tensors(model: AdaptedModel, folder: Path) -> None:
    """Write `adapter.safetensors` alone, replacing the one before in one step."""
    tensors = {
        key: p.detach().cpu().contiguous() for key, p in model.trainable(model.current).items()
    }
    replace_file(folder / TENSORS, serialise_with_digest(tensors))


def serialise_with_digest(tensors: Mapping[str, Tensor], **metadata: str) -> bytes:
    """Return a safetensors file whose header holds a hash of its tensors."""
    digest = digest_of({key: _bytes(tensor) for key, tensor in tensors.items()})
    return serialise(dict(tensors), metadata={DIGEST: digest, **metadata})


def read_tensors(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the header of a file that `serialise_with_digest` made.

    Raises:
        AdapterFileError: the file is truncated, or a bit of it has changed.
    """
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 - a safetensors file is no mapping
    except (SafetensorError, OSError) as error:
        raise AdapterFileError(
            f"'{file}' is damaged ({error}); copy it again, or train again"
        ) from error
    if metadata.get(DIGEST) != digest_of({key: _bytes(value) for key, value in tensors.items()}):
        raise AdapterFileError(
            f"'{file}' is damaged (its content does not match its hash); copy it again"
        )
    return tensors, metadata


def load(
    folder: Path | str, backbone: Backbone | str | None = None, *, device: str = "cpu"
) -> AdaptedModel:
    """Return the backbone with a saved adapter set in place, active, in evaluation mode.

    Args:
        folder: Made by `save` or by a run.
        backbone: The one to put it on, or its name; None: the one named in the folder.
        device: Where a backbone given by name is loaded.

    Raises:
        AdapterFileError: the folder is no adapter folder, or is damaged.
        RecipeMismatch: the adapter was trained on another backbone.
        BackboneError: the backbone cannot be loaded.
    """
    opened = read_folder(Path(folder))
    facts = opened.facts
    if not isinstance(backbone, Backbone):
        backbone = load_backbone(backbone or facts["backbone"].get("name", ""), device=device)
    check_backbone(opened.path, facts["backbone"], backbone)
    recipe, head = Recipe.from_dict(facts["recipe"]), None
    if facts["head"] is not None:
        seen = recipe.seen_by_head(backbone.anatomy)
        head = build_head(facts["head"]["name"], seen, facts["head"]["outputs"])
    model = AdaptedModel(backbone)
    model.add("default", recipe, head)
    model.use("default")
    model.to(next(backbone.parameters()).device)
    put_tensors(model, model.current, read_tensors(opened.path / TENSORS)[0], opened.path)
    return model.eval()


def put_tensors(
    model: AdaptedModel, item: AdapterSet, tensors: Mapping[str, Tensor], source: Path
) -> None:
    """Copy saved tensors into a set.

    Raises:
        RecipeMismatch: a tensor is missing, left over or of another shape.
    """
    parameters = model.trainable(item)
    wrong = sorted(parameters.keys() ^ tensors.keys())
    wrong += [
        k for k in parameters.keys() & tensors.keys() if parameters[k].shape != tensors[k].shape
    ]
    if wrong:
        raise RecipeMismatch(
            f"{len(wrong)} tensors of '{source}' do not fit its recipe on this backbone, the first "
            f"'{wrong[0]}'. {FACTS} may have been edited; restore it"
        )
    with torch.no_grad():
        for key, parameter in parameters.items():
            parameter.copy_(tensors[key])


def identity(backbone: Backbone) -> dict[str, Any]:
    """Return what tells one backbone from another."""
    anatomy = backbone.anatomy
    return {
        "name": backbone.name,
        "family": anatomy.family,
        "layers": anatomy.num_layers,
        "width": anatomy.width,
        "fingerprint": backbone.fingerprint,
    }


def check_backbone(folder: Path, saved: Mapping[str, Any], backbone: Backbone) -> None:
    """Raise unless an adapter was trained on this backbone.

    Raises:
        RecipeMismatch: it was another, or one with other weights.
    """
    here = identity(backbone)
    for key in ("family", "layers", "width"):
        if saved.get(key) != here[key]:
            raise RecipeMismatch(
                f"'{folder}' was trained on {saved.get('family')}, {saved.get('layers')} layers of "
                f"width {saved.get('width')}; this backbone is {here['family']}, {here['layers']} "
                f"of {here['width']}. Load '{saved.get('name')}', which {FACTS} names"
            )
    if saved.get("fingerprint") != here["fingerprint"]:
        raise RecipeMismatch(
            f"'{folder}' was trained on '{saved.get('name')}' with other weights (fingerprint "
            f"{saved.get('fingerprint')}) than those of '{backbone.name}' "
            f"({here['fingerprint']}). Load the backbone named in {FACTS}"
        )


def _bytes(tensor: Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous()
    kind = json.dumps([str(flat.dtype), *flat.shape]).encode()
    return kind + flat.view(-1).view(torch.uint8).numpy().tobytes()
