"""What a head's output means: one file a task."""

from typing import Final

from ossicle.tasks.base import Task
from ossicle.tasks.classification import Classification

TASKS: Final[dict[str, type[Task]]] = {task.name: task for task in (Classification,)}

__all__ = ["TASKS", "Classification", "Task"]
