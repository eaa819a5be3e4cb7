"""`ossicle train`: labelled recordings in, a trained adapter out."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ossicle.cli import options as o
from ossicle.cli.early import check_started
from ossicle.cli.run_options import needed, takes_settings
from ossicle.paths import HERE, expand

if TYPE_CHECKING:
    from ossicle.training.config import TrainConfig


@takes_settings
def train(
    *,
    out: Annotated[Path, typer.Option(help="The run folder, new or empty.")],
    backbone: o.Backbone = "",
    recipe: o.RecipeText = "",
    data: o.Data = "",
    seed: Annotated[int, typer.Option(help="Of new parameters, order and crops.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, with its settings.")
    ] = False,
    json: o.AsJson = False,
    chosen: dict[str, Any],
    written: set[str],
) -> None:
    """Train an adapter; the best epoch by validation is kept and tested once."""
    if not resume:
        needed(backbone=backbone, recipe=recipe, data=data)
    own: dict[str, Any] = {"backbone": backbone, "recipe": recipe, "data": data, "seed": seed}
    config = _checked(expand(out), own | chosen, written, resume=resume)

    from ossicle.cli.progress import progress_bars
    from ossicle.training.run import train as run

    with progress_bars() as bars:
        metrics = run(config, out, resume=resume, progress=bars)
    if not o.is_main():
        return
    if json:
        o.print_json({"out": str(out), **metrics})
        return
    sizes, test = metrics["parameters"], metrics["test"]
    print(
        f"{metrics['recipe']}: {sizes['trainable']:,} of {sizes['total']:,} parameters trained "
        f"({sizes['percent']:.2f} %), {metrics['train_seconds']:.0f} s"
    )
    print(metrics["split"])
    best, epochs = metrics["best_epoch"], metrics["epochs"]
    print(f"best epoch {best} of {epochs} by validation {metrics['chosen_by']}")
    o.print_figures(test)
    print(o.cache_line(metrics["cache"]))
    if config.compile:
        first, others = metrics["first_step_seconds"], metrics["step_seconds"]
        print(f"compiled: the first step took {first:.1f} s, the others {others or first:.3f} s")
    print(f"adapter: {out} ({metrics['adapter_bytes'] / 1000:,.0f} kB)")


def _checked(out: Path, given: dict[str, Any], written: set[str], *, resume: bool) -> "TrainConfig":
    """Return the settings of a run after every check that needs no torch."""
    from ossicle.training.config import TrainConfig
    from ossicle.training.folder import check_new, check_unlocked, places_of, read_config

    if resume:  # with its own settings; any that is given must agree with them
        check_unlocked(out)
        own = {name: value for name, value in given.items() if name in written}
        config = replace(read_config(out), **own)
    else:
        config = TrainConfig(**given)
        check_new(out)
    check_started(config.backbone, config.data, places_of(out) if resume else HERE)
    return config
