"""Progress without a terminal: an early line, regular lines, and one at the end."""

import os
import signal

import pytest

from ossicle.cli.progress import Lines
from ossicle.cli.stop import Terminated, listening


def test_a_long_stage_prints_before_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = Lines(clock=lambda: now)
    for second in range(26):
        now = float(second)
        lines("checking recordings", second + 1, 26)
    for second in range(26, 51):
        now = float(second)
        lines("training", second - 25, 25, epoch=1, loss=0.5)
    lines.end()
    assert capsys.readouterr().err.splitlines() == [
        "checking recordings 4/26",  # after 3 s
        "checking recordings 14/26",  # and every 10 s
        "checking recordings 24/26",
        "training 4/25  epoch 1  loss 0.500",
        "training 14/25  epoch 1  loss 0.500",
        "training 24/25  epoch 1  loss 0.500",
        "training 25/25  epoch 1  loss 0.500",
    ]


def test_a_short_stage_prints_its_end_alone(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(clock=lambda: 0.0)
    for done in (1, 2):
        lines("checking recordings", done, 2)
    for done in (1, 2):
        lines("training", done, 2, epoch=1, loss=0.5)
    lines("valid", 2, 2, loss=0.25)
    lines.end()
    assert capsys.readouterr().err.splitlines() == [
        "training 2/2  epoch 1  loss 0.500",
        "valid 2/2  loss 0.250",
    ]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
def test_a_signal_whose_exception_is_lost_stops_the_command_at_its_next_step(
    number: signal.Signals, kind: type[KeyboardInterrupt]
) -> None:
    class Closing:
        def __del__(self) -> None:
            os.kill(os.getpid(), number)

    lines = Lines()
    with listening():
        lines("training", 1, 3)
        closing = Closing()
        del closing  # Python drops what a destructor raises
        with pytest.raises(kind):
            lines("training", 2, 3)
    lines("training", 3, 3)  # the next command is not stopped
