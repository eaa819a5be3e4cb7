"""Tasks for tests: the one of the documentation, and each with the classes of its example."""

from pathlib import Path
from typing import Any
from unittest import mock

from ossicle.data import Dataset, Utterance
from ossicle.tasks import TASKS, Task

PAGE = Path(__file__).parents[2] / "docs/how-to/add-a-task.md"


def documented() -> type[Task]:
    """Return the task that the documentation adds."""
    text = PAGE.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    namespace: dict[str, Any] = {"__name__": "documented"}
    with mock.patch.dict(TASKS):
        exec(compile(text, PAGE.name, "exec"), namespace)
    return namespace["Counting"]


def dataset(*utterances: Utterance) -> Dataset:
    return Dataset("noise", utterances, utterances, utterances, False, given=True, note="")


def example_of(kind: type[Task]) -> Task:
    """Return a task with the classes of its example, without recordings."""
    utterances = [
        Utterance(f"{number}", Path(f"{number}.wav"), kind.example[number % 2])
        for number in range(8)
    ]
    return kind.from_dataset(dataset(*utterances))
