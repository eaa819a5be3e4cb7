"""Save an adapter set with its head, and load it back to the same bits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as deserialise
from safetensors.torch import save as serialise
from torch import Tensor, nn

from ossicle import __version__
from ossicle.adapters.adapter_set import AdapterSet
from ossicle.adapters.folder import FACTS, FORMAT, TENSORS, read_folder
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.slots import build_slots
from ossicle.backbones import Backbone, load_backbone
from ossicle.checksums import check_tensors, seal_tensors
from ossicle.errors import AdapterFileError, RecipeMismatch, RunError, listing
from ossicle.files import replace_file, write_sealed
from ossicle.heads import HEADS, Head, build_head
from ossicle.recipes.recipe import Recipe


def save(
    model: AdaptedModel,
    folder: Path | str,
    *,
    name: str | None = None,
    task: Mapping[str, Any] | None = None,
) -> None:
    """Write all active adapter sets as one recipe, with the head of the last, into a folder.

    Frozen sets are written too: the folder gives the outputs that the model gives now.

    Args:
        model: It has the sets.
        folder: Created if it does not exist; the two files in it are replaced.
        name: Write this set alone, whether it is active or not.
        task: Plain data to keep with it, such as the names of the classes.

    Raises:
        AttachError: there is no such set, or no set is active.
        AdapterFileError: a weight is NaN or infinite.
        RunError: a file cannot be written; what was there before is untouched.
    """
    path = Path(folder)
    if name is None:
        recipe, head, tensors = model.recipe, model.current.head, model.tensors()
    else:
        item = model.find(name)
        recipe, head, tensors = item.recipe, item.head, item.tensors(model.backbone)
    check_finite(tensors, "the adapter")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"'{path}' cannot be written: {error.strerror or error}; choose another folder"
        ) from error
    _write_facts(model.backbone, recipe, head, tensors, path, task)
    _write_tensors(tensors, path)


def save_facts(model: AdaptedModel, folder: Path, *, task: Mapping[str, Any] | None = None) -> None:
    """Write `recipe.json` alone: everything that training does not change."""
    _write_facts(model.backbone, model.recipe, model.current.head, model.tensors(), folder, task)


def save_tensors(model: AdaptedModel, folder: Path) -> None:
    """Write `adapter.safetensors` alone, replacing the one before in one step."""
    _write_tensors(model.tensors(), folder)


def _write_facts(
    backbone: Backbone,
    recipe: Recipe,
    head: Head | None,
    tensors: Mapping[str, Tensor],
    folder: Path,
    task: Mapping[str, Any] | None,
) -> None:
    facts = {
        "format": FORMAT,
        "ossicle": __version__,
        "backbone": identity(backbone),
        "recipe": recipe.to_dict(),
        "expression": str(recipe),
        "head": head and {"name": head.name, "outputs": head.num_outputs},
        "task": dict(task or {}),
        "tensors": {key: list(tensor.shape) for key, tensor in tensors.items()},
    }
    write_sealed(folder / FACTS, facts)


def _write_tensors(tensors: Mapping[str, Tensor], folder: Path) -> None:
    copied = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    replace_file(folder / TENSORS, *serialise_with_digest(copied))


def serialise_with_digest(
    tensors: Mapping[str, Tensor], **metadata: str
) -> tuple[bytes, memoryview]:
    """Return a safetensors file, in two parts, whose header holds a hash of the whole file."""
    return seal_tensors(serialise(dict(tensors)), metadata)


def read_tensors(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a file that `serialise_with_digest` made.

    Raises:
        AdapterFileError: the file is truncated, a bit of it has changed, or a dtype is unknown.
    """
    try:
        metadata = check_tensors(file)
        # not safe_open: each of its get_tensor leaves two integers in memory (safetensors 0.8)
        tensors = deserialise(file.read_bytes())
    except (SafetensorError, OSError, ValueError) as error:
        raise AdapterFileError(
            f"'{file}' is damaged ({error}); copy it again, or train again"
        ) from error
    except KeyError as error:  # safetensors looks the dtype up
        raise AdapterFileError(
            f"'{file}' has tensors of the dtype {error}, which is not supported; train again"
        ) from error
    return tensors, metadata


