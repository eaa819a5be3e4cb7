"""`ossicle merge`: a trained run as a checkpoint that transformers loads without ossicle."""

from pathlib import Path
from typing import Annotated

import typer

from ossicle.cli import options as o
from ossicle.cli.early import check_trained
from ossicle.paths import expand


def merge(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run that writes text.")],
    out: Annotated[Path, typer.Option(help="Folder to write, new or empty.")],
    backbone: Annotated[
        str | None, typer.Option(help="Location of the backbone, if it has moved since training.")
    ] = None,
    json: o.AsJson = False,
) -> None:
    """Write a run as a checkpoint of transformers, with the adapters in its weights.

    The folder loads without ossicle: pipeline("automatic-speech-recognition", FOLDER). Adapters
    that are not linear, such as bottlenecks and prompts, are refused by name.
    """
    run = check_trained(run, backbone)
    from ossicle.training.merged import write_merged

    write_merged(run, expand(out), backbone)
    if json:
        o.print_json({"out": str(expand(out))})
    else:
        print(f'checkpoint: {out}; pipeline("automatic-speech-recognition", "{out}") runs it')
