"""The settings of a run as options: one for each field of `TrainConfig`, in one place."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from ossicle.cli import options as o
from ossicle.errors import RunError

OPTIONS: Final[dict[str, tuple[Any, Any]]] = {  # field -> its option, and what a run has without it
    "task": (
        Annotated[
            str | None,
            typer.Option(
                help="classification, intent, tagging, regression, asr, words, phones, slots, "
                "verification or events, with settings as in 'verification(loss=am-softmax)'. "
                "Default: what the data suggest."
            ),
        ],
        None,
    ),
    "head": (
        Annotated[
            str | None,
            typer.Option(
                help="mean, cls, meanstd or superb; frames or superb-frames for asr, phones, slots "
                "and events; speaker-mean, speaker-meanstd or speaker-attentive for verification. "
                "Default: the task's own."
            ),
        ],
        None,
    ),
    "epochs": (
        Annotated[
            int | None,
            typer.Option(
                help="Times every training recording is seen. Default: 10; in transcription as "
                "many as give 400 steps, from 10 to 100."
            ),
        ],
        None,
    ),
    "batch_size": (Annotated[int, typer.Option(help="Recordings in a batch.")], 16),
    "batch_seconds": (
        Annotated[
            float | None,
            typer.Option(help="Most seconds of a batch, padding included, instead of its size."),
        ],
        None,
    ),
    "accumulate": (Annotated[int, typer.Option(help="Batches in a step of the optimiser.")], 1),
    "lr": (
        Annotated[
            float | None,
            typer.Option(
                help="Of all that has none of its own in the recipe, the head included. "
                "Default: each method's own; 1e-2 for a head by frame, 1e-3 for others."
            ),
        ],
        None,
    ),
    "head_lr": (Annotated[float | None, typer.Option(help="Of the head; default: --lr.")], None),
    "optimizer": (
        Annotated[
            str, typer.Option(help="adamw or adam, as in 'adamw(beta2=0.98,eps=1e-6,decay=all)'.")
        ],
        "adamw",
    ),
    "weight_decay": (Annotated[float, typer.Option(help="On matrices.")], 0.01),
    "schedule": (
        Annotated[
            str,
            typer.Option(
                help="Of the rate: linear, cosine, constant, 'step(epochs=10,factor=0.1)', "
                "'tri-stage(hold=0.4,last=0.05)' or a factor for each epoch, 'epochs 0.1 0.5 1'."
            ),
        ],
        "linear",
    ),
    "warmup": (
        Annotated[float, typer.Option(help="Fraction of the steps over which the rate rises.")],
        0.1,
    ),
    "clip": (Annotated[float, typer.Option(help="Longest gradient; 0: any.")], 1.0),
    "patience": (
        Annotated[
            int | None, typer.Option(help="Epochs without a better one after which to stop.")
        ],
        None,
    ),
    "augment": (
        Annotated[
            str, typer.Option(help="speed, noise and mask, by comma: on training recordings.")
        ],
        "",
    ),
    "precision": (
        Annotated[str, typer.Option(help="float32, bfloat16, float16 or auto.")],
        "float32",
    ),
    "cache": (
        Annotated[
            str,
            typer.Option(
                help="Keep what the frozen part makes of recordings: auto (where it pays), off, "
                "float32 or float16."
            ),
        ],
        "auto",
    ),
    "compile": (
        Annotated[
            bool,
            typer.Option("--compile", help="Compile what trains; the first steps take long."),
        ],
        False,
    ),
    "max_seconds": (
        Annotated[
            float,
            typer.Option(help="Longer recordings: a random crop in training, windows afterwards."),
        ],
        10.0,
    ),
    "drop_short": (
        Annotated[
            bool,
            typer.Option(
                "--drop-short", help="Leave out recordings too short for their transcript."
            ),
        ],
        False,
    ),
    "fast": (
        Annotated[
            bool,
            typer.Option(
                "--fast/--no-fast", help="Exact shortcuts in place of the backbone's own modules."
            ),
        ],
        True,
    ),
    "stochastic": (
        Annotated[
            bool,
            typer.Option("--stochastic", help="Keep the backbone's dropout and SpecAugment on."),
        ],
        False,
    ),
    "track": (
        Annotated[
            str, typer.Option(help="Where curves go: tensorboard, wandb, ... by comma; or none.")
        ],
        "tensorboard",
    ),
    "device": (o.Device, "auto"),
}
Named = Annotated[
    str | None,
    typer.Option(
        help="Published training settings by name, e.g. ast/esc50 (see `ossicle settings`); "
        "options beside it go before."
    ),
]


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a run beside its own.

    It is handed `chosen`, the fields of `TrainConfig` by name, and `written`, the names of all
    options that stand on the command line or in the published settings that it names.
    """
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [
        parameter.replace(kind=keyword)
        for parameter in inspect.signature(command).parameters.values()
        if parameter.name not in ("chosen", "written")
    ]
    shared = [
        inspect.Parameter(name, keyword, default=default, annotation=kind)
        for name, (kind, default) in OPTIONS.items()
    ]
    named = inspect.Parameter("settings", keyword, default=None, annotation=Named)
    context = inspect.Parameter("context", keyword, annotation=typer.Context)

    def run(context: typer.Context, settings: str | None, **given: Any) -> None:
        written = {name for name in given if _is_written(context, name)}
        published = _published(settings)
        chosen = {name: given.pop(name) for name in OPTIONS}
        chosen |= {name: value for name, value in published.items() if name not in written}
        command(**given, chosen=chosen, written=written | set(published))

    parameters = [context, *own, named, *shared]
    # Typer reads the signature of a function; that it can be set is not in its type.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def _is_written(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _published(name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    from ossicle.training.published import published

    return published(name)


def needed(**values: str) -> None:
    """Raise unless all of these options are given."""
    if missing := [f"--{name}" for name, value in values.items() if not value]:
        raise RunError(f"a new run needs {', '.join(missing)} too; see `ossicle train --help`")
