"""`ossicle study NAME`: run a grid of trials and report on it; `ossicle compare` is one of them.

Every study is a command with its own options, those of the grid, and those of `ossicle train`.
"""

from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import typer
from typer.core import TyperOption

from ossicle.cli import options as o
from ossicle.cli.early import check_started
from ossicle.cli.map_labels import MapLabels, with_labels
from ossicle.cli.run_options import RunCommand, RunOptions, options_from
from ossicle.cli.stop import stoppable
from ossicle.errors import RunError
from ossicle.paths import expand
from ossicle.recipes.budget import parse_count
from ossicle.studies import STUDIES, Methods, Study
from ossicle.studies.command import REPLACED
from ossicle.studies.grid import BASELINES, Grid
from ossicle.studies.record import check_study
from ossicle.training.config import TrainConfig
from ossicle.trials.ray_engine import RayEngine
from ossicle.trials.shard import Shard

if TYPE_CHECKING:
    from ossicle.trials.engine import Engine

GRID: Final = "Grid"
ENGINE: Final = "Trials"
FAILED: Final = 1  # exit status where some trials failed

Recipes = Annotated[
    str,
    typer.Option(
        help="Recipes, or names of sets of them (see `ossicle recipes`), separated by commas. The "
        "others are tested against the first.",
        rich_help_panel=GRID,
        show_default="the study's",
    ),
]
Seeds = Annotated[
    str,
    typer.Option(
        help="Seeds, separated by commas. Default: 0; of the studies claims, domains, prune and "
        "search, 0 to 4.",
        rich_help_panel=GRID,
        show_default=False,
    ),
]
Folds = Annotated[
    str | None,
    typer.Option(
        help="Test every recording once: all for the folds of the corpus, or a number of folds "
        "drawn by speaker.",
        rich_help_panel=GRID,
    ),
]
Budget = Annotated[
    str,
    typer.Option(
        help="Numbers of trained parameters to fit each recipe to, separated by commas, e.g. "
        "100k,1M; without the head.",
        rich_help_panel=GRID,
    ),
]
Data = Annotated[
    list[str],
    typer.Option(
        help="Labelled recordings, as for `ossicle train`; may be repeated.", rich_help_panel=GRID
    ),
]
Backbones = Annotated[
    list[str],
    typer.Option(
        help="Pretrained model, as for `ossicle train`; may be repeated.", rich_help_panel=GRID
    ),
]
Baseline = Annotated[
    str,
    typer.Option(
        help=f"Baselines to add, separated by commas: {', '.join(BASELINES)}.", rich_help_panel=GRID
    ),
]
Out = Annotated[
    Path, typer.Option(help="Folder of the study, new or to be continued.", rich_help_panel=ENGINE)
]
TrialsFolder = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the trials, which several studies can share. Default: in --out.",
        rich_help_panel=ENGINE,
    ),
]
EngineName = Annotated[
    Literal["local", "ray"],
    typer.Option(
        help="What runs the trials: processes on this machine, or a Ray cluster.",
        rich_help_panel=ENGINE,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="HOST:PORT of the head of the Ray cluster, or auto for the cluster of this machine.",
        rich_help_panel=ENGINE,
        show_default="auto",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Trials to run at the same time. Default: as many as cores and memory allow.",
        rich_help_panel=ENGINE,
    ),
]
ShardText = Annotated[
    str | None,
    typer.Option(
        help="Run only a part of the trials, e.g. 3/16 for the third of sixteen parts.",
        rich_help_panel=ENGINE,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="List the trials with their parameters and an estimate of time; write nothing.",
        rich_help_panel=ENGINE,
    ),
]


@dataclass(frozen=True, kw_only=True)
class _Given:
    """The options of a study that are not those of a run."""

    out: Path
    trials: Path | None
    engine: "Engine | None"
    workers: int | None
    shard: Shard | None


