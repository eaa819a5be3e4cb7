"""Tasks: what a head's output means. One file each; a new one is a line here."""

from typing import Any, Final

from ossicle.data.roles import plain_name
from ossicle.settings import parse
from ossicle.tasks.base import Task
from ossicle.tasks.classification import Classification
from ossicle.tasks.events import Events
from ossicle.tasks.intent import Intent
from ossicle.tasks.regression import Regression
from ossicle.tasks.slots import SlotFilling
from ossicle.tasks.tagging import Tagging
from ossicle.tasks.transcription import PhoneRecognition, SpeechRecognition, WordRecognition
from ossicle.tasks.verification import Verification
from ossicle.tasks.written import Answering, Seq2Seq, Translation

TASKS: Final[dict[str, type[Task]]] = {
    task.name: task
    for task in (
        Classification,
        Intent,
        Tagging,
        Regression,
        SpeechRecognition,
        Seq2Seq,
        Translation,
        Answering,
        WordRecognition,
        PhoneRecognition,
        SlotFilling,
        Verification,
        Events,
    )
}


def parse_task(text: str) -> tuple[type[Task], dict[str, Any]]:
    """Return the task that an expression names, and all its settings.

    Raises:
        RunError: there is no such task or setting, or its value has a wrong type.
    """
    name, settings = parse(text, "task", {name: task.settings for name, task in TASKS.items()})
    return TASKS[name].of_settings(settings)


def writes_text(task: str | None) -> bool:
    """Return whether a task needs the text decoder of a backbone.

    Args:
        task: Its expression; None: the one that the data suggest, which needs none.
    """
    return bool(task) and parse_task(str(task))[0].needs_decoder


def suggest_task(label_name: str) -> type[Task]:
    """Return the task that the name of a label suggests; a classification, if no other does.

    Args:
        label_name: What the data call the label: `Dataset.label_name`.
    """
    for task in TASKS.values():
        if label_name in map(plain_name, task.suggested_by):
            return task
    return Classification


__all__ = [
    "TASKS",
    "Answering",
    "Classification",
    "Events",
    "Intent",
    "PhoneRecognition",
    "Regression",
    "Seq2Seq",
    "SlotFilling",
    "SpeechRecognition",
    "Tagging",
    "Task",
    "Translation",
    "Verification",
    "WordRecognition",
    "parse_task",
    "suggest_task",
    "writes_text",
]
