"""`ossicle evaluate`: metrics of a trained adapter or ensemble on recordings not seen."""

from typing import Annotated

import typer

from ossicle.cli import options as o
from ossicle.cli.early import check_trained
from ossicle.cli.map_labels import MapLabels, with_labels
from ossicle.errors import RunError


def evaluate(
    run: o.Run,
    data: o.Data,
    side: Annotated[
        str | None,
        typer.Option(
            help="Recordings to evaluate: test, valid or all. Default: test for the run's "
            "own data and for corpora with a test set, all for other data."
        ),
    ] = None,
    backbone: o.MovedBackbone = None,
    batch_size: o.BatchSize = 16,
    map_labels: MapLabels = None,
    decoder: o.Decoder = None,
    device: o.Device = "auto",
    json: o.AsJson = False,
) -> None:
    """Print metrics with 95 % bootstrap intervals; training recordings are refused."""
    if side not in (None, "test", "valid", "all"):
        raise RunError(f"--side is '{side}'; expected test, valid or all")
    run = check_trained(run, backbone)

    from ossicle.data.spec import find_data
    from ossicle.training.ensemble_folder import members_of
    from ossicle.training.folder import places_of
    from ossicle.training.learnt import stage_folders

    stages = stage_folders(members_of(run)[0].folder)
    places = [place for stage in stages for place in places_of(stage)]
    find_data(data, places)
    (data,) = with_labels([data], map_labels, places)

    from ossicle.cli.progress import progress_bars
    from ossicle.training.trained import Trained

    trained = Trained.open(run, backbone=backbone, device=device, decoder=decoder)
    with progress_bars() as bars:
        found = trained.evaluate(data, side=side, batch_size=batch_size, progress=bars)
    if not o.is_main():
        return
    if json:
        o.print_json(found)
    else:
        o.print_metrics(found)
