"""The answers in an output: which columns answer which question, and of what kind.

    classification   one choice of C classes          columns 0..C
    intent           one choice for each slot         columns a..b for each
    tagging, events  presence of each tag             one column each
    regression       a number for each dimension      one column each
    CTC              one choice of V units, by frame  columns 0..V
    verification     none: its output is an embedding

What combines the outputs of several models works on these, and knows no task.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

Kind = Literal["choice", "presence", "number"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Adjacent columns of an output that answer one question.

    Attributes:
        kind: `choice`: logits of a softmax over the columns; `presence`: the logit of a sigmoid;
            `number`: a value.
        start: First column.
        stop: Column after the last; `start + 1` unless it is a choice.
        options: What each column means: the classes of a choice, or the one tag or dimension.
        threshold: Of a presence, the probability above which it is said to be there.
    """

    kind: Kind
    start: int
    stop: int
    options: tuple[str, ...]
    threshold: float = 0.5

    @property
    def columns(self) -> slice:
        """The columns, to index the last dimension of an output."""
        return slice(self.start, self.stop)


@dataclass(frozen=True, slots=True)
class Block:
    """Adjacent answers that are computed together: one choice, or several of another kind.

    Attributes:
        answers: The answers, in the order of their columns.
    """

    answers: tuple[Answer, ...]

    @property
    def kind(self) -> Kind:
        """The kind of all of them."""
        return self.answers[0].kind

    @property
    def columns(self) -> slice:
        """The columns of all of them."""
        return slice(self.answers[0].start, self.answers[-1].stop)


def blocks(answers: Sequence[Answer]) -> Iterator[Block]:
    """Return the answers of an output in blocks, in the order of their columns."""
    for _, group in groupby(answers, lambda one: (one.kind, one.start * (one.kind == "choice"))):
        yield Block(tuple(group))
