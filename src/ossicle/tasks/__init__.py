"""What a head's output means: one file a task."""

from typing import Final

from ossicle.tasks.base import Task
from ossicle.tasks.classification import Classification
from ossicle.tasks.regression import Regression
from ossicle.tasks.tagging import Tagging
from ossicle.tasks.transcription import PhoneRecognition, SpeechRecognition

TASKS: Final[dict[str, type[Task]]] = {
    task.name: task
    for task in (Classification, Tagging, Regression, SpeechRecognition, PhoneRecognition)
}

__all__ = [
    "TASKS",
    "Classification",
    "PhoneRecognition",
    "Regression",
    "SpeechRecognition",
    "Tagging",
    "Task",
]
