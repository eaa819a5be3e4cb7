"""`ossicle report`: write the report of a study again, from its folder alone."""

from pathlib import Path
from typing import Annotated

import typer

from ossicle.cli import options as o
from ossicle.errors import HubError
from ossicle.paths import HubName, expand
from ossicle.studies.record import check_report


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a study.", metavar="DIR")],
    *,
    embeddings: Annotated[
        bool,
        typer.Option(
            "--embeddings",
            help="Compute embeddings of test recordings with the best adapters, and map them.",
        ),
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Compare hidden states of the best recipes, and what their decisions depend on.",
        ),
    ] = False,
    json: o.AsJson = False,
) -> None:
    """Write the report of a study from its folder alone; trials may be missing or running."""
    if HubName.parse(folder) is not None:
        raise HubError(
            f"'{folder}' is on the hub, and a report is written to the folder of a study, which "
            "has to be on this machine. `ossicle inspect` shows a run on the hub"
        )
    check_report(expand(folder))

    from ossicle.cli.progress import progress_bars
    from ossicle.cli.study_output import print_study
    from ossicle.studies.run import report_study

    with progress_bars() as bars:
        found = report_study(folder, embeddings=embeddings, explain=explain, progress=bars)
    print_study(found, json=json)
