"""`ossicle derive`: connected words or verification trials from existing recordings."""

from pathlib import Path
from typing import Annotated

import typer

from ossicle.cli import options as o
from ossicle.errors import RunError

KINDS = ("words", "trials")


def derive(
    kind: Annotated[str, typer.Argument(help="What to derive: words or trials.")],
    data: o.Data,
    out: Annotated[Path, typer.Option(help="words: new folder to write. trials: file to write.")],
    count: Annotated[
        int,
        typer.Option(
            help="words: number of training strings. trials: maximum number of target and of "
            "non-target trials."
        ),
    ] = 1000,
    words: Annotated[
        str, typer.Option(help="Minimum and maximum number of words in a string.")
    ] = "3-7",
    pause: Annotated[str, typer.Option(help="Minimum and maximum pause in seconds.")] = "0.1-0.5",
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
) -> None:
    """Join recordings of words into strings with transcripts, or list verification trials."""
    if kind not in KINDS:
        raise RunError(f"'{kind}' cannot be derived; use {' or '.join(KINDS)}")

    from ossicle.data import open_data
    from ossicle.data.derive import connect, write_trials

    dataset = open_data(data)
    if kind == "trials":
        print(f"{out}: {write_trials(dataset, out, most=count, seed=seed):,} trials")
        return
    few, many = (int(number) for number in _range("words", words))
    made = connect(
        dataset, out, count=count, lengths=(few, many), pauses=_range("pause", pause), seed=seed
    )
    print(f"{made}: label=transcript for recognition, label=events for events in time")


def _range(option: str, text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split("-"))
    except ValueError as error:
        raise RunError(f"--{option} is '{text}'; expected two numbers, e.g. 3-7") from error
    return low, high
