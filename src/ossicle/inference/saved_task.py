"""The task that an adapter was trained for, as its folder describes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ossicle.adapters.folder import FACTS
from ossicle.data.text import composed_data
from ossicle.errors import AdapterFileError
from ossicle.inference.cohort import read_cohort
from ossicle.settings import Limits, check_value
from ossicle.tasks import TASKS, Task

WINDOW_S: Final = Limits(0, 10**6, above=True)  # far longer than any model input


def read_task(folder: Path, facts: Mapping[str, Any]) -> tuple[Task, float]:
    """Return the task of an adapter folder, and its longest window in seconds.

    Args:
        folder: The folder, for messages; it may hold the cohort of a verification.
        facts: The content of its `recipe.json`.

    Raises:
        AdapterFileError: the task is unknown or incomplete.
    """
    described = composed_data(facts["task"])
    if described.get("name") not in TASKS:
        raise AdapterFileError(
            f"'{folder}' was trained for the task {described.get('name')!r}; "
            f"this version knows: {', '.join(TASKS)}"
        )
    seconds = described.get("max_seconds")
    where = f"max_seconds in '{folder / FACTS}'"
    check_value(where, seconds, (float,), WINDOW_S, AdapterFileError)
    task = TASKS[described["name"]].from_dict(described)
    cohort = read_cohort(folder)
    return task if cohort is None else task.with_cohort(cohort), float(seconds)


def check_head(folder: Path, task: Task, head: Mapping[str, Any] | None) -> None:
    """Raise unless a head has as many outputs as its task needs.

    Args:
        folder: The adapter folder, for messages.
        task: The task.
        head: The entry `head` of its `recipe.json`.

    Raises:
        AdapterFileError: the head is missing, or has another number of outputs.
    """
    if head is None or head["outputs"] != task.num_outputs:
        raise AdapterFileError(
            f"'{folder}': the head has {head['outputs'] if head else 'no'} outputs and the task "
            f"{task.num_outputs}; fix {FACTS}, or copy it again"
        )
