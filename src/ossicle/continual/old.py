"""The outputs of a head that the parent run has: what they answer, and of what kind.

A choice is made among its old options alone, so a head with outputs for new labels can be compared
with the parent's. An output that is an embedding (verification) is one answer, at length 1. Of a
text, each token is a choice among all tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ossicle.errors import RunError
from ossicle.heads import Outputs
from ossicle.tasks import Task

Kind = Literal["choice", "presence", "number", "embedding"]


@dataclass(frozen=True, slots=True)
class Old:
    """Outputs that the parent run has.

    Attributes:
        kind: `choice`: one answer, logits of a softmax over all of them; `presence`: logits of
            sigmoids; `number`: values; `embedding`: one answer.
        columns: Their numbers among the outputs; of an embedding, how many columns at the end are
            not part of it; empty for the tokens of a text, which are all there.
    """

    kind: Kind
    columns: tuple[int, ...]

    @property
    def count(self) -> int:
        """The number of answers."""
        return 1 if self.kind in ("choice", "embedding") else len(self.columns)

    def of(self, outputs: Outputs) -> Float[Tensor, "B ... C"]:
        """Return the values of these outputs."""
        if self.kind == "embedding":
            (others,) = self.columns
            return F.normalize(outputs.values[..., :-others], dim=-1)
        return outputs.values[..., list(self.columns)] if self.columns else outputs.values


def old_answers(task: Task, old_outputs: Sequence[int | None], way: str) -> tuple[Old, ...]:
    """Return the answers that a new head shares with the parent's.

    Args:
        task: The task of the new stage.
        old_outputs: For each output of the parent's head, its number among those of the new head.
        way: The way to keep, for the message.

    Raises:
        RunError: it shares none.
    """
    if task.needs_decoder:
        return (Old("choice", ()),)
    if not task.answers:
        return (Old("embedding", (2 * task.num_outputs,)),)  # `SpeakerHead.forward`
    old = {number for number in old_outputs if number is not None}
    found: list[Old] = []
    rest: dict[Kind, list[int]] = {"presence": [], "number": []}
    for answer in task.answers:
        columns = tuple(n for n in range(answer.start, answer.stop) if n in old)
        if answer.kind != "choice":
            rest[answer.kind] += columns
        elif len(columns) > 1:
            found.append(Old("choice", columns))
    found += [Old(kind, tuple(columns)) for kind, columns in rest.items() if columns]
    if not found:
        raise RunError(
            f"--keep {way} needs the answers that the parent run gives, and the new head has "
            "none of them. Use --head-from keep or extend, or another way to keep, such as l2-sp"
        )
    return tuple(found)
