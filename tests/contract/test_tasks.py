"""What every task must do; a new file is included."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import soundfile
import torch
from task_examples import (
    answers,
    dataset,
    documented,
    for_loss,
    head_of,
    of_dataset,
    whole,
    with_tokens,
)

from ossicle.adapters.check import attach
from ossicle.anatomy import Anatomy
from ossicle.backbones import Backbone
from ossicle.cli.options import print_metrics
from ossicle.cli.tasks import tasks as list_tasks
from ossicle.data import Utterance
from ossicle.data.clips import Clips
from ossicle.data.roles import LABEL_COLUMNS
from ossicle.errors import LabelError, RunError
from ossicle.frozen.cut import find_cut
from ossicle.frozen.part import FrozenPart
from ossicle.heads import HEADS, Outputs, build_head
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import TASKS, Task, suggest_task
from ossicle.training.config import TrainConfig
from ossicle.training.loop import epochs
from ossicle.training.state import State
from ossicle.writing import Text
from tones import tone

NEARLY = 0.3  # distance of the metric from its best value; guessing is 1 away
FRAMES = 12
PITCHES = (300, 700, 1200, 1900, 2800)
SEED = 1
ANATOMY = Anatomy("hubert", 1, 8, ())


@pytest.fixture(params=[*TASKS.values(), documented()], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Iterator[type[Task]]:
    with mock.patch.dict(TASKS, {request.param.name: request.param}):
        yield request.param


@pytest.fixture
def utterances(kind: type[Task], tmp_path: Path) -> tuple[Utterance, ...]:
    """Return eight recordings of five successive tones, rising or falling by their label."""
    made = []
    for number in range(8):
        file = tmp_path / f"{number}.wav"
        pitches = PITCHES if number % 2 else PITCHES[::-1]
        parts = [tone(hz, (20 + number) / 500, number) for hz in pitches]
        soundfile.write(file, np.concatenate(parts), 16_000)
        made.append(Utterance.of(file, tmp_path, kind.example[number % 2]))
    return tuple(made)


@pytest.fixture
def task(kind: type[Task], utterances: tuple[Utterance, ...]) -> Task:
    return of_dataset(kind, dataset(*utterances))


def outputs(task: Task, count: int) -> list[torch.Tensor]:
    return answers(head_of(task, ANATOMY), torch.randn(count, FRAMES, 8))


@pytest.mark.slow
@pytest.mark.thorough
def test_a_task_memorises_eight_utterances(
    task: Task, utterances: tuple[Utterance, ...], build: Callable[..., Backbone]
) -> None:
    if task.needs_decoder:
        return  # tests/integration/test_seq2seq.py
    backbone = build("hubert-pre-norm")
    torch.manual_seed(SEED)
    head = build_head(task.heads[0], backbone.anatomy, task.num_outputs)
    model = attach(backbone, Recipe.parse("full"), head)
    clips = Clips(utterances, tuple(3200 + 160 * number for number in range(8)), 16_000)
    settings = {"backbone": "b", "recipe": "full", "data": "d", "lr": 3e-3, "batch_size": 4}
    config = TrainConfig(**settings, epochs=200 if task.by_frame else 60)
    state, frozen = State.of(model, config), FrozenPart(find_cut(model))
    for epoch in epochs(model, task, clips, clips, config, state, frozen=frozen):
        if task.score(epoch.valid) > float(task.higher_is_better) - NEARLY and epoch.number > 1:
            break
    assert task.score(epoch.valid) > float(task.higher_is_better) - NEARLY
    assert epoch.train_loss < state.history[0].train_loss


def test_answers_have_times_or_say_that_there_are_none(task: Task) -> None:
    if task.goes_on:
        assert task.with_times() != task
        return
    with pytest.raises(RunError, match=f"task {task.name} have no times; use a run of the task"):
        task.with_times()


def test_its_heads_exist_and_fit_the_task(kind: type[Task]) -> None:
    assert kind.heads
    assert all(HEADS[name].by_frame == kind.by_frame for name in kind.heads)


def test_a_task_survives_json(task: Task) -> None:
    again = type(task).from_dict(json.loads(json.dumps(task.to_dict())))
    again = with_tokens(again) if task.needs_decoder else again
    assert again.to_dict() == task.to_dict()
    assert again.num_outputs == task.num_outputs
    assert task.to_dict()["name"] == type(task).name


def public(task: Task) -> dict[str, Any]:
    """Return the settings of a task, with numbers in lists or not."""
    values = {name: value for name, value in vars(task).items() if not name.startswith("_")}
    plain: dict[str, Any] = json.loads(json.dumps(values, default=repr))
    return plain


def settings_of(kind: type[Task]) -> dict[str, Any]:
    """Return a non-default value of every setting."""
    other: dict[str, Any] = {}
    for name, setting in kind.settings.items():
        if setting.choices:
            other[name] = next(word for word in setting.choices if word != setting.default)
        elif not isinstance(setting.default, str):
            other[name] = setting.default + 1 if isinstance(setting.default, int) else 0.25
    return {name: value for name, value in other.items() if name not in ("task", "normaliser")}


def test_every_setting_survives_json_and_the_loss_is_the_same(
    kind: type[Task], utterances: tuple[Utterance, ...]
) -> None:
    # Four of one label and two of the other, so that balanced weights differ from equal ones.
    corpus = dataset(*utterances[::2], *utterances[1:4:2])
    task = of_dataset(kind, corpus, **settings_of(kind))
    again = kind.from_dict(json.loads(json.dumps(task.to_dict())))
    again = with_tokens(again) if kind.needs_decoder else again
    assert public(again) == public(task)
    labels = [kind.example[0], kind.example[0], kind.example[1]]
    given = Outputs.of(for_loss(head_of(task, ANATOMY), torch.randn(3, FRAMES, 8), labels))
    assert torch.equal(again.loss(given, labels), task.loss(given, labels))
    if "loss" in settings_of(kind) or "class_weights" in settings_of(kind):
        assert not torch.equal(
            of_dataset(kind, corpus).loss(given, labels), task.loss(given, labels)
        )


def test_one_window_gives_the_answer_of_the_recording(task: Task) -> None:
    (output,) = outputs(task, 1)
    alone, combined = task.decode(output), task.decode(task.combine_windows([output]))
    assert combined["label"] == alone["label"]
    if "probs" in alone:
        assert combined["probs"] == pytest.approx(alone["probs"], rel=1e-4)


def test_the_order_of_the_windows_does_not_matter(task: Task) -> None:
    if task.needs_decoder:
        return  # the windows of a text follow each other
    if task.by_frame:
        with pytest.raises(ValueError, match="too many values"):
            task.combine_windows(outputs(task, 2))
        return
    windows = outputs(task, 5)
    torch.testing.assert_close(task.combine_windows(windows), task.combine_windows(windows[::-1]))


def test_two_equal_members_give_the_answer_of_one(task: Task) -> None:
    (output,) = outputs(task, 1)
    alone, combined = task.decode(output), task.decode(task.combine_members([output, output]))
    assert combined["label"] == alone["label"]
    if "probs" in alone:
        assert combined["probs"] == pytest.approx(alone["probs"], rel=1e-4)


def test_the_order_of_the_members_does_not_matter(task: Task) -> None:
    recordings = [outputs(task, 3), outputs(task, 3)]
    forwards, backwards = (
        [task.decode(task.combine_members(members[::step])) for members in recordings]
        for step in (1, -1)
    )
    assert [one["label"] for one in forwards] == [one["label"] for one in backwards]
    said, turned = task.compare_with_first(*forwards), task.compare_with_first(*backwards)
    assert said == pytest.approx(turned, rel=1e-4)


def test_the_loss_is_finite_with_a_gradient_for_every_row(kind: type[Task], task: Task) -> None:
    labels = [kind.example[number % 2] for number in range(4)]
    rows = for_loss(head_of(task, ANATOMY), torch.randn(4, FRAMES, 8), labels)
    given = [output.requires_grad_() for output in rows]
    loss = task.loss(Outputs.of(given), labels)
    assert loss.shape == ()
    assert loss.isfinite()
    for gradient in torch.autograd.grad(loss, given):
        assert gradient.isfinite().all()
        assert gradient.any()
    assert task.loss(Outputs.of(given[:1]), labels[:1]).isfinite()


def test_correct_predictions_give_the_best_metric(kind: type[Task], task: Task) -> None:
    labels = [kind.example[number % 2] for number in range(6)]
    truth = {label: said(task, label) for label in kind.example}
    right = keyed([truth[label] for label in labels])
    wrong = keyed([*right[:-1], truth[labels[0]]])
    assert task.score(task.metrics(labels, right)) == pytest.approx(float(task.higher_is_better))
    metrics = task.metrics(labels, wrong)
    assert task.score(metrics) < float(task.higher_is_better)
    assert metrics["count"] == 6
    drawn = task.metrics_by_rows(labels, wrong)(np.arange(6))
    assert drawn == pytest.approx({name: metrics[name] for name in kind.reported})
    twice = task.metrics_by_rows(labels, wrong)(np.array([0, 0, 1, 5, 5, 5]))
    chosen = [labels[i] for i in (0, 0, 1, 5, 5, 5)], [wrong[i] for i in (0, 0, 1, 5, 5, 5)]
    assert twice == pytest.approx({n: task.metrics(*chosen)[n] for n in kind.reported})
    assert json.loads(json.dumps(metrics)) == metrics
    each = task.recording_scores(labels, right), task.recording_scores(labels, wrong)
    if each != (None, None):
        assert kind.recording_score
        assert each[0][:-1] == each[1][:-1]
        assert each[0][-1] > each[1][-1]


def keyed(decoded: list[dict]) -> list[dict]:
    """Return decoded outputs with the utterance's key, as `assess` does."""
    return [{**one, "key": str(number)} for number, one in enumerate(decoded)]


