"""`ossicle serve`: trained adapters over HTTP."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ossicle.cli import options as o
from ossicle.cli.early import check_trained
from ossicle.errors import ServeError
from ossicle.paths import expand


def serve(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Run, adapter or ensemble folders, or hf:USER/NAME[@REVISION] on the hub."
        ),
    ] = None,
    adapters: Annotated[
        Path | None,
        typer.Option(help="Serve all runs and ensembles below this folder too."),
    ] = None,
    allow_loading: Annotated[
        bool,
        typer.Option(
            "--allow-loading",
            help="Let clients load adapters below the folder of --adapters, and remove adapters.",
        ),
    ] = False,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. Other than this computer's own needs a key in the "
            "environment variable OSSICLE_API_KEY."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    device: o.Device = "auto",
) -> None:
    """Serve adapters over HTTP, all on one backbone in memory.

    Requests for any adapters share batches. Stop it with Ctrl-C or SIGTERM: it answers what it has
    begun, and refuses new requests.
    """
    from ossicle.serving.settings import KEY, ServeSettings

    settings = ServeSettings(
        host=host,
        port=port,
        root=None if adapters is None else expand(adapters),
        allow_loading=allow_loading,
        device=device,
    )
    settings.check_host(os.environ.get(KEY) or None)
    if not runs and adapters is None:
        raise ServeError("there is nothing to serve; name a run, or a folder with --adapters")
    if allow_loading and adapters is None:
        raise ServeError("--allow-loading needs --adapters, the folder that clients load from")
    folders = [check_trained(run, None) for run in runs or ()]
    check_installed()

    from ossicle.serving.catalogue import names_for, runs_below

    if settings.root is not None and not (allow_loading and not any(settings.root.iterdir())):
        folders += runs_below(settings.root)

    from ossicle.serving.run import serve as run_server

    run_server(settings, names_for(folders))


def check_installed() -> None:
    """Raise unless the packages of the extra `serve` are installed.

    Raises:
        ServeError: one is missing.
    """
    try:
        import fastapi  # noqa: F401
    except ImportError as error:
        raise ServeError(
            f"the package {error.name} is missing; install it with: pip install 'ossicle[serve]'"
        ) from error
