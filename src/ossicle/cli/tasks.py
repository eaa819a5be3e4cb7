"""`ossicle tasks`: the tasks with their heads and settings."""

from typing import Annotated, Any

import typer

from ossicle.cli import options as o
from ossicle.settings import check_known


def tasks(
    name: Annotated[
        str, typer.Argument(help="Show the settings of this task. Default: list all tasks.")
    ] = "",
    json: o.AsJson = False,
) -> None:
    """List the tasks and their heads, or show the settings of one task."""
    from ossicle.tasks import TASKS

    if name:
        check_known("task", name, TASKS)
    if json:
        o.print_json({key: _card(TASKS[key]) for key in TASKS if name in ("", key)})
        return
    if not name:
        rows = [[key, task.about, ", ".join(task.heads)] for key, task in TASKS.items()]
        o.print_table(["task", "predicts", "heads (default first)"], rows)
        return
    task = TASKS[name]
    print(f"{name}: {task.about}\nlabel: {task.label_format}, e.g. {task.example[0]}")
    print(f"heads (default first): {', '.join(task.heads)}")
    if task.settings:
        rows = [[key, one.about, str(one.default)] for key, one in task.settings.items()]
        o.print_table(["setting", "meaning", "default"], rows)


def _card(task: Any) -> dict[str, Any]:
    settings = {
        key: {"about": one.about, "default": one.default} for key, one in task.settings.items()
    }
    label = {"format": task.label_format, "example": task.example[0]}
    return {"about": task.about, "label": label, "heads": list(task.heads), "settings": settings}
