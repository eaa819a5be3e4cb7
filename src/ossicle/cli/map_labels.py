"""The option `--map-labels`, which writes `map=...` into data strings."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ossicle.cli.run_options import RunOptions
from ossicle.errors import RunError
from ossicle.paths import HERE

MapLabels = Annotated[
    str | None,
    typer.Option(
        metavar="OLD=NEW,...",
        help="Rename labels of the data: OLD=NEW,OLD=NEW, or a .json or .csv file of old and new "
        "names. Each is renamed in the data that have it, as by map=... in a data string.",
    ),
]


def with_labels(data: Sequence[str], text: str | None, places: Sequence[Path] = HERE) -> list[str]:
    """Return data strings whose labels are renamed; unchanged without the option.

    Raises:
        DataError: the option or the data cannot be read, or no data have one of the labels.
    """
    if text is None:
        return list(data)
    from ossicle.data.labels import with_mappings
    from ossicle.data.mapping import read_mapping

    return with_mappings(data, read_mapping(text), places)


def renamed(options: RunOptions, text: str | None) -> RunOptions:
    """Return the options of a run with the labels of its data renamed.

    Raises:
        RunError: no data are given.
        DataError: as `with_labels`.
    """
    if text is None:
        return options
    if not options.values["data"]:
        raise RunError(
            "--map-labels renames the labels of --data, which is missing; give it too. A run that "
            "is resumed keeps its labels: leave --map-labels out"
        )
    (data,) = with_labels([options.values["data"]], text)
    return replace(options, values={**options.values, "data": data})
