"""How many recordings each side and each class has, and what is too few to be judged."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ossicle.data.columns import SIDES
from ossicle.data.dataset import Dataset
from ossicle.data.utterance import Utterance
from ossicle.errors import listing

FEWEST: Final = 5  # recordings of a class, or of a side, below which a score says little
_TAGS = "tagging"
_TASKS_WITH_CLASSES = ("classification", "intent", _TAGS)
_SHOWN = 12  # classes whose sizes are listed one by one


def describe_sizes(dataset: Dataset) -> list[str]:
    """Return a line for each side: its recordings, its speakers, and how many of each class."""
    return [_described(side, part, dataset.task) for side, part in dataset.sides.items() if part]


def _described(side: str, part: Sequence[Utterance], task: str) -> str:
    line = f"{side}: {_counted(len(part), 'recording')}"
    speakers = {one.speaker for one in part}
    if None not in speakers:
        line += f", {_counted(len(speakers), 'speaker')}"
    if task not in _TASKS_WITH_CLASSES:
        return line
    counts = _classes(part, task)
    if len(counts) > _SHOWN:
        fewest, most = min(counts.values()), max(counts.values())
        return f"{line}, {len(counts):,} classes of {fewest:,} to {most:,}"
    return f"{line} ({', '.join(f'{name} {counts[name]:,}' for name in sorted(counts))})"


def size_notices(dataset: Dataset) -> Iterator[str]:
    """Yield a notice for each of valid and test in which a class is absent or tiny.

    A side of a task without classes, such as transcription, may be tiny as a whole.
    """
    by_class = dataset.task in _TASKS_WITH_CLASSES
    known = _classes(dataset.train, dataset.task) if by_class else {}
    for side in ("test",) if dataset.test_chooses else ("valid", "test"):
        part = dataset.sides[side]
        if not by_class:
            if len(part) < FEWEST:
                only = _counted(len(part), "recording")
                yield f"{side} has only {only}, so its scores say little."
            continue
        counts = _classes(part, dataset.task)
        if absent := sorted(known.keys() - counts.keys()):
            yield (
                f"{side} has no recordings of {len(absent)} of {len(known)} classes "
                f"({listing(absent)}), so it says nothing about them.{_reason(dataset, absent)}"
            )
        if tiny := [f"{name} {n}" for name, n in sorted(counts.items()) if n < FEWEST]:
            yield (
                f"{side} has fewer than {FEWEST} recordings of {len(tiny)} of {len(known)} classes "
                f"({listing(tiny)}): scores of these classes say little."
            )


def _reason(dataset: Dataset, absent: Sequence[str]) -> str:
    """Return why some classes cannot be on every side, where it is for lack of speakers."""
    if not dataset.speaker_independent:
        return ""
    speakers: dict[str, set[str | None]] = defaultdict(set)
    for one in dataset.utterances:
        for name in _names(one, dataset.task):
            speakers[name].add(one.speaker)
    few = {name: len(speakers[name]) for name in absent if len(speakers[name]) < len(SIDES)}
    if not few:
        return ""
    found = listing(f"{name} has {count}" for name, count in few.items())
    return f" There are too few speakers for three sides: {found}."


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _classes(part: Sequence[Utterance], task: str) -> Mapping[str, int]:
    return Counter(name for one in part for name in _names(one, task))


def _names(one: Utterance, task: str) -> list[str]:
    return one.label.split("|") if task == _TAGS else [one.label]
