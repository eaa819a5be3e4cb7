"""The start of a stage without a parent run: the model as it is now."""

from typing import Any

from ossicle.adapters.model import AdaptedModel
from ossicle.compute.processes import Processes
from ossicle.continual import Start
from ossicle.inference.single import SingleModel
from ossicle.tasks import Task


def start_of(model: AdaptedModel, task: Task, **changes: Any) -> Start:
    """Return the start of a stage on a CPU that keeps all outputs, with changes."""
    given = {
        "single": SingleModel(model),
        "task": task,
        "tensors": {key: value.detach().clone() for key, value in model.tensors().items()},
        "old_outputs": tuple(range(task.num_outputs)),
        "batch_size": 4,
        "seed": 0,
        "processes": Processes(cpu=True),
    }
    return Start(**{**given, **changes})
