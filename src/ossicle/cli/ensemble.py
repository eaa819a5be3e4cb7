"""`ossicle ensemble`: finished runs in, an ensemble out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ossicle.cli import options as o
from ossicle.cli.early import check_trained
from ossicle.paths import expand

if TYPE_CHECKING:
    from ossicle.metrics.metric import Metric
    from ossicle.training.ensemble_folder import EnsembleFolder


def ensemble(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Two or more runs of one task with the same labels: folders or "
            "hf:USER/NAME[@REVISION]."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Ensemble folder to write, new or empty.")],
    vote: o.VoteName = "soft",
    link: Annotated[
        bool,
        typer.Option("--link", help="Name the folders of the runs instead of copying them."),
    ] = False,
    backbone: o.MovedBackbone = None,
    batch_size: o.BatchSize = 16,
    device: o.Device = "auto",
    json: o.AsJson = False,
) -> None:
    """Combine finished runs to an ensemble, which is used as a run is.

    A vote that learns is fitted on validation recordings that no member was trained on, and so is
    the temperature of confidences. The metrics of the vote that are printed are cross-fitted.
    """
    from ossicle.training.chosen import check_ensemble_out, chosen_members
    from ossicle.training.located import locate_run

    runs = [locate_run(run) for run in runs]
    chosen_members(runs)
    check_ensemble_out(expand(out))
    for run in runs:
        check_trained(run, backbone)

    from ossicle.cli.progress import progress_bars
    from ossicle.training.combine import make_ensemble

    with progress_bars() as bars:
        made = make_ensemble(
            runs,
            out,
            vote=vote,
            link=link,
            backbone=backbone,
            batch_size=batch_size,
            device=device,
            progress=bars,
        )
    if not o.is_main():
        return
    if json:
        o.print_json({"out": str(out), **made.to_dict()})
        return
    print_ensemble(made)
    print(f"ensemble: {out}")


def print_ensemble(made: "EnsembleFolder") -> None:
    """Print the members and the vote of an ensemble, with their metrics on validation recordings.

    The metrics of a vote that learns are cross-fitted.
    """
    from ossicle.tasks import TASKS
    from ossicle.votes import VOTES

    name = made.vote.get("name")
    about = VOTES[name].about if name in VOTES else "not known to this version"
    print(f"vote         {name}: {about}")
    if made.temperature is not None:
        print(f"temperature  {made.temperature:.3f}")
    if made.why:
        print(made.why[0].upper() + made.why[1:])
    valid, task = made.valid, TASKS.get(str(made.task.get("name")))
    if valid is None or task is None:
        o.print_table(["member", "folder"], [[one.name, str(one.folder)] for one in made.members])
        return
    print(f"metrics on {valid['recordings']} validation recordings of '{valid['data']}':")
    rows = {one.name: valid["members"].get(one.name, {}) for one in made.members}
    rows[f"vote: {name}"] = valid["vote"]
    o.print_table(
        ["member", *(metric.label for metric in task.reported.values())],
        [
            [row, *(_shown(metric, found.get(key)) for key, metric in task.reported.items())]
            for row, found in rows.items()
        ],
        right=1,
    )


def _shown(metric: "Metric", value: float | None) -> str:
    return "not available" if value is None else metric.text(value)
