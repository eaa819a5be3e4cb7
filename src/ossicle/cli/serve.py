"""`ossicle serve`: trained adapters over HTTP."""

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from ossicle.cli import options as o
from ossicle.cli.early import check_trained
from ossicle.errors import ServeError
from ossicle.paths import expand

MB = 1_000_000
PACKAGES = ("fastapi", "prometheus_client", "python_multipart", "uvicorn")


def serve(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Run, adapter or ensemble folders, or hf:USER/NAME[@REVISION] on the hub."
        ),
    ] = None,
    adapters: Annotated[
        Path | None,
        typer.Option(help="Serve all runs and ensembles below this folder, by their paths in it."),
    ] = None,
    allow_loading: Annotated[
        bool,
        typer.Option(
            "--allow-loading",
            help="Let clients load adapters from the folder of --adapters, and remove adapters.",
        ),
    ] = False,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. One that other computers reach needs a key, in the "
            "environment variable OSSICLE_API_KEY."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: a free one.")
    ] = 8000,
    backbone: o.MovedBackbone = None,
    device: o.Device = "auto",
    max_adapters: Annotated[int, typer.Option(min=1, help="Most adapters that are served.")] = 1000,
    max_resident: Annotated[
        int,
        typer.Option(
            min=1,
            help="Most adapters of a backbone in memory. Others are loaded from disk on demand.",
        ),
    ] = 256,
    max_backbones: Annotated[
        int,
        typer.Option(min=1, help="Most backbones in memory. An adapter `full` has one of its own."),
    ] = 4,
    max_rows: Annotated[int, typer.Option(min=1, help="Most rows of a batch.")] = 32,
    max_wait_ms: Annotated[
        float,
        typer.Option(min=0, help="Longest time that a row waits for others to share its batch."),
    ] = 5.0,
    max_requests: Annotated[
        int,
        typer.Option(min=1, help="Most requests at a time. Further ones get the status 429."),
    ] = 128,
    max_body_mb: Annotated[
        float, typer.Option(min=0.001, help="Largest body of a request, in MB.")
    ] = 32.0,
    max_recording_s: Annotated[float, typer.Option(min=0.001, help="Longest recording.")] = 600.0,
    max_decoding_s: Annotated[
        float, typer.Option(min=0.001, help="Longest time to decode a recording.")
    ] = 30.0,
    decoders: Annotated[
        int, typer.Option(min=1, help="Number of processes that decode recordings.")
    ] = 2,
    max_sending_s: Annotated[
        float,
        typer.Option(min=0.001, help="Longest time that a client may take to send a request."),
    ] = 30.0,
    max_answer_s: Annotated[
        float,
        typer.Option(
            min=0.001,
            help="Longest time for an answer. A request that is likely to take longer gets the "
            "status 429 at once.",
        ),
    ] = 120.0,
    drain_s: Annotated[
        float,
        typer.Option(min=0, help="Longest time to finish requests after SIGTERM or Ctrl-C."),
    ] = 30.0,
    engine: Annotated[
        str,
        typer.Option(
            help="local: one process here. ray: replicas on the Ray cluster that `ray start` has "
            "made."
        ),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="HOST:PORT of the head of the Ray cluster. Default: that of this node."),
    ] = None,
    replicas: Annotated[
        int, typer.Option(min=1, help="Processes with a backbone each, with --engine ray.")
    ] = 2,
) -> None:
    """Serve trained adapters over HTTP, those on one backbone in common batches.

    Stop it with Ctrl-C or SIGTERM: it answers what it has begun, and refuses new requests.
    """
    from ossicle.serving.settings import ServeSettings, read_key

    settings = ServeSettings(
        host=host,
        port=port,
        root=None if adapters is None else expand(adapters),
        allow_loading=allow_loading,
        backbone=backbone,
        device=device,
        max_adapters=max_adapters,
        max_resident=max_resident,
        max_backbones=max_backbones,
        max_rows=max_rows,
        max_wait_ms=max_wait_ms,
        max_requests=max_requests,
        max_body_bytes=round(max_body_mb * MB),
        max_recording_s=max_recording_s,
        max_decoding_s=max_decoding_s,
        decoders=decoders,
        max_sending_s=max_sending_s,
        max_answer_s=max_answer_s,
        drain_s=drain_s,
    )
    settings.check_host(read_key())
    if not runs and adapters is None:
        raise ServeError("there is nothing to serve; name a run, or a folder with --adapters")
    if allow_loading and adapters is None:
        raise ServeError("--allow-loading needs --adapters, the folder that clients load from")
    check_engine(engine, address, allow_loading=allow_loading)
    folders = [check_trained(run, backbone) for run in runs or ()]
    check_installed()

    from ossicle.serving.roots import named, runs_below

    chosen = named(folders)
    found = {} if settings.root is None else runs_below(settings.root)
    found = {name: one for name, one in found.items() if one.resolve() not in chosen.values()}
    if not folders and not found:
        raise ServeError(
            f"there is no run below '{settings.root}'; train one with `ossicle train --out "
            f"{settings.root}/NAME`, or name a run as well"
        )

    if engine == "ray":
        from ossicle.serving.ray_engine import serve_on_ray

        serve_on_ray(settings, chosen, found, address=address, replicas=replicas)
        return

    from ossicle.serving.run import serve as run_server

    run_server(settings, chosen, found)


def check_engine(engine: str, address: str | None, *, allow_loading: bool) -> None:
    """Raise unless the engine can be used with these options.

    Raises:
        ServeError: it is unknown, lacks a package, or does not go with another option.
        RunError: the address is not that of a head.
    """
    if engine not in ("local", "ray"):
        raise ServeError(f"--engine is '{engine}'; use local or ray")
    if engine == "local":
        if address is not None:
            raise ServeError("--address is that of a Ray cluster; give --engine ray as well")
        return
    from ossicle.trials.ray_engine import RayEngine

    RayEngine(address)
    if importlib.util.find_spec("grpc_reflection") is None:  # comes with ray[serve] alone
        raise ServeError(
            "--engine ray needs Ray Serve, which is missing: pip install 'ossicle[ray]'"
        )
    if allow_loading:
        raise ServeError(
            "--allow-loading is for one process, and replicas would differ; leave it out with "
            "--engine ray, and start again with other adapters"
        )


def check_installed() -> None:
    """Raise unless the packages of the extra `serve` are installed.

    Raises:
        ServeError: one is missing.
    """
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise ServeError(
                f"the package {package} is missing; install it with: pip install 'ossicle[serve]'"
            )
