"""`ossicle import`: an adapter of peft as an adapter folder."""

from pathlib import Path
from typing import Annotated

import typer

from ossicle.cli import options as o
from ossicle.paths import check_name, expand


def import_peft(
    adapter: Annotated[
        str,
        typer.Argument(
            help="Folder of a peft adapter, with adapter_model.safetensors, or "
            "hf:USER/NAME[@REVISION]."
        ),
    ],
    backbone: Annotated[
        str, typer.Option(help="The model that it was trained on: a hub id, or a folder.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write, new or empty.")],
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Names of the outputs of its head, in their order. Default: those of the "
            "backbone's config.json, or for CTC of a vocab.json.",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="What it predicts, such as tagging, phones, or for a multilingual Whisper "
            "'seq2seq(language=de)'. Default: classification, or asr for CTC, or seq2seq."
        ),
    ] = None,
    json: o.AsJson = False,
) -> None:
    """Read an adapter of Hugging Face's peft: LoRA, (IA)^3 or LN tuning, with its head.

    The folder that is written is like that of a run: `ossicle inspect`, `predict`, `evaluate` and
    `export` take it. What cannot be read to the same outputs is refused by name.
    """
    from ossicle.convert.peft.file import check_peft, locate_peft

    check_name(backbone)
    folder = locate_peft(adapter)
    check_peft(folder)
    from ossicle.convert.peft.read import import_peft as read

    names = None if labels is None else [name.strip() or name for name in labels.split(",")]
    found = read(folder, backbone, expand(out), labels=names, task=task)
    if json:
        about = {"out": str(expand(out)), "recipe": str(found.recipe), "head": found.head}
        more = {"outputs": found.outputs, "parameters": found.parameters}
        o.print_json({**about, **more, "notices": list(found.notices)})
        return
    for notice in found.notices:
        print(f"{notice[0].upper()}{notice[1:]}.")
    outputs = f" with {found.outputs} outputs" if found.outputs else ""
    print(f"recipe   {found.recipe}")
    print(f"head     {found.head or 'none'}{outputs}")
    print(f"adapter: {out} ({found.parameters:,} parameters)")