def said(task: Task, label: str) -> dict:
    """Return what the task decodes from frames that are trained on a single label.

    Of a text, what it decodes from its tokens: tests/integration/test_seq2seq.py trains a decoder.
    """
    if task.needs_decoder:
        tokens = whole().tokens
        ids = torch.tensor([*tokens.encode(label), tokens.end])
        return task.decode(torch.stack((ids, torch.zeros(len(ids))), dim=-1))
    torch.manual_seed(0)
    head = head_of(task, ANATOMY)
    hidden = torch.randn(1, FRAMES, 8, requires_grad=True)
    optimizer = torch.optim.Adam([hidden, *head.parameters()], lr=0.1)
    mask = torch.ones(1, FRAMES, dtype=torch.bool)
    for _ in range(300):
        optimizer.zero_grad()
        task.loss(head.outputs(hidden, mask, [Text(label)]), [label]).backward()
        optimizer.step()
    return task.decode(answers(head, hidden.detach())[0])


def test_its_metrics_are_printed_and_compared(
    kind: type[Task],
    task: Task,
    utterances: tuple[Utterance, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    decoded = keyed([task.decode(output) for output in outputs(task, 8)])
    metrics = task.metrics([one.label for one in utterances], decoded)
    unit = {"interval_unit": "recording", "interval_units": 8, "interval_missing": "none drawn"}
    found = {"task": kind.name, **metrics, **unit, "intervals": dict.fromkeys(kind.reported)}
    print_metrics(found)
    printed = [line.strip() for line in capsys.readouterr().out.splitlines()]
    for key, metric in kind.reported.items():
        assert any(
            line.startswith(metric.label) and metric.text(metrics[key]) in line for line in printed
        )
    assert set(kind.details(found)) <= set(printed)


def test_the_command_line_describes_it(
    kind: type[Task], capsys: pytest.CaptureFixture[str]
) -> None:
    list_tasks(kind.name)
    printed = capsys.readouterr().out
    assert f"{kind.name}: {kind.about}\nlabel: {kind.label_format}, e.g. " in printed
    list_tasks(json=True)
    card = json.loads(capsys.readouterr().out)[kind.name]
    assert card["heads"] == list(kind.heads)
    assert {key: one["default"] for key, one in card["settings"].items()} == {
        key: setting.default for key, setting in kind.settings.items()
    }


def test_no_two_tasks_are_suggested_by_one_label(kind: type[Task]) -> None:
    for name in kind.suggested_by:
        assert [one for one in TASKS.values() if name in one.suggested_by] == [kind]
        assert suggest_task(name) is kind


def test_every_label_that_a_table_is_known_to_hold_suggests_a_task() -> None:
    suggested = {name for one in TASKS.values() for name in one.suggested_by}
    assert LABEL_COLUMNS.keys() <= suggested
    assert suggest_task("label").name == suggest_task("emotion").name == "classification"


def test_unseen_labels_are_an_error(task: Task, utterances) -> None:
    if not task.closed_set:
        return  # made for unseen speakers
    if "unseen" in task.settings:
        task = type(task).from_dataset(dataset(*utterances), unseen="error")
    with pytest.raises(LabelError):
        task.check_labels([type(task).example[0], "mäßig=?"])


def test_labels_that_cannot_be_trained_on_are_an_error(kind: type[Task], utterances) -> None:
    if kind.by_frame:
        return  # one transcript is as good as many
    same = [Utterance(one.key, one.path, "7") for one in utterances]
    with pytest.raises(LabelError, match=r"(7|1 different tags)"):
        kind.from_dataset(dataset(*same))