def check_finite(tensors: Mapping[str, Tensor], what: str) -> None:
    """Raise where a tensor holds NaN or infinity, from which every output would be NaN.

    Raises:
        AdapterFileError: with the names of the tensors.
    """
    wrong = [key for key, value in tensors.items() if not value.isfinite().all()]
    if wrong:
        raise AdapterFileError(
            f"{what} has weights that are NaN or infinite, in {listing(wrong, 3)}: its training "
            "has diverged. Train again with a lower learning rate"
        )


def load(
    folder: Path | str, backbone: Backbone | str | None = None, *, device: str = "cpu"
) -> AdaptedModel:
    """Return the backbone with a saved adapter set attached, active, in evaluation mode.

    Args:
        folder: A folder written by `save` or by a run.
        backbone: The backbone to attach it to, or its name; None: the one named in the folder.
        device: Device of a backbone given by name.

    Raises:
        AdapterFileError: the folder is not an adapter folder, or is damaged.
        RecipeMismatch: the adapter was trained on another backbone.
        BackboneError: the backbone cannot be loaded.
    """
    opened = read_folder(Path(folder))
    facts = opened.facts
    if not isinstance(backbone, Backbone):
        name = backbone or facts["backbone"].get("name", "")
        backbone = load_backbone(name, decoder=needs_decoder(facts), device=device)
    check_backbone(opened.path, facts["backbone"], backbone)
    recipe = Recipe.from_dict(facts["recipe"])
    check_shapes(backbone, recipe, facts["head"], opened.shapes, opened.path)
    model = AdaptedModel(backbone)
    model.add("default", recipe, _head(backbone, recipe, facts["head"]))
    model.use("default")
    model.to(next(backbone.parameters()).device)
    tensors, _ = read_tensors(opened.path / TENSORS)
    check_finite(tensors, f"'{opened.path}'")
    put_tensors(model.tensors(), tensors, opened.path)
    return model.eval()


def needs_decoder(facts: Mapping[str, Any]) -> bool:
    """Return whether an adapter runs the text decoder of its backbone.

    Args:
        facts: The content of its `recipe.json`.
    """
    head = facts["head"] or {}
    return head.get("name") in HEADS and HEADS[head["name"]].needs_decoder


def _head(backbone: Backbone, recipe: Recipe, head: Mapping[str, Any] | None) -> Head | None:
    if head is None:
        return None
    return build_head(head["name"], recipe.seen_by_head(backbone.anatomy), head["outputs"])


def check_shapes(
    backbone: Backbone,
    recipe: Recipe,
    head: Mapping[str, Any] | None,
    shapes: Mapping[str, tuple[int, ...]],
    source: Path,
) -> None:
    """Raise unless the tensors of a file are those of its recipe, before any memory is taken.

    A recipe from elsewhere may ask for a rank or a number of outputs of a billion.

    Raises:
        RecipeMismatch: a tensor is missing, left over or of another shape.
    """
    try:
        with torch.device("meta"):
            slots, built = build_slots(backbone, recipe, "meta"), _head(backbone, recipe, head)
            item = AdapterSet(recipe, slots, built)
    except RuntimeError as error:  # beyond what can be counted
        raise RecipeMismatch(
            f"the recipe of '{source}' is for tensors of an impossible size ({error}); "
            "do not trust this folder"
        ) from error
    in_place = tuple(f"{slot.key}/" for slot in slots if slot.adapter is None)
    expected, found = (
        {key: tuple(shape) for key, shape in every.items() if not key.startswith(in_place)}
        for every in ({k: p.shape for k, p in item.tensors(backbone).items()}, shapes)
    )
    _check_same(expected, found, source)


def _check_same(
    expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], source: Path
) -> None:
    wrong = sorted(expected.keys() ^ found.keys())
    wrong += [key for key in expected.keys() & found.keys() if expected[key] != found[key]]
    if wrong:
        raise RecipeMismatch(
            f"{len(wrong)} tensors of '{source}' do not fit its recipe on this backbone, the first "
            f"'{wrong[0]}'. {FACTS} may have been edited; restore it"
        )


def put_tensors(
    parameters: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor], source: Path
) -> None:
    """Copy saved tensors into the parameters of the same keys.

    Raises:
        RecipeMismatch: a tensor is missing, left over or of another shape.
    """
    shapes = [{k: tuple(v.shape) for k, v in one.items()} for one in (parameters, tensors)]
    _check_same(shapes[0], shapes[1], source)
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
