"""Mean of probabilities."""

from collections.abc import Sequence
from typing import ClassVar, final

from torch import Tensor

from ossicle.tasks import Task
from ossicle.votes.vote import Decision, Vote


@final
class Soft(Vote):
    """The mean over members: of probabilities, values, or scores of pairs, as the task says."""

    name: ClassVar[str] = "soft"
    about: ClassVar[str] = "mean of the members' probabilities, values or scores"

    @classmethod
    def supports(cls, task: Task) -> bool:
        """Return True: every task has a mean."""
        del task
        return True

    def decide(self, task: Task, outputs: Sequence[Tensor]) -> Decision:
        """Return the decision on the mean of `Task.combine_members`."""
        output = task.combine_members(outputs)
        return Decision(task.decode(output), output)
