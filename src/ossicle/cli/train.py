"""`ossicle train`: labelled recordings in, a trained adapter out."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ossicle.cli import options as o
from ossicle.errors import RunError

NEEDED: Final = ("backbone", "recipe", "data")
NO_SETTING: Final = ("out", "resume", "json")


def train(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="The run folder, new or empty.")],
    backbone: o.Backbone = "",
    recipe: o.RecipeText = "",
    data: o.Data = "",
    task: o.TaskName = "classification",
    head: o.TaskHead = None,
    epochs: o.Epochs = 10,
    batch_size: o.BatchSize = 16,
    lr: o.LearningRate = None,
    head_lr: o.HeadRate = None,
    weight_decay: o.WeightDecay = 0.01,
    warmup: o.Warmup = 0.1,
    max_seconds: o.MaxSeconds = 10.0,
    seed: Annotated[int, typer.Option(help="Of new parameters, order and crops.")] = 0,
    drop_short: o.DropShort = False,
    stochastic: o.Stochastic = False,
    device: o.Device = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, with its settings.")
    ] = False,
    json: o.AsJson = False,
) -> None:
    """Train an adapter; the best epoch by validation is kept and tested once."""
    missing = [f"--{name}" for name in NEEDED if not context.params[name]]
    if missing and not resume:
        raise RunError(f"a new run needs {', '.join(missing)} too; see `ossicle train --help`")

    from ossicle.cli.progress import progress_bars
    from ossicle.training.config import TrainConfig
    from ossicle.training.run import read_config
    from ossicle.training.run import train as run

    if resume:  # with its own settings; any that is given must agree with them
        config = replace(read_config(out), **_given(context))
    else:
        config = TrainConfig(
            backbone=backbone,
            recipe=recipe,
            data=data,
            task=task,
            head=head,
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            head_lr=head_lr,
            weight_decay=weight_decay,
            warmup=warmup,
            max_seconds=max_seconds,
            seed=seed,
            drop_short=drop_short,
            stochastic=stochastic,
            device=device,
        )
    with progress_bars() as bars:
        metrics = run(config, out, resume=resume, progress=bars)
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
    print(f"adapter: {out} ({metrics['adapter_bytes'] / 1000:,.0f} kB)")


def _given(context: typer.Context) -> dict[str, Any]:
    """Return the settings of a run that stand on the command line."""
    return {
        name: value
        for name, value in context.params.items()
        if name not in NO_SETTING
        and (source := context.get_parameter_source(name)) is not None
        and source.name == "COMMANDLINE"
    }
