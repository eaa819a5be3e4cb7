"""A copy of a run or ensemble to give away: without paths of this machine and names of recordings.

    adapter.safetensors, cohort.safetensors   as they are
    recipe.json, config.json                  paths are replaced by their last part
    metrics.json                              the same; without the row of each test recording
    split.json                                hashes of recordings under numbers in place of names
    versions.json                             versions of packages alone
    ensemble.json                             with the hashes of its members' new files
    parent/, members/NAME/                    the same of each stage and member

All else stays: checkpoints, logs, TensorBoard, the Fisher information of a stage, recordings.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ossicle.adapters.folder import COHORT, FACTS, TENSORS
from ossicle.files import write_sealed
from ossicle.training.checkpoint import CHECKPOINT
from ossicle.training.ensemble_folder import (
    ENSEMBLE,
    MEMBERS,
    Member,
    is_ensemble,
    read_ensemble,
    write_facts,
)
from ossicle.training.folder import (
    CONFIG,
    FISHER,
    FROM_RUN,
    LOG,
    METRICS,
    PARENT,
    PRUNED,
    SPLIT,
    STARTED_IN,
    VERSIONS,
    copy_files,
    read_json,
)
from ossicle.training.scrubber import Scrubber

ROWS: Final = "recordings"  # in the metrics of a test: file, speaker and label of each
PLATFORM: Final = "platform"
REPLACED: Final = (  # files of an earlier upload that go where the new one does not have them
    *(TENSORS, COHORT, FACTS, CONFIG, METRICS, SPLIT, VERSIONS, ENSEMBLE),
    *(f"{MEMBERS}/*", f"{PARENT}/*"),
)
_STAYS: Final = {
    CHECKPOINT: "to resume the training",
    LOG: "the course of the training",
    "tensorboard": "the course of the training",
    FISHER: "to train on with --keep ewc",
    PRUNED: "to resume the training",
}


def write_shared(run: Path, to: Path, base: str | None = None) -> None:
    """Write a copy of a run or ensemble to give away; see the docstring of this module.

    The same run always gives the same bytes.

    Args:
        run: Its folder.
        to: A new or empty folder.
        base: Name of the backbone for others, if it is a folder here.

    Raises:
        HubError: the backbone is a folder, and `base` is not given; or something local is left.
        OssicleError: the run is damaged, or the copy cannot be written.
    """
    if is_ensemble(run):
        _write_ensemble(run, to, base)
        return
    scrub = Scrubber.of(run, base)
    _write_stage(run, to, scrub)
    scrub.check(to)


def left_out(run: Path) -> dict[str, str]:
    """Return what is in the folder of a run and not in a copy to give away, with the reason."""
    copied = {*REPLACED, MEMBERS, PARENT}
    names = sorted(file.name for file in run.iterdir() if file.name not in copied)
    return {name: _STAYS.get(name, "not part of the run") for name in names if name[0] != "."}


def _write_ensemble(run: Path, to: Path, base: str | None) -> None:
    made = read_ensemble(run)
    for member in made.members:
        write_shared(member.folder, to / MEMBERS / member.name, base)
    scrub = Scrubber()
    for member in made.members:
        one = Scrubber.of(member.folder, base)
        scrub = Scrubber(scrub.known | one.known, scrub.never | one.never)
    facts = {
        "vote": made.vote,
        "temperature": made.temperature,
        "task": made.task,
        "valid": made.valid,
        "why": made.why,
    }
    members = [Member(one.name, to / MEMBERS / one.name) for one in made.members]
    write_facts(to, members, scrub(facts))
    scrub.check(to)


def _write_stage(run: Path, to: Path, scrub: Scrubber) -> None:
    to.mkdir(parents=True, exist_ok=True)
    copy_files(run, to, (TENSORS, COHORT))
    changes: dict[str, Callable[[dict[str, Any]], Any]] = {
        FACTS: dict,
        CONFIG: dict,
        METRICS: _without_rows,
        SPLIT: _without_names,
        VERSIONS: _packages,
    }
    for name, change in changes.items():
        if (run / name).is_file():
            write_sealed(to / name, scrub(change(read_json(run / name))))
    if (run / PARENT).is_dir():
        _write_stage(run / PARENT, to / PARENT, scrub)


def _without_rows(data: Any) -> Any:
    """Return metrics without the row of each recording, at any depth."""
    if isinstance(data, Mapping):
        return {
            key: _without_rows(one)
            for key, one in data.items()
            if not (key == ROWS and isinstance(one, list)) and f".{ROWS}." not in key
        }
    return [_without_rows(one) for one in data] if isinstance(data, list) else data


def _without_names(split: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recordings of a split under numbers, so that their names stay here."""
    return {
        key: {str(number): one for number, one in enumerate(sorted(value.values()))}
        if isinstance(value, Mapping)
        else value
        for key, value in split.items()
    }


def _packages(versions: Mapping[str, Any]) -> dict[str, Any]:
    left_out = (STARTED_IN, FROM_RUN, PLATFORM)
    return {key: value for key, value in versions.items() if key not in left_out}
