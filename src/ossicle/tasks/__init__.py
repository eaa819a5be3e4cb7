"""What a head's output means: one file a task."""

from typing import Final

from ossicle.tasks.base import Task
from ossicle.tasks.classification import Classification
from ossicle.tasks.events import Events
from ossicle.tasks.intent import Intent
from ossicle.tasks.regression import Regression
from ossicle.tasks.settings import Setting, parse_task
from ossicle.tasks.slots import SlotFilling
from ossicle.tasks.tagging import Tagging
from ossicle.tasks.transcription import PhoneRecognition, SpeechRecognition
from ossicle.tasks.verification import Verification

TASKS: Final[dict[str, type[Task]]] = {
    task.name: task
    for task in (
        Classification,
        Intent,
        Tagging,
        Regression,
        SpeechRecognition,
        PhoneRecognition,
        SlotFilling,
        Verification,
        Events,
    )
}

__all__ = [
    "TASKS",
    "Classification",
    "Events",
    "Intent",
    "PhoneRecognition",
    "Regression",
    "Setting",
    "SlotFilling",
    "SpeechRecognition",
    "Tagging",
    "Task",
    "Verification",
    "parse_task",
]
