"""The interface of a runner: it computes a trial in a folder, and reads the result back."""

from pathlib import Path
from typing import Protocol

from ossicle.progress import Progress
from ossicle.trials.kept import Kept
from ossicle.trials.outcome import Measured
from ossicle.trials.trial import Trial


class Runner(Protocol):
    """Computes trials of one kind.

    Attributes:
        name: Its name in `Trial.runner`.
        ignores: Settings of `TrainConfig` that do not change its results, so that they are not part
            of the name of a trial. Without `backbone`, no weights decide a result.
        settings_are_data: Whether its settings are data strings, whose recordings decide the name.
    """

    name: str
    ignores: frozenset[str]
    settings_are_data: bool

    def run(self, trial: Trial, folder: Path, kept: Kept, progress: Progress) -> None:
        """Compute the trial, or continue it, so that its result is in the folder.

        Args:
            trial: The trial.
            folder: Its folder; new, empty, or that of an interrupted computation.
            kept: What this process keeps between trials, such as a loaded backbone.
            progress: Called after every step.

        Raises:
            OssicleError: the trial cannot be computed; the message becomes its reason.
        """

    def read(self, folder: Path) -> Measured | None:
        """Return the result in a folder; None if the trial has not finished.

        Raises:
            OssicleError: the result is damaged, or was written by another version.
        """
