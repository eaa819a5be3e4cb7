"""`ossicle search`: recordings and a budget in, a recipe and its trained run out."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

import typer

from ossicle.cli import options as o
from ossicle.cli.early import check_started
from ossicle.cli.map_labels import MapLabels, renamed
from ossicle.cli.run_options import RunCommand, RunOptions, check_given
from ossicle.cli.study import Address, EngineName, Workers, engine_of
from ossicle.paths import expand
from ossicle.recipes.budget import parse_count
from ossicle.studies.command import STAGED, changed_options
from ossicle.studies.search_record import SearchRecord, open_record
from ossicle.training.config import TrainConfig

if TYPE_CHECKING:
    from ossicle.studies.search_run import SearchOutcome

SEARCH: Final = "Search"
DEFAULT_STRATEGY: Final = "tpe"
DEFAULT_CANDIDATES: Final = "skip,bottleneck,parallel,lora,bias"
DEFAULT_TRIALS: Final = 16


class SearchCommand(RunCommand):
    """The command of a search, which chooses the recipe itself."""

    own: ClassVar[frozenset[str]] = STAGED | {"recipe", "track", "also", "also_task"}


def search(
    context: typer.Context,
    *,
    budget: Annotated[
        str,
        typer.Option(
            metavar="N",
            help="Most parameters that the recipe may train, without the head, e.g. 250k.",
            rich_help_panel=SEARCH,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(help="Folder of the search, new or to be continued.", rich_help_panel=SEARCH),
    ],
    strategy: Annotated[
        str,
        typer.Option(
            help="How to search, with settings as in 'darts(order=first)': tpe, nsga2, darts, "
            "gdas, gumbel-darts, fair-darts or s3delta. The controls uniform, random and probe are "
            "always run too.",
            rich_help_panel=SEARCH,
        ),
    ] = DEFAULT_STRATEGY,
    candidates: Annotated[
        str,
        typer.Option(
            metavar="R,R,...",
            help="Recipes that a layer can have, separated by commas; skip is a layer without an "
            "adapter.",
            rich_help_panel=SEARCH,
        ),
    ] = DEFAULT_CANDIDATES,
    trials: Annotated[
        int,
        typer.Option(
            min=1,
            max=10_000,
            help="Number of full trainings that each strategy may cost; shorter ones count less.",
            rich_help_panel=SEARCH,
        ),
    ] = DEFAULT_TRIALS,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=100_000,
            help="Start no more trainings after this time, over all interruptions. Default: no "
            "limit.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    map_labels: MapLabels = None,
    json: o.AsJson = False,
) -> None:
    """Search for the best recipe within a budget, and compare it with controls.

    A repeated command continues a search that was interrupted.
    """
    options: RunOptions = renamed(context.obj, map_labels)
    check_given(options.values, "backbone", "data")
    most = parse_count(budget)
    chosen_engine = engine_of(engine, address, workers)
    config = TrainConfig(recipe="", track="none", **options.values)
    check_started(config.backbone, config.data)

    asked = SearchRecord(
        config=config,
        strategy=strategy.replace(" ", ""),
        budget=most,
        candidates=",".join(part.strip() for part in candidates.split(",")),
        trials=trials,
    )
    folder = expand(out)
    open_record(folder, asked)

    from ossicle.cli.study_progress import study_progress
    from ossicle.studies.search_run import run_search

    with study_progress() as shown:
        found = run_search(
            asked,
            folder,
            minutes=minutes,
            engine=chosen_engine,
            workers=workers,
            on_event=shown.on_event,
            on_named=shown.describe,
            progress=shown.checking,
        )
    if json:
        o.print_json({"out": str(out), **found.record.summary()})
    else:
        _print(found, out)


def _print(found: "SearchOutcome", out: Path) -> None:
    """Print the verdict, the tables, and where the recipe and the run are."""
    from ossicle.cli.study_output import filled, print_report_table
    from ossicle.reports.parts import Table
    from ossicle.studies.search_run import RECIPE, RUN

    for sentence in found.report.verdict:
        print(filled(sentence))
    for section in found.report.sections:
        for part in section.parts:
            if isinstance(part, Table):
                print_report_table(part, {"strategy"})
    if found.report.failed:
        print(f"failed: {len(found.report.failed)}", file=sys.stderr)
        for what, reason in found.report.failed:
            print(f"  {what}: {reason}", file=sys.stderr)
    config = found.record.config
    words = ["ossicle", "train", "--data", config.data, "--backbone", config.backbone]
    words += ["--recipe", str(out / RECIPE)]
    words += changed_options(config, STAGED | {"recipe", "data", "backbone", "track"})
    words += ["--out", "NEW"]
    print(f"recipe: {out / RECIPE}; train it again with: {shlex.join(words)}")
    print(f"run: {out / RUN}; use it with: ossicle predict {shlex.quote(str(out / RUN))} FILE ...")
    print(f"report: {out / 'report.html'}")
