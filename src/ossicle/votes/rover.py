"""ROVER: a vote on the words of aligned transcripts.

    member 1   a  b  c  d  e  .          the words of each member are aligned, one member after the
    member 2   .  b  z  d  e  .          other, with the slots that hold those before it; a dot is
    member 3   .  b  c  d  e  f          no word
               -  b  c  d  e  -          each slot has a vote

Aligning costs 4 for a word at a slot without it, 3 for a new slot and 3 for leaving out a slot, as
in NIST's SCTK; a slot that another member leaves out costs nothing. The first member is the one
that is nearest to all others by the same costs, and so on; of equally near members, the one whose
frames have the higher mean log-probability. The word of the first member decides ties, so the order
in which the members are given has no influence. Words are phones for phone recognition, and
characters where the training transcripts have no spaces.

Each member is decoded by itself, so that members may differ in their frame rate.

Source: Fiscus 1997, "A post-processing system to yield reduced word error rates: Recognizer Output
Voting Error Reduction (ROVER)", voting by frequency of occurrence.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar, Final, final

from rapidfuzz.distance import Levenshtein
from torch import Tensor

from ossicle.tasks import Task
from ossicle.tasks.ctc import Transcription
from ossicle.votes.vote import Decision, Vote

SUBSTITUTION: Final = 4
INSERTION: Final = 3
DELETION: Final = 3
Word = str | None  # None: no word
Slot = list[Word]  # of the members so far


@final
class Rover(Vote):
    """The words of most members, after aligning their transcripts."""

    name: ClassVar[str] = "rover"
    about: ClassVar[str] = "word of most members, after aligning their transcripts"
    needs_equal_frames: ClassVar[bool] = False

    @classmethod
    def supports(cls, task: Task) -> bool:
        """Return True for transcripts."""
        return isinstance(task, Transcription)

    def decide(self, task: Task, outputs: Sequence[Tensor]) -> Decision:
        """Return the transcript, without an output: members may have different frames."""
        assert isinstance(task, Transcription), f"{task.name} has no transcripts"
        split, join = _spelling(task)
        texts = [split(task.decode(output)["label"]) for output in outputs]
        sure = [float(one.log_softmax(dim=-1).amax(dim=-1).mean()) for one in outputs]
        return Decision({"label": join(voted(_in_order(texts, sure)))}, None)


def voted(texts: Sequence[Sequence[str]]) -> list[str]:
    """Return the words of most texts; those of the first decide ties.

    Args:
        texts: The words of each member, in the order of their alignment.
    """
    slots: list[Slot] = []
    for number, words in enumerate(texts):
        slots = _aligned(slots, words, number)
    winners = [Counter(slot).most_common(1)[0][0] for slot in slots]  # the first of equal counts
    return [word for word in winners if word is not None]


def _spelling(
    task: Transcription,
) -> tuple[Callable[[str], list[str]], Callable[[Sequence[str]], str]]:
    """Return how a text is split into words, and how words are joined to a text."""
    if task.by_word and " " not in task.units:
        return task.spell, task.join
    return str.split, " ".join


def _in_order(texts: Sequence[list[str]], sure: Sequence[float]) -> list[list[str]]:
    """Return the texts, beginning with the one that is nearest to all others."""
    costs = (INSERTION, DELETION, SUBSTITUTION)

    def key(number: int) -> tuple[int, float, list[str]]:
        distances = (Levenshtein.distance(texts[number], one, weights=costs) for one in texts)
        return sum(distances), -sure[number], texts[number]

    return [texts[number] for number in sorted(range(len(texts)), key=key)]


def _aligned(slots: Sequence[Slot], words: Sequence[str], before: int) -> list[Slot]:
    """Return the slots with the words of another member, and new ones for words without a slot.

    Args:
        slots: The slots.
        words: The words of the member.
        before: Number of members that the slots are of.
    """
    skip = [0 if None in slot else DELETION for slot in slots]
    costs = [[INSERTION * number for number in range(len(words) + 1)]]
    for slot, skipped in zip(slots, skip, strict=True):
        above = costs[-1]
        row = [above[0] + skipped]
        for j, word in enumerate(words):
            match = 0 if word in slot else SUBSTITUTION
            row.append(min(above[j] + match, above[j + 1] + skipped, row[j] + INSERTION))
        costs.append(row)
    return _traced(slots, words, before, costs)


def _traced(
    slots: Sequence[Slot], words: Sequence[str], before: int, costs: Sequence[Sequence[int]]
) -> list[Slot]:
    """Return the slots of the alignment with the lowest cost, found from its end."""
    i, j = len(slots), len(words)
    made: list[Slot] = []
    while i or j:
        match = i and j and (0 if words[j - 1] in slots[i - 1] else SUBSTITUTION)
        if i and j and costs[i][j] == costs[i - 1][j - 1] + match:
            i, j = i - 1, j - 1
            made.append([*slots[i], words[j]])
        elif j and costs[i][j] == costs[i][j - 1] + INSERTION:
            j -= 1
            made.append([*[None] * before, words[j]])
        else:
            i -= 1
            made.append([*slots[i], None])
    return made[::-1]
