"""Factor of the learning rate at every step, computed by hand."""

import math

import pytest
import torch

from ossicle.errors import RunError
from ossicle.training.published import PUBLISHED
from ossicle.training.schedule import build_schedule


def factors(text: str, steps: int, warmup: float = 0.0, epoch_steps: int = 1) -> list[float]:
    schedule = build_schedule(text, warmup, steps, epoch_steps)
    return [schedule(step) for step in range(steps)]


def test_linear_rises_in_a_line_and_falls_to_nothing() -> None:
    # 10 steps, 2 of them rising: 1/3, 2/3, then 8/8, 7/8, ... 1/8.
    expected = [1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    assert factors("linear", 10, 0.2) == pytest.approx(expected)
    assert factors("linear", 4) == [1, 0.75, 0.5, 0.25]
    assert factors("linear", 1) == [1]
    assert 0 < factors("linear", 1, 0.9)[0] <= 1


def test_cosine_is_torch_s() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=7)
    expected = []
    for _ in range(7):
        expected += reference.get_last_lr()
        optimizer.step()
        reference.step()
    assert factors("cosine", 7) == pytest.approx(expected)


def test_step_falls_every_so_many_epochs() -> None:
    found = factors("step(epochs=2,factor=0.5)", 10, epoch_steps=2)
    assert found == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]
    assert factors("step", 21)[::10] == pytest.approx([1, 0.1, 0.01])


def test_tri_stage_rises_holds_and_falls() -> None:
    # 10 steps: 2 rise, half of the other 8 hold, then 4 down to 0.0001 where it would end.
    found = factors("tri-stage(hold=0.5,last=0.0001)", 10, 0.2)
    assert found == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1, 1, 0.1, 0.01, 0.001])


def test_constant_and_factors_that_are_written_out() -> None:
    assert factors("constant", 4, 0.5) == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert factors("epochs 0.1 1", 2) == factors("epochs(0.1 1)", 2)  # the older form
    assert factors("epochs(0.1 1 0.5)", 8, epoch_steps=2) == [0.1, 0.1, 1, 1, 0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("linaer", "no schedule 'linaer'; .* Did you mean 'linear'"),
        ("step(epoch=2)", "schedule 'step' has no setting 'epoch'; .* Did you mean 'epochs'"),
        ("step(epochs=two)", r"epochs of step is 'two'; expected a whole number"),
        ("epochs", "write a factor for each epoch"),
        (
            "epochs 1 -1",
            "number 2 of the schedule 'epochs 1 -1' is -1; expected a number from 0 to 1000",
        ),
    ],
)
def test_an_invalid_schedule_says_why(text: str, message: str) -> None:
    with pytest.raises(RunError, match=message):
        build_schedule(text, 0.0, 1, 1)


def test_the_factors_of_the_recogniser_of_otake_et_al() -> None:
    # Its code: linspace(.1, 1) over 20 epochs, three held, then linspace(100, 1) over
    # linspace(100, 1000).
    found = factors(str(PUBLISHED["elp/asr"].fields["schedule"]), 100)
    assert len(found) == 100
    assert found[:1] + found[19:24] == pytest.approx([0.1, 1, 1, 1, 1, 1])
    assert found[24] == pytest.approx((100 - 99 / 76) / (100 + 900 / 76), rel=1e-5)
    assert found[99] == pytest.approx(1e-3)
    assert math.isclose(found[61], (100 - 99 / 2) / (100 + 450), rel_tol=1e-5)  # half way down
