"""Why a claim cannot be asked: it is about another task, or needs what a study does not have."""

from collections.abc import Iterable
from typing import Final

from ossicle.studies.analysis.claim import Claim
from ossicle.tasks import TASKS

NO_DOMAINS: Final = (
    "it needs two domains with the same labels: give --domains 'SOURCE; TARGET', such as acted and "
    "natural emotion"
)


def refusal(claim: Claim, task: str | None, *, has_domains: bool) -> str | None:
    """Return why a claim has no meaning for a task; None if it has.

    Args:
        claim: The claim.
        task: Name of the task; None: not known yet.
        has_domains: Whether two domains are given.
    """
    if claim.cannot:
        return claim.cannot
    if claim.study == "domains":
        return None if has_domains else NO_DOMAINS
    if task is None:
        return None
    if claim.tasks and task not in claim.tasks:
        return f"it is about {' or '.join(claim.tasks)}, and the task of these data is {task}"
    if claim.study == "ensemble" and not _has_right_answers(task):
        return f"it is about answers that are right or wrong, and those of {task} are not"
    if claim.over == "shots" and task != "classification":
        return f"it draws recordings of each class, and {task} has no classes"
    return None


def grouped(reasons: Iterable[tuple[str, str]]) -> list[str]:
    """Return each reason once, after the names of its claims.

    Args:
        reasons: Name of a claim, and why it cannot be asked.
    """
    names: dict[str, dict[str, None]] = {}
    for name, why in reasons:
        names.setdefault(why, {})[name] = None
    return [f"{', '.join(some)}: {why}" for why, some in names.items()]


def _has_right_answers(task: str) -> bool:
    score = TASKS[task].recording_score
    return score is not None and score.label == "accuracy"
