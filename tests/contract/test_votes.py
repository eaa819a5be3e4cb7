"""What every vote must do on every task; a new file of either is included."""

import json
import re
from functools import cache
from pathlib import Path

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


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ossicle.votes.stacked.STRENGTHS", (1.0,))


def right(task: Task) -> Tensor:
    """Return outputs that are right, with a margin of 4; of tasks without true values, nothing.

    The answers of one recording vary independently of each other.
    """
    shape = (COUNT, FRAMES, task.num_outputs) if task.by_frame else (COUNT, task.num_outputs)
    made, drawn = torch.zeros(shape), torch.Generator().manual_seed(0)
    if type(task).truth is Task.truth:
        return made
    for number, answer in enumerate(task.answers):
        turns = torch.arange(COUNT) // 2**number
        if answer.kind == "choice":
            made[:, answer.columns] = (
                4 * torch.eye(len(answer.options))[turns % len(answer.options)]
            )
        elif answer.kind == "presence":
            made[:, answer.start] = 8.0 * (turns % 2) - 4
        else:
            made[:, answer.start] = torch.randn(COUNT, generator=drawn)
    return made


def labels(task: Task) -> list[str]:
    if type(task).truth is Task.truth:
        return [task.example[number % 2] for number in range(COUNT)]
    return [task.decode(output)["label"] for output in right(task)]


def outputs(task: Task, noise: float = 4.0) -> list[list[Tensor]]:
    torch.manual_seed(1)
    members = [right(task) + noise * torch.randn_like(right(task)) for _ in range(MEMBERS)]
    return [list(one) for one in zip(*members, strict=True)]


@cache
def fitted(task: Task, vote: type[Vote]) -> Vote:
    return vote.fit(task, outputs(task), labels(task))


def assert_same(one: Decision, other: Decision, tolerance: float) -> None:
    if one.output is None or other.output is None:
        assert one == other
        return
    torch.testing.assert_close(one.output, other.output, rtol=tolerance, atol=tolerance)


@each_pair
def test_a_decision_is_finite_and_what_the_task_decodes(task: Task, vote: type[Vote]) -> None:
    members, learnt = outputs(task), fitted(task, vote)
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
    members, learnt = outputs(task), fitted(task, vote)
    turned = [[*one[1:], one[0]] for one in members]
    again = vote.fit(task, turned, labels(task))
    for one, other in zip(members, turned, strict=True):
        assert_same(again.decide(task, other), learnt.decide(task, one), tolerance=2e-3)


@each_pair
def test_copies_of_one_member_decide_as_it_does(task: Task, vote: type[Vote]) -> None:
    members = [[one[0]] * MEMBERS for one in outputs(task, noise=0.05)]
    learnt = vote.fit(task, members, labels(task))
    for one in members:
        alone, together = task.decode(one[0]), learnt.decide(task, one).decoded
        if "values" in alone:
            assert together["values"] == pytest.approx(alone["values"], abs=0.2)
        else:
            assert together["label"] == alone["label"]


@each_pair
def test_a_vote_survives_json(task: Task, vote: type[Vote]) -> None:
    members, learnt = outputs(task), fitted(task, vote)
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


def test_every_vote_has_a_row_in_the_page_of_ensembles() -> None:
    page = Path(__file__).parents[2] / "docs/how-to/train-an-ensemble.md"
    rows = re.findall(r"^\| `(\w+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(rows) >= set(VOTES)
