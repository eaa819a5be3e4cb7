"""A stage: a run whose model starts from another run, its parent.

The model has the placements of the parent and then those that the recipe adds, so the tensors of
the parent keep their keys. The last layer of the head has a row for each output. Rows are carried
over by the names of outputs: `ossicle.tasks.base.Task.output_names`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ossicle.adapters.check import check
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import put_tensors
from ossicle.backbones import Backbone
from ossicle.data import Content, Dataset, overlapping
from ossicle.errors import LabelError, RecipeMismatch, SplitError, listing
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Task
from ossicle.training.config import TrainConfig
from ossicle.training.freeze import check_freeze
from ossicle.training.learnt import LEARNT_FROM, learnt_contents
from ossicle.training.parent import Parent
from ossicle.training.pruned import Smaller

SET = "default"  # name of the only adapter set of a run


@dataclass(frozen=True)
class Stage:
    """What a run starts from.

    Attributes:
        parent: The parent run.
        start: Copies of all tensors before training, by key.
        new_keys: Keys of tensors that the parent does not have.
        old_outputs: For each output of the parent's head, the number of the output of the new head
            with the same name; None: there is none.
        pruned: How the parent's adapter was pruned: `Smaller.facts`; None: it was not.
    """

    parent: Parent
    start: Mapping[str, Tensor]
    new_keys: frozenset[str]
    old_outputs: tuple[int | None, ...]
    pruned: Mapping[str, Any] | None = None


def stage_task(config: TrainConfig, task: Task, parent: Task) -> Task:
    """Return the task of a stage, with the outputs that its head has.

    Args:
        config: The settings.
        task: The task of the data, without recordings that are left out.
        parent: The task of the parent run.

    Raises:
        LabelError: the two have other labels, and the settings do not say what to do.
    """
    if config.head_from == "new":
        return task
    own, theirs = set(task.output_names), set(parent.output_names)
    if config.head_from == "extend":
        return task.with_outputs(own | theirs, parent)
    if task.closed_set and not config.common_labels and own != theirs:
        raise LabelError(
            f"the labels of the data and of the parent run differ: only the data have "
            f"{_listed(own - theirs)}; only the parent has {_listed(theirs - own)}. Rename labels "
            "with --map-labels, leave such recordings out with --common-labels, or give the head "
            "more outputs with --head-from extend"
        )
    return task.with_outputs(own, parent)


def _listed(names: set[str]) -> str:
    """Return names for a message; the blank of transcriptions, which is empty, has none."""
    shown = (name if name.strip() else repr(name) for name in sorted(names) if name)
    return listing(shown, 20) or "none"


def with_notice(dataset: Dataset, config: TrainConfig, task: Task, parent: Task) -> Dataset:
    """Return the dataset with a notice of the outputs that the head of a stage has lost."""
    lost = set(parent.output_names) - set(task.output_names)
    if not config.common_labels or not lost:
        return dataset
    notice = (
        f"The head has no outputs any more for labels that the data do not have: {_listed(lost)}"
    )
    return replace(dataset, notices=(*dataset.notices, notice))


def stage_model(
    config: TrainConfig,
    backbone: Backbone,
    recipe: Recipe,
    task: Task,
    parent: Parent,
    start: Smaller | None = None,
) -> tuple[AdaptedModel, Stage]:
    """Return the backbone with the adapters and the head of a stage, and what it starts from.

    What is new is drawn by the seed. What is frozen does not train.

    Args:
        config: The settings.
        backbone: The backbone.
        recipe: The placements to add.
        task: The task of the stage.
        parent: The parent run.
        start: The smaller adapter to start from; None: the parent's.

    Raises:
        RecipeMismatch: the placements do not fit together, or do not fit the backbone.
        AttachError: a tensor would not train.
    """
    base, saved, facts = parent.recipe, parent.tensors(), parent.facts
    if start is not None:
        base, saved = start.adapter.recipe, dict(start.adapter.tensors)
        facts = start.adapter.facts(facts)
    model = _built(config, backbone, joined(base, recipe), task)
    numbers = {name: number for number, name in enumerate(task.output_names)}
    old_outputs = tuple(numbers.get(name) for name in parent.task.output_names)
    fresh = {key: value.detach().clone() for key, value in model.tensors().items()}
    values = {key: value for key, value in saved.items() if not key.startswith("head/")}
    if config.head_from != "new":
        assert model.head is not None
        values |= carried_head(model.head.last, saved, fresh, old_outputs)
    put_tensors(model.tensors(), {**fresh, **values}, parent.folder)
    new_keys = frozenset(fresh.keys() - values.keys())
    _freeze(model, config, facts, new_keys)
    check(model)
    begun = {key: value.detach().clone() for key, value in model.tensors().items()}
    how = None if start is None else start.facts
    return model, Stage(parent, begun, new_keys, old_outputs, how)


def joined(parent: Recipe, added: Recipe) -> Recipe:
    """Return the recipe of a stage: the placements of the parent, then the added ones.

    Raises:
        RecipeMismatch: placements of both would be in one mixture.
    """
    if not added.placements:
        return parent
    mixtures = [{one.mixture for one in recipe.placements} - {None} for recipe in (parent, added)]
    if both := sorted(str(gate) for gate in mixtures[0] & mixtures[1]):
        raise RecipeMismatch(
            f"the parent run has gates '{both[0]}', and so has the recipe '{added}': they would "
            "become one mixture, with other weights. Use another gate, or none"
        )
    return parent + added


def _built(config: TrainConfig, backbone: Backbone, recipe: Recipe, task: Task) -> AdaptedModel:
    """Return the backbone with new adapters and a new head."""
    assert config.head is not None  # `stage_config` has filled it in
    model = AdaptedModel(backbone)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        with torch.device(next(backbone.parameters()).device):
            seen = recipe.seen_by_head(backbone.anatomy)
            head = build_head(config.head, seen, task.num_outputs)
            task.configure(head)
        model.add(SET, recipe, head)
    model.use(SET)
    return model


def carried_head(
    last: str,
    saved: Mapping[str, Tensor],
    fresh: Mapping[str, Tensor],
    old_outputs: Sequence[int | None],
) -> dict[str, Tensor]:
    """Return the tensors of a head that goes on from another.

    Args:
        last: Name of the last layer, whose tensors have a row for each output.
        saved: The tensors of the other model, by key.
        fresh: Those of the new model; the rows of its new outputs are taken from here.
        old_outputs: For each output of the other, its number in the new head, or None.
    """
    pairs = [(new, old) for old, new in enumerate(old_outputs) if new is not None]
    new_rows, old_rows = [new for new, _ in pairs], [old for _, old in pairs]
    carried = {}
    for key, value in saved.items():
        if key.startswith(f"head/{last}."):
            carried[key] = fresh[key].clone()
            carried[key][new_rows] = value[old_rows].to(fresh[key])
        elif key.startswith("head/"):
            carried[key] = value
    return carried


def _freeze(
    model: AdaptedModel, config: TrainConfig, facts: Mapping[str, Any], new_keys: frozenset[str]
) -> None:
    """Choose what trains: all that is new, and of the parent what is not frozen."""
    if config.freeze is None:
        return
    parts = check_freeze(config.freeze, facts)
    parts |= {key.rpartition("/")[0] for key in new_keys}
    model.use(SET, train=[f"{SET}/{part}" for part in sorted(parts)])


def check_not_learnt(parent: Parent, dataset: Dataset, contents: Mapping[str, Content]) -> None:
    """Raise if an earlier stage has learnt from test recordings of this one.

    Args:
        parent: The parent run.
        dataset: The recordings of this stage.
        contents: Hashes of their sound, by key.

    Raises:
        SplitError: it has.
    """
    tested = {one.key: contents[one.key] for one in dataset.test}
    for stage in parent.stages:
        learnt = learnt_contents(stage.folder, stage.split, LEARNT_FROM)
        if seen := overlapping(learnt, tested):
            raise SplitError(
                f"{len(seen)} of the {len(tested)} test recordings of '{dataset.name}' trained an "
                f"earlier stage, on '{stage.config.data}', or chose its best epoch: "
                f"{listing(seen, 3)}. A score on them would be a memory test. Use the split of "
                "that stage, or move them to train"
            )
