"""The tables of the reference page of tasks are generated from the tasks.

Regenerate them with `python tests/contract/test_task_page.py`.
"""

import inspect
import re
from collections.abc import Iterable
from pathlib import Path

from task_examples import example_of

from ossicle.data.roles import LABEL_COLUMNS
from ossicle.tasks import TASKS, Task
from ossicle.votes import votes_of

PAGE = Path(__file__).parents[2] / "docs/reference/tasks.md"
ANSWERS = {
    "choice": "one of several options",
    "presence": "whether each option is there",
    "number": "numbers",
}
ENSEMBLES = (
    "What the outputs of the members of an ensemble say, and the votes that combine them. A label\n"
    "has a confidence if it is one of several options, but not in each frame."
)
BEGIN, END = "<!-- tables of tasks: begin -->", "<!-- tables of tasks: end -->"


def tables() -> str:
    """Return the tables between the two marks of the page."""
    parts = [
        table("task | predicts | label | example | suggested by", map(label_row, TASKS.values())),
        table("task | heads (default first) | loss | metrics", map(metric_row, TASKS.values())),
        table("task | answers of an output | votes of an ensemble", map(vote_row, TASKS.values())),
        "In parentheses: `--task 'verification(loss=am-softmax,margin=0.2)'`.",
        table("task | setting | meaning | default", settings_rows()),
    ]
    headings = ("", "", f"## Ensembles\n\n{ENSEMBLES}\n\n", "## Settings\n\n", "")
    text = "\n\n".join(a + b for a, b in zip(headings, parts, strict=True))
    return f"{BEGIN}\n\n{text}\n\n{END}"


def table(header: str, rows: Iterable[list[str]]) -> str:
    cells = [header.split(" | "), ["---"] * len(header.split(" | ")), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def label_row(task: type[Task]) -> list[str]:
    columns = [one for name in task.suggested_by for one in LABEL_COLUMNS.get(name, (name,))]
    shown = [f"`{one}`" for one in columns]
    example = f"<code>{escaped(task.example[0])}</code>"
    return [f"`{task.name}`", task.about, escaped(task.label_format), example, ", ".join(shown)]


def metric_row(task: type[Task]) -> list[str]:
    first_line = (inspect.getdoc(task.loss) or "").partition("\n")[0]
    loss = re.sub("^Return (the )?", "", first_line).rstrip(".")
    heads = ", ".join(f"`{head}`" for head in task.heads)
    metrics = ", ".join(metric.label for metric in task.reported.values())
    return [f"`{task.name}`", heads, loss, metrics]


def vote_row(kind: type[Task]) -> list[str]:
    """Return the kinds of answer in an output, and the votes that can be taken on them."""
    task = example_of(kind)
    kinds = dict.fromkeys(answer.kind for answer in task.answers)
    each = " in each frame" if task.by_frame else ""
    votes = ", ".join(f"`{vote.name}`" for vote in votes_of(task))
    without = "none: a text" if task.needs_decoder else "none: an embedding"
    said = f"{'; '.join(ANSWERS[one] for one in kinds)}{each}" if kinds else without
    return [f"`{kind.name}`", said, votes]


def settings_rows() -> list[list[str]]:
    """Return a row for each setting, with all the tasks that have it."""
    tasks_by_row: dict[tuple[str, ...], list[str]] = {}
    for task in TASKS.values():
        for name, setting in task.settings.items():
            row = (f"`{name}`", setting.about, f"`{setting.default}`")
            tasks_by_row.setdefault(row, []).append(f"`{task.name}`")
    return [[", ".join(tasks), *row] for row, tasks in tasks_by_row.items()]


def escaped(text: str) -> str:
    return text.replace("|", "&#124;")


def test_the_tables_of_the_page_are_those_of_the_tasks() -> None:
    assert tables() in PAGE.read_text(encoding="utf-8"), f"run python {Path(__file__).name}"


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    inside = re.compile(f"{BEGIN}.*{END}", re.DOTALL)
    PAGE.write_text(inside.sub(lambda _: tables(), text), encoding="utf-8")
