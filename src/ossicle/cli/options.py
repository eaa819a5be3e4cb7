"""Options shared by several commands, and printing of results."""

import os
import re
from collections.abc import Collection
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated, Any, Final, Literal

import typer

from ossicle import strict_json
from ossicle.cli.run_options import field_help

Backbone = Annotated[str, typer.Option(help=field_help("backbone"))]
RecipeText = Annotated[str, typer.Option(help=field_help("recipe"))]
Data = Annotated[str, typer.Option(help=field_help("data"))]
HeadName = Annotated[
    str,
    typer.Option(help="Head of the model (see `ossicle tasks`)."),
]
Run = Annotated[
    Path,
    typer.Argument(help="Run, adapter or ensemble folder, or hf:USER/NAME[@REVISION] on the hub."),
]
MovedBackbone = Annotated[
    str | None, typer.Option(help="Location of the backbone, if it has moved since training.")
]
BatchSize = Annotated[int, typer.Option(min=1, max=10**6, help="Recordings in a batch.")]
Decoder = Annotated[
    str | None,
    typer.Option(
        help="Decoder of transcriptions: greedy (default) or beam search, with settings as in "
        "'beam(size=50,lm=words.arpa,lm_weight=2,word_score=0)'."
    ),
]
VOTE_HELP: Final = (
    "How members decide: majority, soft (mean of probabilities), weighted, stacked or rover; not "
    "every task has each of them."
)
VoteName = Annotated[str, typer.Option(help=VOTE_HELP)]
Device = Annotated[str, typer.Option(help=field_help("device"))]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")]


def is_main() -> bool:
    """Return whether this process prints: only the first of a launch does."""
    return os.environ.get("RANK", "0") == "0"


def print_json(data: Any) -> None:
    """Print plain data on one line of stdout."""
    print(strict_json.dumps(data), flush=True)


def print_table(
    header: list[str],
    rows: list[list[str]],
    *,
    right: int | None = None,
    left: Collection[int] = (),
) -> None:
    """Print a table on stdout.

    Args:
        header: Headings of the columns.
        rows: Its cells.
        right: Index of the first column that is not wrapped and, but for `left`, right-aligned.
        left: Indices of left-aligned columns after that one.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(header):
        as_given = right is not None and number >= right
        flush_right = as_given and number not in left
        justify: Literal["left", "right"] = "right" if flush_right else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=as_given)
    for row in rows:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    console.print(table)


def wrapped(text: str, width: int) -> list[str]:
    """Wrap a text at spaces and after commas, so that an expression wraps between its sites.

    A word that is longer than a line is broken.
    """
    lines = [""]
    for piece in re.findall(rf"[^, ]{{1,{width}}},? *|[, ]+", text):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def print_metrics(found: dict[str, Any]) -> None:
    """Print test metrics with their intervals, details of the task, and the confusion matrix."""
    unit = f"{found['interval_units']} {found['interval_unit']}s"
    print(f"{found['count']} recordings; 95 % bootstrap intervals over {unit}")
    if found.get("interval_note"):
        print(found["interval_note"])
    from ossicle.tasks import TASKS

    task = TASKS[found["task"]]
    width = max(9, *(len(metric.label) + 1 for metric in task.reported.values()))
    for key, metric in task.reported.items():
        value, bounds = found[key], found["intervals"][key]
        if value is None:
            print(f"  {metric.label:<{width}}not available")
            continue
        interval = f"interval not available: {found.get('interval_missing')}"
        if bounds is not None:
            interval = f"[{metric.number(bounds[0])}, {metric.number(bounds[1])}]"
        print(f"  {metric.label:<{width}}{metric.number(value):>6}{metric.unit:2}   {interval}")
    for line in task.details(found):
        print(f"  {line}")
    if "confusion" not in found:
        return
    labels, confusion = found["labels"], found["confusion"]
    rows = [[label, *map(str, row)] for label, row in zip(labels, confusion, strict=True)]
    header = ["true \\ predicted", *labels]
    width = sum(3 + max(map(len, column)) for column in zip(header, *rows, strict=True))
    if width <= get_terminal_size().columns:
        print_table(header, rows, right=1)
    else:
        _print_confusions(labels, confusion)


def _print_confusions(labels: list[str], confusion: list[list[int]], most: int = 10) -> None:
    """Print the most frequent confusions, for a matrix that is too wide."""
    pairs = [
        (count, true, said)
        for true, row in zip(labels, confusion, strict=True)
        for said, count in zip(labels, row, strict=True)
        if count and said != true
    ]
    print(f"{len(pairs)} pairs of classes confused" + (", the most frequent:" if pairs else ""))
    for count, true, said in sorted(pairs, key=lambda pair: -pair[0])[:most]:
        print(f"  {count:>4}  '{true}' predicted as '{said}'")


def cache_line(cache: dict[str, Any]) -> str:
    """Return a line on what a run cached of its frozen part, or why it cached nothing."""
    if cache["kept"] is None:
        return f"cache: off; {cache['why']}"
    lost = f"; {cache['damaged']} damaged entries were recomputed" if "damaged" in cache else ""
    lost += f"; {cache['fault']}, so some outputs are not cached" if "fault" in cache else ""
    return (
        f"cache: {cache['cut']}, in {cache['kept']}; {cache['computed']:,} computed, "
        f"{cache['read']:,} read{lost}"
    )
