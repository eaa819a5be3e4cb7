"""Tasks for tests: the one of the documentation, and each with the classes of its example.

A task that needs a text decoder gets that of a tiny Whisper, as a run gives it one.
"""

import copy
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from ossicle.anatomy import Anatomy
from ossicle.backbones import Backbone, load_backbone
from ossicle.data import Dataset, Utterance
from ossicle.heads import Head, build_head
from ossicle.tasks import TASKS, Task
from ossicle.writing import Text

PAGE = Path(__file__).parents[2] / "docs/how-to/add-a-task.md"


def documented() -> type[Task]:
    """Return the task that the documentation adds."""
    text = PAGE.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    namespace: dict[str, Any] = {"__name__": "documented"}
    with mock.patch.dict(TASKS):
        exec(compile(text, PAGE.name, "exec"), namespace)
    return namespace["Counting"]


def dataset(*utterances: Utterance) -> Dataset:
    return Dataset("noise", utterances, utterances, utterances, False, given=True, note="")


def example_of(kind: type[Task]) -> Task:
    """Return a task with the classes of its example, without recordings."""
    utterances = [
        Utterance(f"{number}", Path(f"{number}.wav"), kind.example[number % 2])
        for number in range(8)
    ]
    return of_dataset(kind, dataset(*utterances))


def of_dataset(kind: type[Task], data: Dataset, **settings: Any) -> Task:
    """Return a task as a run has it: with a tokenizer, if it needs one."""
    task = kind.from_dataset(data, **settings)
    return with_tokens(task) if kind.needs_decoder else task


def with_tokens(task: Task) -> Task:
    """Return a task with the tokenizer of `whole`."""
    return task.with_tokens(whole().tokens)


@cache
def whole() -> Backbone:
    """Return a tiny Whisper with its decoder, which writes up to 16 tokens in English alone."""
    sizes = "d_model=8&encoder_layers=1&encoder_attention_heads=1&encoder_ffn_dim=8"
    decoder = "decoder_layers=1&decoder_attention_heads=1&decoder_ffn_dim=8"
    limits = "length=1&vocab_size=1780&pad_token_id=0&max_target_positions=16"
    backbone = load_backbone(f"config:whisper-tiny?{sizes}&{decoder}&{limits}", decoder=True)
    assert backbone.tokens is not None
    backbone.tokens.is_multilingual = False
    return backbone


def head_of(task: Task, anatomy: Anatomy) -> Head:
    """Return the default head of a task; one that runs a decoder has a copy of that of `whole`."""
    head = build_head(task.heads[0], anatomy, task.num_outputs)
    task.configure(head)
    if head.needs_decoder:
        decoder = copy.deepcopy(whole().decoder)
        assert decoder is not None
        head.connect(decoder)
    return head


def answers(head: Head, hidden: Tensor) -> list[Tensor]:
    """Return outputs as a task decodes them."""
    mask = torch.ones(hidden.shape[:2], dtype=torch.bool)
    return [row.detach() for row in head.answers(hidden, mask, [Text()] * len(hidden)).rows()]


def for_loss(head: Head, hidden: Tensor, labels: Sequence[str]) -> list[Tensor]:
    """Return outputs as the loss of a task for these labels reads them."""
    mask = torch.ones(hidden.shape[:2], dtype=torch.bool)
    return [row.detach() for row in head.outputs(hidden, mask, [*map(Text, labels)]).rows()]
