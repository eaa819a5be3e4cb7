"""`ossicle prune`: a trained adapter in, a smaller one out, or several of decreasing size."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ossicle.cli import options as o
from ossicle.cli.run_options import field_help
from ossicle.errors import RunError
from ossicle.paths import HubName, expand
from ossicle.recipes.budget import parse_count
from ossicle.settings import Limits, check_value, read_value

if TYPE_CHECKING:
    from ossicle.training.config import TrainConfig
    from ossicle.training.parent import Parent

SHARE = Limits(0, 1, above=True, below=True)


def prune(
    run: Annotated[Path, typer.Argument(help="Finished run: a folder or hf:USER/NAME[@REVISION].")],
    out: Annotated[
        Path,
        typer.Option(help="Run folder to write, new or to be continued; of --curve, of several."),
    ],
    to: Annotated[
        str | None,
        typer.Option(metavar="N", help="Parameters to keep, without the head, such as 100k."),
    ] = None,
    keep: Annotated[
        float | None, typer.Option(metavar="X", help="Share of the parameters to keep.")
    ] = None,
    curve: Annotated[
        str | None,
        typer.Option(
            metavar="X,X,...",
            help="Shares to keep, such as 0.75,0.5,0.25,0.1: a run for each in --out, and a report "
            "with the metric against the parameters.",
        ),
    ] = None,
    by: Annotated[
        str,
        typer.Option(help="What goes first: sensitivity, taylor, gates, magnitude or random."),
    ] = "taylor",
    unit: Annotated[
        str | None,
        typer.Option(
            help="What is removed: widths (ranks and widths within adapters) or adapters.",
            show_default="widths",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Epochs to train on. Default: as many as the run was to train."),
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="Peak learning rate. Default: that of the run.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Recordings to train on. Default: those of the run.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help=f"{field_help('device')} Default: that of the run.")
    ] = None,
    json: o.AsJson = False,
) -> None:
    """Remove what matters least of a trained adapter, and train the rest on.

    Importance comes from the training recordings of the run. --out becomes a run folder like any
    other, with a smaller adapter and its recipe. Repeated, the command continues where it stopped.
    """
    shares = _shares(curve)
    _check_sizes(to, keep, shares)
    if data is None and HubName.parse(run) is not None:
        raise RunError(
            f"the recordings of '{run}' stay with its owner; name those to train on with --data"
        )
    from ossicle.training.located import locate_run
    from ossicle.training.parent import open_parent
    from ossicle.training.stage_settings import check_parent_out, check_prunable, pruning_config

    parent = open_parent(locate_run(run))
    check_prunable(parent)
    check_parent_out(parent, expand(out))
    given = {"epochs": epochs, "lr": lr, "device": device}
    changes = {name: value for name, value in given.items() if value is not None}

    def config(size: str) -> "TrainConfig":
        inside = size if unit is None else f"{size}, unit={unit}"
        return pruning_config(parent, run, f"{by}({inside})", data, **changes)

    if shares:
        _curve(parent, expand(out), {x: config(f"keep={x:g}") for x in shares}, json=json)
    else:
        _one(config(f"keep={keep:g}" if to is None else f"to={to}"), expand(out), json=json)


def _one(config: "TrainConfig", out: Path, *, json: bool) -> None:
    """Prune and train one run, and print its result."""
    from ossicle.cli.train import print_run

    _check(config, out)
    result = _trained(config, out)
    if not o.is_main():
        return
    if json:
        o.print_json({"out": str(out), **result.to_dict()})
    else:
        print_run(result, out, compiled=config.compile)


def _curve(parent: "Parent", out: Path, configs: dict[float, "TrainConfig"], *, json: bool) -> None:
    """Prune and train a run for each share, and write the report."""
    folders = {share: out / f"keep-{share:g}" for share in configs}
    _check_curve_out(out)
    for share, config in configs.items():
        _check(config, folders[share])

    from ossicle.reports import write_report
    from ossicle.studies.pruning.curve import COLUMNS, curve_report, point_of, unpruned_point

    points = []
    for share, config in configs.items():
        _trained(config, folders[share])
        points.append(point_of(folders[share], share))
    if not o.is_main():
        return
    whole = unpruned_point(parent, points)
    page = write_report(curve_report(parent, [whole, *points], out), out)
    if json:
        o.print_json({"out": str(out), "points": [vars(one) for one in (whole, *points)]})
        return
    shown = [[*one.texts().values()][:-1] for one in (whole, *points)]  # recipes are too long here
    o.print_table(list(COLUMNS[:-1]), shown, right=1)
    print(f"report: {page}")


def _trained(config: "TrainConfig", out: Path) -> Any:
    from ossicle.cli.progress import progress_bars
    from ossicle.training.folder import CONFIG
    from ossicle.training.run import train

    with progress_bars() as bars:
        return train(config, out, resume=(out / CONFIG).is_file(), progress=bars)


def _check(config: "TrainConfig", out: Path) -> None:
    """Raise unless a run with these settings can start, or continue, in a folder."""
    from ossicle.cli.early import check_started
    from ossicle.training.folder import CONFIG, check_new, check_unlocked
    from ossicle.training.parent import find_parent
    from ossicle.training.stage_settings import stage_config

    if (out / CONFIG).is_file():
        check_unlocked(out)
    else:
        check_new(out)
    config = stage_config(config, find_parent(config, out))
    check_started(config.backbone, config.data)


def _check_curve_out(out: Path) -> None:
    from ossicle.training.folder import CONFIG

    if (out / CONFIG).is_file():
        raise RunError(f"'{out}' is a run folder, and --curve writes several; choose another --out")
    if out.is_dir() and not (any(out.glob("keep-*")) or not any(out.iterdir())):
        raise RunError(f"'{out}' is not empty; choose a new folder for --curve")


def _shares(text: str | None) -> list[float]:
    """Return the shares of `--curve`, from the largest."""
    if text is None:
        return []
    words = [word.strip() for word in text.split(",") if word.strip()]
    found = [float(read_value("a share of --curve", word, (float,), SHARE)) for word in words]
    if not found or len(set(found)) < len(found):
        raise RunError(f"--curve is '{text}'; expected different shares, such as 0.75,0.5,0.25,0.1")
    return sorted(found, reverse=True)


def _check_sizes(to: str | None, keep: float | None, shares: Sequence[float]) -> None:
    """Raise unless one size, or a curve of sizes, is asked for."""
    given = [
        name
        for name, value in (("--to", to), ("--keep", keep), ("--curve", shares or None))
        if value is not None
    ]
    if len(given) != 1:
        what = " and ".join(given) or "no size"
        raise RunError(f"{what} given; give one of --to N, --keep X and --curve X,X")
    if to is not None:
        parse_count(to)
    if keep is not None:
        check_value("--keep", keep, (float,), SHARE)
