"""`ossicle export`: a trained run in the form of another library."""

from typing import Final

import typer

export: Final = typer.Typer(
    help="Write a trained run in the form of another library.", no_args_is_help=True
)
