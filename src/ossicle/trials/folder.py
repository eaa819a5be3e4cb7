"""The folder of trials: the state of every trial, from its files alone.

<name>/               run folder of a trial; <name> is a hash of everything that decides its result
<name>/failed.json    why it failed; removed when it is computed again
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ossicle.errors import FolderLocked, OssicleError, RunError
from ossicle.files import write_sealed
from ossicle.training.folder import CONFIG, check_unlocked, read_json
from ossicle.trials.outcome import Measured, Outcome, State
from ossicle.trials.runners import RUNNERS
from ossicle.trials.trial import Trial, names_of_parents

FAILED: Final = "failed.json"
NOT_STARTED: Final = "the trial that it starts from has failed: "
_REASON: Final = "reason"


class TrialFolders:
    """Reads the outcomes of trials in a folder, each finished one only once."""

    def __init__(self, folder: Path, known: Iterable[Outcome] = ()) -> None:
        """Read nothing yet.

        Args:
            folder: The folder of trials; it may not exist yet.
            known: Outcomes in it that were read before; finished trials do not change.
        """
        self._folder = folder
        self._measured = {
            (one.trial.runner, one.name): one.measured for one in known if one.measured is not None
        }
        every = [each for one in self._measured.values() for each in (one, *one.domains.values())]
        self._rows = {one.rows: one.rows for one in every}

    def of(self, name: str) -> Path:
        """Return the folder of a trial."""
        return self._folder / name

    def read(self, trials: Sequence[Trial], names: Sequence[str]) -> list[Outcome]:
        """Return the outcome of each trial, in their order.

        A result that cannot be read is that of a failed trial. A trial without a result has failed
        if the one that it starts from has.

        Args:
            trials: The trials.
            names: The name of each, from `Naming`.

        Raises:
            ValueError: a trial starts from one that does not come before it.
        """
        parents = names_of_parents(trials, names)
        found: list[Outcome] = []
        by_name: dict[str, Outcome] = {}
        for trial, name, parent in zip(trials, names, parents, strict=True):
            one = self._outcome(trial, name)
            if parent is not None and one.state not in ("finished", "running"):
                one = _after(one, by_name[parent])
            by_name[name] = one
            found.append(one)
        return found

    def _outcome(self, trial: Trial, name: str) -> Outcome:
        folder, reason, measured = self.of(name), None, None
        state: State = "pending"
        if folder.is_dir():
            try:
                measured = self._read(trial.runner, name)
                state = _state(folder) if measured is None else "finished"
                reason = _reason(folder) if state == "failed" else None
            except OssicleError as error:
                state = "failed"
                reason = f"{error}. To compute it again, remove '{folder}'"
        return Outcome(
            trial=trial, name=name, folder=folder, state=state, measured=measured, reason=reason
        )

    def _read(self, runner: str, name: str) -> Measured | None:
        found = self._measured.get((runner, name))
        if found is None and (read := RUNNERS[runner].read(self.of(name))) is not None:
            found = self._shared(read)
            self._measured[runner, name] = found
        return found

    def _shared(self, read: Measured) -> Measured:
        """Return a result that shares test recordings and labels with those read before."""
        return replace(
            read,
            rows=self._rows.setdefault(read.rows, read.rows),
            predicted=tuple(sys.intern(label) for label in read.predicted),
            domains={name: self._shared(one) for name, one in read.domains.items()},
        )


def read_outcomes(
    trials: Sequence[Trial], names: Sequence[str], folder: Path, known: Iterable[Outcome] = ()
) -> list[Outcome]:
    """Return the outcome of each trial in a folder of trials; see `TrialFolders`."""
    return TrialFolders(folder, known).read(trials, names)


def write_failed(folder: Path, reason: str, details: str = "") -> None:
    """Write why a trial failed to its folder, which is created if need be.

    Args:
        folder: The folder of the trial.
        reason: One line.
        details: More, such as a traceback.

    Raises:
        RunError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"'{folder}' cannot be created: {error.strerror or error}") from error
    write_sealed(folder / FAILED, {_REASON: reason, "details": details})


def _after(one: Outcome, parent: Outcome) -> Outcome:
    """Return an outcome without a result, as it is after that of the trial it starts from."""
    if parent.state != "failed":
        return one
    reason = (parent.reason or "").removeprefix(NOT_STARTED)
    return replace(one, state="failed", reason=NOT_STARTED + reason)


def _state(folder: Path) -> State:
    """Return the state of a trial that has no result."""
    try:
        check_unlocked(folder)
    except FolderLocked:
        return "running"
    if (folder / FAILED).is_file():
        return "failed"
    return "interrupted" if (folder / CONFIG).is_file() else "pending"


def _reason(folder: Path) -> str:
    found: dict[str, Any] = read_json(folder / FAILED)
    return str(found.get(_REASON, ""))
