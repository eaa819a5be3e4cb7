"""What votes gain over the best single member, recording by recording."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final

from ossicle.reports.parts import Cell, Part, Table
from ossicle.studies.analysis.text import count
from ossicle.studies.ensembles.models import Answers
from ossicle.trials.trial import Label

EXAMPLES: Final = 8
BySeed = Mapping[Label, Answers]


def gain_parts(
    best: str, member: BySeed, votes: Mapping[str, BySeed], number: int, where: str
) -> list[Part]:
    """Return a table of recordings gained and lost, and examples of the first vote.

    Args:
        best: The member that is best on the validation recordings.
        member: Its answers for each seed.
        votes: The answers of each ensemble for each seed, by its name.
        number: Number of the pool in the report, from 1.
        where: Data and backbone, if there are several.
    """
    changes = {name: _changes(member, found) for name, found in votes.items()}
    known = {name: found for name, found in changes.items() if found}
    if not known:
        return []
    place = f": {where}" if where else ""
    table = Table(
        name=f"gains-{number}",
        title=f"Recordings gained and lost by votes{place}",
        columns=["vote", "gained", "lost", "gained less lost", "unchanged", "seeds"],
        rows=[_row(name, found) for name, found in known.items()],
        notes=[
            f"Compared with {best}, the member that is best on the validation recordings, with the "
            "first seed of the ensemble. Gained: recordings with a higher score after the vote; "
            "lost: with a lower. Mean number over seeds."
        ],
    )
    name, found = next(iter(known.items()))
    return [table, *_examples(name, found, member, number, place)]


Change = Mapping[str, int]  # sign of the change of each recording


def _changes(member: BySeed, vote: BySeed) -> list[Change]:
    """Return the changes from a member to a vote, for each seed of both."""
    found: list[Change] = []
    for seed, before in member.items():
        after = vote.get(seed)
        if after is not None and after.keys == before.keys:
            pairs = zip(after.scores.tolist(), before.scores.tolist(), strict=True)
            signs = [int(one > other) - int(one < other) for one, other in pairs]
            found.append(dict(zip(after.keys, signs, strict=True)))
    return found


def _row(name: str, found: Sequence[Change]) -> list[Cell]:
    by_sign = {
        sign: fmean(sum(value == sign for value in one.values()) for one in found)
        for sign in (1, -1, 0)
    }
    net = by_sign[1] - by_sign[-1]
    numbers = [by_sign[1], by_sign[-1], net, by_sign[0]]
    texts = [f"{numbers[0]:.1f}", f"{numbers[1]:.1f}", f"{net:+.1f}", f"{numbers[3]:.1f}"]
    return [
        Cell(text=name),
        *(Cell(text=text, value=value) for text, value in zip(texts, numbers, strict=True)),
        Cell(text=str(len(found)), value=len(found)),
    ]


def _examples(
    name: str, found: Sequence[Change], member: BySeed, number: int, place: str
) -> list[Part]:
    """Return the recordings that are gained or lost with most seeds."""
    label_of = {
        key: label
        for one in member.values()
        for key, label in zip(one.keys, one.labels, strict=True)
    }
    rows = []
    for sign, word in ((1, "gained"), (-1, "lost")):
        counts = Counter(key for one in found for key, value in one.items() if value == sign)
        rows += [
            [
                Cell(text=key),
                Cell(text=label_of[key]),
                Cell(text=f"{word} with {times} of {count(len(found), 'seed')}", value=times),
            ]
            for key, times in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:EXAMPLES]
        ]
    if not rows:
        return []
    return [
        Table(
            name=f"examples-{number}",
            title=f"Recordings that {name} gains and loses{place}",
            columns=["recording", "label", "how often"],
            rows=rows,
            notes=[f"At most {EXAMPLES} of each, those with most seeds first."],
        )
    ]
