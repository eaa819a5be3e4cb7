"""The groups of rows of the benchmarks page, in the order in which they run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from speed.bench import Bench, Figures
from speed.groups import (
    adapterhub,
    ast_lengths,
    attention,
    bank,
    cache,
    curves,
    forward,
    front,
    lengths,
    loading,
    memory,
    steps,
)


@dataclass(frozen=True)
class Group:
    """A group of rows.

    Attributes:
        measure: All of its rows. The first line of its docstring is the group's title.
        part: One row, where each needs a process of its own.
        parts: The labels that `part` accepts.
        cpu_only: Whether it says nothing about a GPU.
    """

    measure: Callable[[Bench], Figures]
    part: Callable[[Bench, str], Figures] | None = None
    parts: Sequence[str] = ()
    cpu_only: bool = False

    @property
    def title(self) -> str:
        """What the rows compare."""
        return (self.measure.__doc__ or "").splitlines()[0]


GROUPS: dict[str, Group] = {
    "steps": Group(steps.measure),
    "forward": Group(forward.measure, forward.one_size, tuple(forward.CLIPS)),
    "allocator": Group(forward.with_kept_memory, cpu_only=True),
    "front": Group(front.measure, cpu_only=True),
    "attention": Group(attention.measure),
    "ast": Group(ast_lengths.measure),
    "lengths": Group(lengths.measure),
    "loading": Group(loading.measure),
    "bank": Group(bank.measure),
    "adapterhub": Group(adapterhub.measure, cpu_only=True),
    "cache": Group(cache.measure),
    "memory": Group(memory.measure, memory.peak, memory.VARIANTS, cpu_only=True),
    "curves": Group(curves.measure),
}