def _study_command(study_type: type[Study]) -> type[RunCommand]:
    """Return the class of a study's command, which has its own options besides those of a run."""

    class StudyCommand(RunCommand):
        own: ClassVar[frozenset[str]] = REPLACED | {one.name for one in fields(study_type)}

        def __init__(self, *given: Any, params: list[Any], **others: Any) -> None:
            for one in params:
                if default := {"backbone": study_type.backbones, "data": study_type.data}.get(
                    one.name
                ):
                    one.required, one.default = False, list(default)
            super().__init__(*given, params=[*options_from(study_type), *params], **others)
            for one in self.params:
                if isinstance(one, TyperOption):
                    one.hidden = one.name in study_type.without

        def invoke(self, ctx: Any) -> Any:
            """Store the study in the context, and run the command."""
            own = {one.name: ctx.params.pop(one.name) for one in fields(study_type)}
            ctx.meta["study"] = study_type(**own)
            return super().invoke(ctx)

    return StudyCommand


def study(
    context: typer.Context,
    *,
    backbone: Backbones,
    data: Data,
    out: Out,
    recipes: Recipes = "",
    seeds: Seeds = "",
    folds: Folds = None,
    budget: Budget = "",
    baseline: Baseline = "",
    trials: TrialsFolder = None,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    shard: ShardText = None,
    dry_run: DryRun = False,
    map_labels: MapLabels = None,
    json: o.AsJson = False,
) -> None:
    """Run the trials that are not finished, and write the report."""
    chosen: Study = context.meta["study"]
    options: RunOptions = context.obj
    for one, other in product(backbone, data):
        check_started(one, other)
    given = _Given(
        out=expand(out),
        trials=None if trials is None else expand(trials),
        engine=engine_of(engine, address, workers),
        workers=workers,
        shard=None if shard is None else Shard.parse(shard),
    )
    check_study(given.out, chosen.name)
    used = chosen.data_used(data)
    renamed = dict(zip(used, with_labels(used, map_labels if used else None), strict=True))
    data = [renamed.get(one, one) for one in data]
    chosen = chosen.with_own_data([renamed[one] for one in chosen.own_data])
    config = TrainConfig(recipe="", backbone=backbone[0], data=data[0], **options.values)
    numbers = _seeds(seeds) if seeds else chosen.seeds
    budgets = tuple(parse_count(one) for one in _parts(budget))

    grid = Grid(
        config=config,
        seeds=numbers,
        data=tuple(data),
        backbones=tuple(backbone),
        folds=folds,
        budgets=budgets,
        baselines=tuple(_parts(baseline)),
    )

    from ossicle.recipes.text import split_recipes  # imports torch

    grid = replace(grid, recipes=tuple(split_recipes(recipes)))
    if dry_run:
        from ossicle.cli.dry_run import dry_run as show
        from ossicle.studies.run import TRIALS

        show(chosen, grid, given.trials or given.out / TRIALS, workers, shard, json=json)
        return
    _run(chosen, grid, given, json=json)


def _run(chosen: Study, grid: Grid, given: _Given, *, json: bool) -> None:
    from ossicle.cli.study_output import print_study
    from ossicle.cli.study_progress import study_progress
    from ossicle.studies.run import run_study

    with study_progress() as shown:
        found = run_study(
            chosen,
            grid,
            given.out,
            trials_folder=given.trials,
            engine=given.engine,
            workers=given.workers,
            shard=given.shard,
            on_event=shown.on_event,
            on_declared=shown.on_declared,
            progress=shown.checking,
        )
    print_study(found, json=json)
    if found.failed:
        raise typer.Exit(FAILED)


def engine_of(name: str, address: str | None, workers: int | None) -> "Engine | None":
    """Return the engine of a name; None for worker processes on this machine."""
    if name == "ray":
        return RayEngine(address=address, workers=workers)
    if address is not None:
        raise RunError("--address is that of a Ray cluster; give --engine ray as well")
    return None


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(seed) for seed in text.split(","))
    except ValueError as error:
        raise RunError(f"--seeds is '{text}'; expected whole numbers, e.g. 0,1,2") from error


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def add_studies(app: typer.Typer) -> None:
    """Add `study NAME` for every study, and `compare`."""
    group = typer.Typer(
        help="Run a grid of trials that survives interruptions, and report on it.",
        no_args_is_help=True,
    )
    run = stoppable(study)
    for name, study_type in STUDIES.items():
        source = f" As in {study_type.source}." if study_type.source else ""
        about = f"{study_type.verb} {study_type.about}.{source}"
        group.command(name, cls=_study_command(study_type), help=about)(run)
    app.add_typer(group, name="study")
    app.command(
        "compare",
        cls=_study_command(Methods),
        help="Compare recipes on the same recordings: the same as `ossicle study methods`.",
    )(run)
