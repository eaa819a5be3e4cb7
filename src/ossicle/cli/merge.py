"""`ossicle merge`: a trained run as a checkpoint that transformers loads without ossicle."""

from pathlib import Path
from typing import Annotated

import typer

from ossicle.cli import options as o
from ossicle.cli.early import check_trained
from ossicle.paths import expand


def merge(
    run: Annotated[Path, typer.Argument(help="Finished run: a folder or hf:USER/NAME[@REVISION].")],
    out: Annotated[Path, typer.Option(help="Folder to write, new or empty.")],
    backbone: o.MovedBackbone = None,
    json: o.AsJson = False,
) -> None:
    """Write a run as a checkpoint of transformers, with the adapters in its weights.

    The folder loads without ossicle, such as with pipeline("audio-classification", FOLDER), and
    gives the same answers. Adapters that are not linear, such as bottlenecks and prompts, and heads
    that transformers does not have are refused, with the reason.
    """
    run = check_trained(run, backbone)
    from ossicle.convert.checkpoint import write_checkpoint

    written = write_checkpoint(run, expand(out), backbone)
    if json:
        o.print_json(
            {"out": str(written.folder), "class": written.auto, "notices": list(written.notices)}
        )
        return
    print(f"checkpoint: {out} ({written.auto})")
    print(f"use it with {written.use}")
    for notice in written.notices:
        print(notice)
