"""`ossicle export peft`: a trained run as an adapter of Hugging Face's peft."""

from pathlib import Path
from typing import Annotated

import typer

from ossicle.cli import options as o
from ossicle.cli.early import check_trained
from ossicle.paths import expand


def peft(
    run: Annotated[Path, typer.Argument(help="Run or adapter folder, or hf:USER/NAME[@REVISION].")],
    out: Annotated[Path, typer.Option(help="Folder to write, new or empty.")],
    backbone: o.MovedBackbone = None,
    json: o.AsJson = False,
) -> None:
    """Write a run as an adapter that peft loads on the model of transformers.

    LoRA, (IA)^3 and LN tuning, with the head if a class of transformers computes the same. What
    peft cannot hold is refused, with what to do instead.
    """
    folder = check_trained(run, backbone)
    from ossicle.convert.peft.write import export_peft

    written = export_peft(folder, expand(out), backbone)
    if json:
        about = {"out": str(expand(out)), "type": written.kind, "class": written.auto}
        o.print_json({**about, "use": list(written.use), "notices": list(written.notices)})
        return
    for notice in written.notices:
        print(f"{notice[0].upper()}{notice[1:]}")
    print(f"adapter: {out} ({written.kind}, for {written.auto})")
    for line in written.use:
        print(f"  {line}")
