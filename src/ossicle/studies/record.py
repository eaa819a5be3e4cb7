"""`study.json`: what a study folder was declared to hold, from which its report can be built.

Each trial is kept with its name and the settings that differ from those of the grid, so that a
report needs neither the recordings nor the backbone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from ossicle import __version__
from ossicle.checksums import unseal
from ossicle.errors import RunError
from ossicle.files import write_sealed
from ossicle.paths import fault
from ossicle.strict_json import read_object
from ossicle.studies.grid import Grid
from ossicle.training.config import TrainConfig
from ossicle.trials.trial import Trial, names_of_parents

STUDY: Final = "study.json"
FORMAT: Final = 1
MAX_BYTES: Final = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Record:
    """The declaration of a study.

    Attributes:
        study: Its name.
        options: Its own options.
        grid: The grid, as plain data.
        command: The command that runs it.
        trials: The trials that can run.
        names: The name of each.
        refused: Trials that cannot run, and why.
        notes: What to know about the trials.
        trials_folder: Folder of the trials; relative to the study folder if it is inside.
        threads: Threads of each worker of this machine; a repeated command keeps them, because
            results depend on them bit by bit. None: it has run on other engines alone.
        version: The version of ossicle that wrote it.
    """

    study: str
    options: Mapping[str, Any]
    grid: Mapping[str, Any]
    command: str
    trials: Sequence[Trial]
    names: Sequence[str]
    refused: Sequence[tuple[Trial, str]] = ()
    notes: Sequence[str] = ()
    trials_folder: str = "trials"
    threads: int | None = None
    version: str = __version__


def check_study(folder: Path, name: str) -> None:
    """Raise unless a study of this kind may be run in a folder. Imports no torch.

    Raises:
        RunError: the folder cannot be used, is not empty, or has a study of another kind or of
            another version of ossicle.
    """
    if why := fault(folder):
        raise RunError(f"'{folder}' cannot be created: {why}; choose another folder")
    if folder.exists() and not folder.is_dir():
        raise RunError(f"'{folder}' is a file; choose a new or an empty folder")
    if not (folder / STUDY).is_file():
        others = [one for one in folder.glob("*") if not one.name.startswith(".")]
        if others and not (folder / "trials").is_dir():
            raise RunError(f"'{folder}' is not empty; choose another folder")
        return
    found = _read(folder)["study"]
    if found != name:
        raise RunError(
            f"'{folder}' has a study of another kind: {found}, not {name}. Choose another folder; "
            f"with --trials '{folder / 'trials'}' it can use the trials of this one"
        )


def check_report(folder: Path) -> None:
    """Raise unless a folder is that of a study. Imports no torch.

    Raises:
        RunError: it is not.
    """
    if fault(folder) or not (folder / STUDY).is_file():
        raise RunError(
            f"'{folder}' is not a study folder: it has no {STUDY}. Give the --out of a study"
        )


def write_record(folder: Path, record: Record, config: TrainConfig) -> None:
    """Write `study.json`.

    Args:
        folder: The study folder.
        record: What to write.
        config: Settings that the trials share, from which each trial's differ.

    Raises:
        RunError: it cannot be written.
    """
    parents = names_of_parents(record.trials, record.names)
    rows = [
        {"name": name, **_row(trial, config), **({} if parent is None else {"after": parent})}
        for trial, name, parent in zip(record.trials, record.names, parents, strict=True)
    ]
    refused = [{"reason": why, **_row(trial, config)} for trial, why in record.refused]
    plain = {one.name: getattr(record, one.name) for one in fields(Record)}
    plain |= {"format": FORMAT, "config": config.to_dict(), "trials": rows, "refused": refused}
    del plain["names"]
    write_sealed(folder / STUDY, plain)


def read_record(folder: Path) -> Record:
    """Return the declaration of the study in a folder.

    Raises:
        RunError: it is not a study folder, or was written by another version.
    """
    check_report(folder)
    data = _read(folder)
    shared = TrainConfig.from_dict(data["config"])
    return Record(
        **{name: data[name] for name in ("study", "options", "grid", "command", "notes")},
        **{name: data[name] for name in ("trials_folder", "version")},
        threads=data.get("threads"),
        trials=_trials(data["trials"], shared),
        names=[row["name"] for row in data["trials"]],
        refused=[(_trial(row, shared), row["reason"]) for row in data["refused"]],
    )


def read_command(folder: Path) -> str | None:
    """Return the command of the study in a folder; None if there is none yet."""
    command: str | None = _read(folder)["command"] if (folder / STUDY).is_file() else None
    return command


def read_threads(folder: Path) -> int | None:
    """Return the threads of each worker of the study in a folder; None if there is none yet."""
    threads: int | None = _read(folder).get("threads") if (folder / STUDY).is_file() else None
    return threads


def grid_data(grid: Grid) -> dict[str, Any]:
    """Return a grid as plain data, without the settings that all trials share."""
    data = asdict(grid)
    del data["config"]
    return data


def _read(folder: Path) -> dict[str, Any]:
    file = folder / STUDY
    try:
        data = unseal(read_object(file, MAX_BYTES))
    except (OSError, ValueError) as error:
        raise RunError(
            f"'{file}' cannot be used: {error}. Remove it and repeat the command of the study: "
            "finished trials are kept"
        ) from error
    if data.get("format") != FORMAT:
        wrote = f"{data.get('version', 'unknown')}"
        raise RunError(
            f"'{folder}' was written by ossicle {wrote:.40}, in another format than that of "
            f"{__version__}. Use that version, or choose another folder"
        )
    return data


def _row(trial: Trial, shared: TrainConfig) -> dict[str, Any]:
    """Return a trial as plain data, without what it shares."""
    own, common = vars(trial.config), vars(shared)
    row: dict[str, Any] = {
        "labels": dict(trial.labels),
        "config": {key: value for key, value in own.items() if common[key] != value},
    }
    if trial.runner != "train":
        row |= {"runner": trial.runner, "settings": dict(trial.settings)}
    return row


def _trials(rows: Sequence[Mapping[str, Any]], shared: TrainConfig) -> list[Trial]:
    """Return the trials of rows, each with the one that it starts from."""
    found: list[Trial] = []
    by_name: dict[str, Trial] = {}
    settings: dict[Any, Any] = {}  # of the runner, by their content: many trials share them
    for row in rows:
        own = row.get("settings", {})
        row = {**row, "settings": settings.setdefault(tuple(own.items()), own)}
        trial = _trial(row, shared, by_name[row["after"]] if "after" in row else None)
        by_name[row["name"]] = trial
        found.append(trial)
    return found


def _trial(row: Mapping[str, Any], shared: TrainConfig, after: Trial | None = None) -> Trial:
    return Trial(
        config=replace(shared, **row["config"]),
        labels=row["labels"],
        runner=row.get("runner", "train"),
        settings=row.get("settings", {}),
        after=after,
    )
