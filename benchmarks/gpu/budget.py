"""Tasks in order of importance, until the time is used up."""

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Task:
    """Something to measure.

    Attributes:
        name: Name, shown if it is skipped.
        estimate_s: Seconds it is expected to take; only the ratios between tasks matter once some
            have run.
        action: Returns results by label.
    """

    name: str
    estimate_s: float
    action: Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a task.

    Attributes:
        name: Name of the task.
        figures: Results by label.
        skipped: Why it did not run, if the time was too short.
        error: Why it failed, if it did.
    """

    name: str
    figures: dict[str, Any] = field(default_factory=dict)
    skipped: str | None = None
    error: str | None = None


def run_within(
    tasks: Iterable[Task], budget_s: float, clock: Callable[[], float] = time.monotonic
) -> Iterator[Outcome]:
    """Run tasks one after the other as long as each is expected to end within the budget.

    Estimates are scaled by the upper quartile of how long the tasks so far took compared with
    theirs: better too long than too short. A short task may still run after a long one was skipped.

    Args:
        tasks: The most important first.
        budget_s: Seconds from now on.
        clock: Returns seconds.

    Yields:
        The outcome of every task, in their order.
    """
    deadline = clock() + budget_s
    ratios: list[float] = []
    for task in tasks:
        scale = sorted(ratios)[3 * len(ratios) // 4] if ratios else 1.0
        expected_s, begun = task.estimate_s * scale, clock()
        if begun + expected_s > deadline:
            left_s = max(deadline - begun, 0)
            reason = f"expected to take {expected_s:.0f} s, and {left_s:.0f} s were left"
            yield Outcome(task.name, skipped=reason)
            continue
        yield attempt(task)
        ratios.append((clock() - begun) / task.estimate_s)


def attempt(task: Task) -> Outcome:
    """Return the results of a task, or the error that stopped it."""
    try:
        return Outcome(task.name, figures=task.action())
    except Exception as error:  # stored and reported: one task must not cost the others
        traceback.print_exc()
        return Outcome(task.name, error=f"{type(error).__name__}: {str(error).splitlines()[0]}")
