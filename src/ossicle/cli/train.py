"""`ossicle train`: labelled recordings in, a trained adapter or ensemble out."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ossicle.cli import options as o
from ossicle.cli.early import check_started
from ossicle.cli.map_labels import MapLabels, renamed
from ossicle.cli.run_options import RunOptions, check_given
from ossicle.cli.stages import SIDES, change, print_pruned, print_stage
from ossicle.cli.train_members import Asked, train_members
from ossicle.paths import HERE, expand
from ossicle.training.config import TrainConfig

if TYPE_CHECKING:
    from ossicle.training.result import RunResult

ENSEMBLE: Final = "Ensemble"


def train(
    context: typer.Context,
    *,
    out: Annotated[Path, typer.Option(help="Run folder to write, new or empty.")],
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run in --out with its own settings.")
    ] = False,
    ensemble: Annotated[
        str | None,
        typer.Option(
            metavar="R,R,...",
            help="Train an ensemble of these recipes instead of one adapter with --recipe. Members "
            "get consecutive seeds.",
            rich_help_panel=ENSEMBLE,
        ),
    ] = None,
    vote: Annotated[
        str | None,
        typer.Option(help=f"{o.VOTE_HELP} Default: soft.", rich_help_panel=ENSEMBLE),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Fit each of K recipes to N / K parameters without the head, such as 250k in all.",
            rich_help_panel=ENSEMBLE,
        ),
    ] = None,
    map_labels: MapLabels = None,
    json: o.AsJson = False,
) -> None:
    """Train an adapter, keep the best epoch by validation, and test it once.

    With --ensemble, train several one after the other, and combine them.
    """
    options = renamed(context.obj, map_labels)
    asked = Asked(ensemble, vote, budget)
    if asked.is_ensemble(expand(out), resume=resume):
        train_members(out, options, asked, resume=resume, json=json)
        return
    if not resume:
        own = () if options.values["parent"] else ("backbone", "recipe")
        check_given(options.values, *own, "data")
    config = _checked(expand(out), options, resume=resume)

    from ossicle.cli.progress import progress_bars
    from ossicle.training.run import train as run

    with progress_bars() as bars:
        result = run(config, out, resume=resume, progress=bars)
    if not o.is_main():
        return
    if json:
        o.print_json({"out": str(out), **result.to_dict()})
    else:
        print_run(result, out, compiled=config.compile)


def print_run(result: "RunResult", out: Path, *, compiled: bool) -> None:
    """Print the result of a run."""
    sizes = result.parameters
    print(
        f"{result.recipe}: {sizes['trainable']:,} of {sizes['total']:,} parameters trained "
        f"({sizes['percent']:.2f} %), {result.train_seconds:.0f} s"
    )
    print(result.split)
    best, epochs = result.best_epoch, result.epochs
    print(f"best epoch {best} of {epochs} by validation {result.chosen_by}")
    o.print_metrics(result.test_metrics)
    if result.bare is not None:
        test = result.test_metrics
        print(change("without adapters", result.bare["test"], test, result.task, "gain"))
    if result.also is not None:
        before, after = (result.also[side] for side in SIDES)
        print(change(f"also {result.also['data']}", before, after, result.task))
    if result.stage is not None:
        print_stage(result.stage["tests"], result.task)
        if "pruned" in result.stage:
            print_pruned(result.stage["pruned"], result.task)
    print(o.cache_line(result.cache))
    if compiled:
        first, others = result.first_step_seconds, result.step_seconds
        print(f"compiled: the first step took {first:.1f} s, the others {others or first:.3f} s")
    print(f"adapter: {out} ({result.adapter_bytes / 1000:,.0f} kB)")


def _checked(out: Path, given: RunOptions, *, resume: bool) -> TrainConfig:
    """Return the settings of a run, after all checks that do not need torch."""
    from ossicle.training.folder import check_new, check_unlocked, places_of, read_config
    from ossicle.training.parent import find_parent
    from ossicle.training.stage_settings import check_parent_out, stage_config

    if resume:  # with the settings of the run; given options are compared with them
        check_unlocked(out)
        own = {name: given.values[name] for name in given.written}
        config = replace(read_config(out), **own)
        parent = find_parent(config, out, places_of(out))
    else:
        config = TrainConfig(**given.values)
        parent = find_parent(config)
        if parent is not None:
            check_parent_out(parent, out)
        check_new(out)
    config = stage_config(config, parent)
    check_started(config.backbone, config.data, places_of(out) if resume else HERE)
    return config
