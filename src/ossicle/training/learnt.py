"""Recordings that an adapter has learnt from, by the hashes in the `split.json` of its run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ossicle.adapters.folder import FACTS, TENSORS
from ossicle.data import Content, overlapping
from ossicle.errors import AdapterFileError, SplitError, listing
from ossicle.training.ensemble_folder import Member
from ossicle.training.folder import CONFIG, PARENT, SPLIT, read_config, read_json

LEARNT_FROM: Final = ("train", "valid")  # weights from the one, the choice of epoch from the other


def read_split(folder: Path) -> dict[str, Any]:
    """Return what a run wrote of its recordings; nothing for an adapter without its run.

    Raises:
        AdapterFileError: it is a run without that file, or the file is incomplete.
    """
    file = folder / SPLIT
    if not file.is_file():
        if (folder / CONFIG).is_file():
            raise AdapterFileError(
                f"'{folder}' is a run without its {SPLIT}, which says what it was trained "
                f"on; copy it again. To evaluate without that check, move {TENSORS} and "
                f"{FACTS} to a folder of their own"
            )
        return {}
    split = read_json(file)
    if not all(isinstance(split.get(side), dict) for side in LEARNT_FROM):
        raise AdapterFileError(
            f"'{file}' does not say which recordings were trained on; copy it again"
        )
    return split


def stage_folders(folder: Path) -> tuple[Path, ...]:
    """Return a run folder, and the copies in it of the runs before it, the last stage first.

    Raises:
        AdapterFileError: the copy of a run is missing.
        RunError: its configuration cannot be read.
    """
    if not (folder / CONFIG).is_file() or read_config(folder).parent is None:
        return (folder,)
    if not (folder / PARENT).is_dir():
        raise AdapterFileError(
            f"'{folder}' is a stage without its folder {PARENT}, which says what the runs before "
            "it were trained on; copy it again"
        )
    return (folder, *stage_folders(folder / PARENT))


def learnt_contents(
    folder: Path, split: Mapping[str, Any], sides: Sequence[str] = LEARNT_FROM
) -> list[Content]:
    """Return the contents of the recordings of some sides of a run.

    Raises:
        AdapterFileError: one of them is not the hash of a recording.
    """
    try:
        return [Content.parse(str(text)) for side in sides for text in split.get(side, {}).values()]
    except ValueError as error:
        raise AdapterFileError(f"'{folder / SPLIT}': {error}; restore it") from error


def learnt_by_stages(folder: Path, sides: Sequence[str] = LEARNT_FROM) -> list[Content]:
    """Return the contents of the recordings of some sides of a run and of the runs before it.

    Raises:
        AdapterFileError: the split of one of them cannot be read.
    """
    return [
        content
        for stage in stage_folders(folder)
        for content in learnt_contents(stage, read_split(stage), sides)
    ]


def refuse_learnt(
    members: Sequence[Member], data: str, sides: Sequence[str], chosen: Mapping[str, Content]
) -> None:
    """Raise if a model, or any member of an ensemble, has learnt from recordings in any stage.

    Args:
        members: The members, or the one model.
        data: The data string, for the message.
        sides: The sides of the runs that count.
        chosen: Content of each recording, by key.

    Raises:
        SplitError: some of the recordings, or parts of them, were learnt from.
    """
    for member in members:
        for number, stage in enumerate(stage_folders(member.folder)):
            split = read_split(stage)
            if not (seen := overlapping(learnt_contents(stage, split, sides), chosen)):
                continue
            who = f"member '{member.name}' of this ensemble" if len(members) > 1 else "this adapter"
            who = f"an earlier stage of {who}" if number else who
            raise SplitError(
                f"{len(seen)} of the {len(chosen)} recordings of '{data}' trained {who} or "
                f"chose its best epoch: {listing(seen, 3)}. A score on them would be a memory "
                f"test. Evaluate on others; --data '{split.get('data')}' gives those that the run "
                "kept for its test"
            )
