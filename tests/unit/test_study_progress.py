"""Progress of a study in a pipe: a line for each trial that has ended, and one now and then."""

import pytest

from ossicle.cli.study_progress import StudyProgress, duration
from ossicle.studies.checks import Checked
from ossicle.trials.engine import Event
from ossicle.trials.run import Standing


def standing(finished: int, failed: int = 0, remaining_s: float | None = None) -> Standing:
    return Standing(
        total=4, finished=finished, failed=failed, running=1, elsewhere=0, remaining_s=remaining_s
    )


def test_a_pipe_gets_a_line_for_each_trial_that_has_ended(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 0.0
    shown = StudyProgress(clock=lambda: now)
    shown.on_declared(Checked(trials=(), parameters=()), {"a": "lora, seed 0"})
    step = Event(name="a", what="step", stage="training", done=3, total=9)
    shown.on_event(Event(name="a", what="started"), standing(0))
    shown.on_event(step, standing(0))
    now = 31.0
    shown.on_event(step, standing(0))
    shown.on_event(step, standing(0))
    shown.on_event(Event(name="a", what="finished", seconds=40.2), standing(1, remaining_s=240))
    shown.on_event(Event(name="b", what="failed", reason="no memory"), standing(1, 1))
    assert capsys.readouterr().err.splitlines() == [
        "[0/4] lora, seed 0: training 3/9",
        "[1/4] lora, seed 0: finished in 40 s, about 4 min left",
        "[2/4] b: failed; no memory",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (99, "99 s"), (120, "2 min"), (9000, "2.5 h")]
)
def test_a_time_is_shown_in_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text
