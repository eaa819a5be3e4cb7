"""`ossicle derive`: connected words or verification trials from recordings that are there."""

from pathlib import Path
from typing import Annotated

import typer

from ossicle.cli import options as o
from ossicle.errors import RunError

KINDS = ("words", "trials")


def derive(
    kind: Annotated[str, typer.Argument(help="words or trials.")],
    data: o.Data,
    out: Annotated[Path, typer.Option(help="words: a new folder. trials: a file.")],
    count: Annotated[
        int, typer.Option(help="words: strings for training. trials: most of each kind.")
    ] = 1000,
    words: Annotated[str, typer.Option(help="Fewest and most words of a string.")] = "3-7",
    pause: Annotated[str, typer.Option(help="Shortest and longest pause in seconds.")] = "0.1-0.5",
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
) -> None:
    """Make recordings of several words in a row, with exact transcripts; or verification trials."""
    if kind not in KINDS:
        raise RunError(f"nothing to derive is called '{kind}'; use {' or '.join(KINDS)}")

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
        raise RunError(f"--{option} is '{text}'; write two numbers, as in 3-7") from error
    return low, high
