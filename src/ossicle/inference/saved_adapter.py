"""A saved adapter as a bank takes it: read and checked, without touching the bank."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ossicle.adapters.folder import TENSORS, read_folder
from ossicle.adapters.saving import (
    check_backbone,
    check_shapes,
    needs_decoder,
    read_tensors,
)
from ossicle.backbones import Backbone
from ossicle.heads import Head
from ossicle.inference.saved_task import read_task
from ossicle.recipes.recipe import Recipe


@dataclass(frozen=True)
class SavedAdapter:
    """The content of an adapter folder.

    Attributes:
        recipe: Its recipe.
        head: The name of its head; None: it was saved without one.
        num_outputs: Number of outputs of the head.
        tensors: Its tensors, by the keys of `AdaptedModel.trainable`.
        configure: Tells the head what it does; None: it has no settings.
    """

    recipe: Recipe
    head: str | None
    num_outputs: int
    tensors: Mapping[str, Tensor]
    configure: Callable[[Head], None] | None


def read_adapter(folder: Path, backbone: Backbone) -> SavedAdapter:
    """Return what a folder holds, after comparing it with a backbone, which is not changed.

    Raises:
        AdapterFileError: the folder is not an adapter folder, or is damaged.
        RecipeMismatch: it was trained on another backbone.
    """
    opened = read_folder(folder)
    check_backbone(opened.path, opened.facts["backbone"], backbone)
    head = opened.facts["head"] or {"name": None, "outputs": 0}
    recipe = Recipe.from_dict(opened.facts["recipe"])
    check_shapes(backbone, recipe, opened.facts["head"], opened.shapes, opened.path)
    tensors, _ = read_tensors(opened.path / TENSORS)
    configure = None
    if opened.facts["task"] and needs_decoder(opened.facts):
        task, _ = read_task(opened.path, opened.facts)
        configure = task.with_tokens(backbone.tokens).configure
    return SavedAdapter(recipe, head["name"], head["outputs"], tensors, configure)
