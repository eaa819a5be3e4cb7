"""How a long computation reports its progress to its caller."""

from typing import Protocol


class Progress(Protocol):
    """A function that is called after every step, to show progress."""

    def __call__(self, stage: str, done: int, total: int, **facts: float) -> None:
        """Show that `done` of `total` steps of a stage are done.

        Args:
            stage: `checking recordings`, `training`, `valid`, `test` or `cohort`.
            done: Steps so far.
            total: Steps of the stage.
            facts: Numbers to show with it, such as the epoch and the loss.
        """


def no_progress(stage: str, done: int, total: int, **facts: float) -> None:
    """Show nothing."""
