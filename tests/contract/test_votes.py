"""What every vote must do on every task; a new file of either is included."""

import json
from itertools import permutations

import pytest
import torch
from task_examples import documented, example_of
from torch import Tensor

from ossicle.errors import RunError
from ossicle.heads import HEADS
from ossicle.tasks import TASKS, Task
from ossicle.votes import VOTES, Decision, Vote, check_vote, read_vote, votes_of

COUNT, FRAMES, MEMBERS = 12, 24, 3
EACH_TASK = [example_of(kind) for kind in (*TASKS.values(), documented())]
# Embeddings are compared in pairs of recordings: tests/contract/test_tasks.py.
PAIRS = [(task, vote) for task in EACH_TASK if task.answers for vote in votes_of(task)]

each_task = pytest.mark.parametrize("task", EACH_TASK, ids=lambda task: task.name)
each_pair = pytest.mark.parametrize(("task", "vote"), PAIRS, ids=lambda one: one.name)


def labels(task: Task) -> list[str]:
    return [task.example[number % 2] for number in range(COUNT)]


def outputs(task: Task, noise: float) -> list[list[Tensor]]:
    """Return outputs of members that are right, unless the noise is above their margin of 4.

    Members of a task without true values, such as those by frame, are noise alone.
    """
    torch.manual_seed(0)
    shape = (COUNT, FRAMES, task.num_outputs) if task.by_frame else (COUNT, task.num_outputs)
    right = torch.zeros(shape)
    truth = task.truth(labels(task))
    for number, answer in enumerate(task.answers if truth is not None else ()):
        value = torch.from_numpy(truth[:, number]).float()
        if answer.kind == "choice":
            right[:, answer.columns] = 4 * torch.eye(len(answer.options))[value.long()]
        else:
            right[:, answer.start] = value if answer.kind == "number" else 8 * value - 4
    members = [right + noise * torch.randn(shape) for _ in range(MEMBERS)]
    return [list(one) for one in zip(*members, strict=True)]


def assert_same(one: Decision, other: Decision, tolerance: float) -> None:
    if one.output is None or other.output is None:
        assert one == other
        return
    torch.testing.assert_close(one.output, other.output, rtol=tolerance, atol=tolerance)


@each_pair
def test_a_decision_is_finite_and_what_the_task_decodes(task: Task, vote: type[Vote]) -> None:
    members = outputs(task, noise=4.0)
    learnt = vote.fit(task, members, labels(task))
    for one in members:
        decision = learnt.decide(task, one)
        assert isinstance(decision.decoded["label"], str)
        if decision.output is not None:
            assert decision.output.shape == one[0].shape
            assert decision.output.dtype == one[0].dtype
            assert decision.output.isfinite().all()
            assert task.decode(decision.output) == decision.decoded


@each_pair
def test_the_order_of_the_members_does_not_change_the_decision(
    task: Task, vote: type[Vote]
) -> None:
    members = outputs(task, noise=4.0)
    learnt = vote.fit(task, members, labels(task))
    decided = [learnt.decide(task, one) for one in members]
    for order in permutations(range(MEMBERS)):
        turned = [[one[member] for member in order] for one in members]
        again = vote.fit(task, turned, labels(task))
        for one, before in zip(turned, decided, strict=True):
            assert_same(again.decide(task, one), before, tolerance=2e-3)


@each_pair
def test_copies_of_one_member_decide_as_it_does(task: Task, vote: type[Vote]) -> None:
    members = [[one[0]] * MEMBERS for one in outputs(task, noise=0.3)]
    learnt = vote.fit(task, members, labels(task))
    for one in members:
        alone, together = task.decode(one[0]), learnt.decide(task, one).decoded
        if "values" in alone:
            assert together["values"] == pytest.approx(alone["values"], rel=0.1)
        else:
            assert together["label"] == alone["label"]


@each_pair
def test_a_vote_survives_json(task: Task, vote: type[Vote]) -> None:
    members = outputs(task, noise=4.0)
    learnt = vote.fit(task, members, labels(task))
    again = read_vote(json.loads(json.dumps(learnt.to_dict())))
    assert type(again) is vote
    for one in members:
        assert_same(again.decide(task, one), learnt.decide(task, one), tolerance=0)


@each_task
def test_a_task_names_its_votes_where_another_is_asked_for(task: Task) -> None:
    names = [vote.name for vote in votes_of(task)]
    assert "soft" in names
    for name, vote in VOTES.items():
        if name in names:
            assert check_vote(name, task) is vote
            continue
        with pytest.raises(RunError, match=rf"not possible for .*: {', '.join(names)}"):
            check_vote(name, task)


@each_task
def test_a_confidence_is_the_probability_of_the_label(task: Task) -> None:
    width = task.num_outputs
    heads = {"answer": torch.zeros(width), "frames": torch.zeros(FRAMES, width)}
    output = heads["frames" if HEADS[task.heads[0]].by_frame else "answer"]
    confidence = task.confidence(task.decode(output)) if task.answers else None
    assert (confidence is not None) == task.has_confidence()
    if confidence is not None:
        wanted = torch.tensor([1 / len(answer.options) for answer in task.answers]).prod()
        assert confidence == pytest.approx(wanted.item())
