"""The smaller adapter that a stage starts from, made of its parent's: `--prune 'taylor(to=100k)'`.

    RUN/pruned.json  how it was pruned, the importance of each adapter or channel, what was kept

What matters is what matters to the parent run: its own loss, on its own training recordings. Those
of the stage may have labels that the head of the parent does not know, and a new head has nothing
to say yet. Validation and test recordings are not looked at. A run that resumes reads what was kept
from its folder, and cuts the tensors of its copy of the parent again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor

from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import put_tensors
from ossicle.backbones import Backbone
from ossicle.compute.processes import Processes
from ossicle.heads import build_head
from ossicle.inference.single import SingleModel
from ossicle.progress import Progress
from ossicle.pruning import Choice, Pruned, Unpruned, parse_prune, pruned
from ossicle.pruning.gradients import batch_gradients
from ossicle.pruning.unpruned import Kept
from ossicle.training.config import TrainConfig
from ossicle.training.earlier import check_unchanged, open_earlier
from ossicle.training.parent import Parent
from ossicle.training.recordings import clips_of, scan_together
from ossicle.training.split import known_labels

SET: Final = "unpruned"  # name of the adapter set, while gradients are computed


@dataclass(frozen=True)
class Smaller:
    """The smaller adapter that a stage starts from.

    Attributes:
        adapter: The adapter.
        facts: How it was pruned, as it is kept in the run folder.
    """

    adapter: Pruned
    facts: Mapping[str, Any]


def smaller(
    config: TrainConfig,
    parent: Parent,
    backbone: Backbone,
    processes: Processes,
    progress: Progress,
) -> Smaller:
    """Return the smaller adapter that a stage starts from.

    Every process computes the whole of it: the importance must not depend on their number.

    Args:
        config: The settings of the stage.
        parent: The parent run.
        backbone: Its backbone, which is as it was afterwards.
        processes: The processes that train together.
        progress: Called after every batch.

    Raises:
        RunError: it cannot be pruned in this way.
        DataError: the training recordings of the parent run cannot be read, or have changed.
    """
    assert config.prune is not None
    way = parse_prune(config.prune)
    unpruned = Unpruned(backbone, parent.recipe, parent.tensors(), parent.facts["head"])
    if parent.pruned is None:

        def gradients() -> Iterator[dict[str, Tensor]]:
            return _gradients(parent, backbone, way.name, processes, progress)

        choice = way.choose(unpruned, gradients, config.seed)
    else:
        choice = Choice.from_dict(parent.pruned)
    adapter = pruned(unpruned, choice.kept, keeps_gates=choice.keeps_gates)
    counts = {"before": unpruned.parameters, "after": adapter.parameters}
    facts = {"by": config.prune, "parent": parent.digest, "parameters": counts}
    return Smaller(adapter, {**facts, **choice.to_dict(), "slots": _slots(unpruned, choice.kept)})


def _slots(unpruned: Unpruned, kept: Kept) -> dict[str, dict[str, Any]]:
    """Return the method of each adapter, and its parameters before and after."""

    def left(key: str) -> int:
        some = kept.get(key, ())
        return unpruned.cost(key, None if some is None else len(some))

    return {
        key: {
            "method": slot.placement.method.name,
            "before": unpruned.cost(key),
            "after": left(key),
        }
        for key, slot in unpruned.slots.items()
    }


def _gradients(
    parent: Parent, backbone: Backbone, way: str, processes: Processes, progress: Progress
) -> Iterator[dict[str, Tensor]]:
    """Yield the gradients of a parent's loss on its training recordings."""
    read = open_earlier(parent.stages, f"--prune {way}", len(parent.stages))
    task, config = parent.task, replace(parent.config, augment="")
    scanned = scan_together(read, backbone, processes, progress)
    check_unchanged(parent.stages, {key: one.content for key, one in scanned.items()})
    sizes = {key: one.num_samples for key, one in scanned.items()}
    chosen = [
        one
        for one in known_labels(read, task)
        if not task.by_frame or task.frames_needed(one.label) <= backbone.num_frames(sizes[one.key])
    ]
    clips = clips_of(chosen, backbone, config, sizes)
    model = AdaptedModel(backbone)
    try:
        _attach(model, parent)
        yield from batch_gradients(
            SingleModel(model),
            task,
            clips,
            batch_size=config.batch_size,
            seed=config.seed,
            progress=progress,
        )
    finally:
        if SET in model.sets:
            model.remove(SET)


def _attach(model: AdaptedModel, parent: Parent) -> None:
    """Add the adapters and the head of a run to a model, all of them trainable."""
    backbone, recipe, facts = model.backbone, parent.recipe, parent.facts["head"]
    with torch.random.fork_rng(), torch.device(next(backbone.parameters()).device):
        head = build_head(facts["name"], recipe.seen_by_head(backbone.anatomy), facts["outputs"])
        parent.task.configure(head)
        model.add(SET, recipe, head)
    model.use(SET)
    put_tensors(model.tensors(), parent.tensors(), parent.folder)
