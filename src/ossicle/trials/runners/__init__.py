"""What a trial can be: a training run, a baseline, a measurement. One file each."""

from typing import Final

from ossicle.trials.runners import (
    bilevel,
    cost,
    domains,
    mfcc,
    outputs,
    probe,
    search,
    train,
    validated,
)
from ossicle.trials.runners.runner import Runner

RUNNERS: Final[dict[str, Runner]] = {
    runner.name: runner
    for runner in (
        train.RUNNER,
        outputs.RUNNER,
        domains.RUNNER,
        cost.RUNNER,
        mfcc.RUNNER,
        validated.RUNNER,
        probe.RUNNER,
        bilevel.RUNNER,
        search.RUNNER,
    )
}
