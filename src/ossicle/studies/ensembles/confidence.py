"""Calibration and abstention of the members and votes of a study of ensembles."""

from collections.abc import Iterator, Sequence

from ossicle.errors import LabelError
from ossicle.reports.parts import Part
from ossicle.studies.calibration import NO_CONFIDENCE, Judged, calibration_parts, judge
from ossicle.studies.ensembles.pool import Member, Pool
from ossicle.studies.ensembles.virtual import Decided, decide, plans
from ossicle.tasks import Task
from ossicle.training.outputs import SideOutputs
from ossicle.votes import Decision, Stacked
from ossicle.votes.cross_fit import cross_fitted


def confidence_parts(pool: Pool, number: int) -> list[Part]:
    """Return calibration and error by coverage of every member and every vote on all of them.

    Temperatures are fitted on validation recordings; where these are the test recordings, there are
    none. The stacked vote has none either: to be cross-fitted, it would be fitted five times more
    with every seed and fold, which takes about a second each time.

    Args:
        pool: The trials of a data set on a backbone.
        number: Number of the pool in the report, from 1.
    """
    if pool.task is None:
        return []
    if not pool.task.has_confidence():
        return [NO_CONFIDENCE]
    name = "calibration" if number == 1 else f"calibration-{number}"
    return calibration_parts([*_members(pool), *_votes(pool)], name, pool.where)


def _members(pool: Pool) -> Iterator[Judged]:
    for model in pool.members:
        member = pool.open(model)
        if not isinstance(member, Member):
            continue
        kept, task = member.kept, member.kept.task.without_cohort()
        test, valid = (
            [Decision(task.decode(output), output) for output in side.outputs]
            for side in (kept.test, kept.valid)
        )
        fitted_on = [] if kept.validates_on_test else valid
        found = judge(model[0], task, test, kept.test.labels, fitted_on, kept.valid.labels)
        if found is not None:
            yield found


def _votes(pool: Pool) -> Iterator[Judged]:
    for plan in plans(pool):
        for seed in pool.seeds if plan.kind == "mixed" else ():
            for fold in pool.folds:
                decided = decide(pool, plan, seed, fold)
                if isinstance(decided, Decided) and (found := _judged(decided)) is not None:
                    yield found


def _judged(decided: Decided) -> Judged | None:
    kept, vote = decided.members[0].kept, decided.plan.vote
    task = kept.task.without_cohort()
    pairs = zip(decided.decoded, decided.outputs, strict=True)
    test = [Decision(decoded, output) for decoded, output in pairs]
    is_scaled = not kept.validates_on_test and vote is not Stacked
    valid = _on_validation(decided, task) if is_scaled else []
    name = f"{vote.name} vote"
    return judge(name, task, test, kept.test.labels, valid, kept.valid.labels)


def _on_validation(decided: Decided, task: Task) -> list[Decision]:
    """Return decisions by votes that were fitted on others; none of too few recordings."""
    sides = [member.kept.valid for member in decided.members]
    outputs = list(zip(*(side.outputs for side in sides), strict=True))
    vote, labels = type(decided.vote), sides[0].labels
    try:
        return cross_fitted(vote, task, outputs, labels, _speakers(sides[0]))
    except LabelError:
        return []


def _speakers(side: SideOutputs) -> Sequence[str] | None:
    """Return the speaker of each recording; None if some have none, or all are of one."""
    found = [one for one in side.speakers if one is not None]
    return found if len(found) == len(side.speakers) and len(set(found)) > 1 else None
