"""What the outputs of every task stand for, so that a run can start from one with other outputs."""

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
import torch
from task_examples import documented, example_of
from torch import Tensor

from ossicle.anatomy import Anatomy
from ossicle.errors import LabelError
from ossicle.heads import Head, Outputs, build_head
from ossicle.tasks import TASKS, Task
from ossicle.training.stage import carried_head
from ossicle.training.stage_tests import NEVER

ANATOMY = Anatomy("hubert", 1, 8, ())


@pytest.fixture(params=[*TASKS.values(), documented()], ids=lambda kind: kind.name)
def task(request: pytest.FixtureRequest) -> Iterator[Task]:
    with mock.patch.dict(TASKS, {request.param.name: request.param}):
        yield example_of(request.param)


def tensors(head: Head) -> dict[str, Tensor]:
    return {f"head/{key}": value.detach() for key, value in head.named_parameters()}


def answers(task: Task, head: Head) -> list[dict[str, Any]]:
    hidden = torch.randn(6, 9, 8, generator=torch.Generator().manual_seed(0))
    found: Outputs = head.outputs(hidden, torch.ones(6, 9, dtype=torch.bool))
    return [task.decode(row.detach()) for row in found.rows()]


def test_each_output_has_a_name_of_its_own_and_labels_need_them(task: Task) -> None:
    names = task.output_names
    assert len(set(names)) == len(names) == task.num_outputs
    needed = {name for label in type(task).example for name in task.names_in(label)}
    assert needed == set(filter(None, names))  # the blank of transcriptions has an empty name
    assert not any(isinstance(task.names_in(label), str) for label in type(task).example)


def test_a_task_with_its_own_outputs_is_the_same(task: Task) -> None:
    assert task.with_outputs(set(task.output_names), task).to_dict() == task.to_dict()


def test_the_order_of_outputs_depends_on_their_names_alone(task: Task) -> None:
    names = task.output_names
    orders = [task.with_outputs(given, task).output_names for given in (names, names[::-1])]
    assert orders == [names, names]


def test_a_head_with_one_more_output_answers_as_before_without_it(task: Task) -> None:
    if not task.output_names:  # the outputs are the backbone's
        assert task.with_outputs({"x"}, task).output_names == ()
        return
    extra = f"{task.output_names[0] or task.output_names[1]}x"
    refused = ""
    try:
        larger = task.with_outputs({*task.output_names, extra}, task)
    except LabelError as error:  # all labels have the same dimensions
        refused = str(error)
    if refused:
        assert extra in refused
        return
    (name, *_), numbers = task.heads, {name: n for n, name in enumerate(larger.output_names)}
    old, new = (build_head(name, ANATOMY, one.num_outputs) for one in (task, larger))
    outputs = [numbers[name] for name in task.output_names]
    values = carried_head(old.last, tensors(old), tensors(new), outputs)
    new.load_state_dict({key.removeprefix("head/"): value for key, value in values.items()})
    if extra in numbers and hasattr(getattr(new, new.last), "bias"):
        last = getattr(new, new.last)
        with torch.no_grad():
            last.weight[numbers[extra]] = 0
            if last.bias is not None:
                last.bias[numbers[extra]] = NEVER
    for before, after in zip(answers(task, old), answers(larger, new), strict=True):
        assert after["label"] == before["label"]
        if "embedding" in before:
            assert after["embedding"] == before["embedding"]
        torch.testing.assert_close(
            probabilities(after, task.output_names), probabilities(before, task.output_names)
        )


def probabilities(answer: dict[str, Any], names: tuple[str, ...]) -> dict[str, float]:
    return {name: value for name, value in answer.get("probs", {}).items() if name in names}


def test_too_few_outputs_are_an_error(task: Task) -> None:
    if task.num_outputs > 1:
        with pytest.raises(LabelError):
            task.with_outputs([], task)
