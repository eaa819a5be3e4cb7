"""A trained run as a checkpoint of transformers: `ossicle merge`."""

import shutil
from pathlib import Path
from typing import Final

from ossicle.adapters.folder import read_folder
from ossicle.adapters.merge import merge
from ossicle.backbones.source import Source
from ossicle.errors import MergeError
from ossicle.heads import DecoderHead
from ossicle.settings import split_query
from ossicle.tasks import TASKS
from ossicle.training.folder import check_new, places_of
from ossicle.training.trained import Trained

_RANDOM: Final = "config:"


def check_mergeable(run: Path) -> None:
    """Raise unless a run is one whose checkpoint transformers runs to the same texts.

    Raises:
        AdapterFileError: the folder is not an adapter folder, or is damaged.
        MergeError: the task, or the length of the backbone's input, is another.
    """
    facts = read_folder(run).facts
    task, name = facts["task"].get("name"), facts["backbone"]["name"]
    if task in TASKS and not TASKS[task].needs_decoder:
        writing = ", ".join(kind.name for kind in TASKS.values() if kind.needs_decoder)
        raise MergeError(
            f"'{run}' was trained for the task {task}, and ossicle writes checkpoints of runs that "
            f"write text alone ({writing}). In Python, merge(model).save(FOLDER) writes the "
            "backbone without its head: see Merge an adapter"
        )
    length = split_query(name, MergeError)[1].get("length")
    if length is not None:
        raise MergeError(
            f"'{run}' was trained with length={length}, and transformers pads every recording to "
            "the whole chunk, so a checkpoint would write other texts. Train without length"
        )


def write_merged(run: Path, out: Path, backbone: str | None = None) -> None:
    """Write the model of a run with its adapters merged into the weights.

    The folder appears when it is complete.

    Args:
        run: Folder of a finished run.
        out: Folder to write, new or empty.
        backbone: Where the backbone is, if not where the run found it.

    Raises:
        MergeError: an adapter is not linear; see `check_mergeable` for the rest.
        RunError: the folder to write is not empty.
    """
    check_mergeable(run)
    check_new(out)
    trained = Trained.open(run, backbone=backbone, device="cpu")
    model = trained.model
    assert isinstance(model.head, DecoderHead), "the task has no other head"
    merged = merge(model)
    name = backbone or merged.name
    path, options = split_query(name, MergeError)
    places = places_of(run)
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    source = None if name.startswith(_RANDOM) else Source(path, options.get("revision"), places)
    merged.save(part, model.head.writing, source)
    if out.is_dir():
        out.rmdir()
    part.replace(out)
