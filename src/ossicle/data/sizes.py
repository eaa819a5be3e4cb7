"""Count the recordings of each split and class, and report which are too few to evaluate."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from ossicle.data.columns import SIDES
from ossicle.data.dataset import Dataset
from ossicle.data.utterance import Utterance
from ossicle.errors import listing

ClassesIn = Callable[[str], Sequence[str]]  # returns the classes of a label, if it has classes

FEWEST: Final = 5  # with fewer recordings of a class or split, metrics are unreliable
_SHOWN = 12  # most classes whose sizes are listed one by one


def describe_sizes(dataset: Dataset, classes_in: ClassesIn) -> list[str]:
    """Return a line for each split: recordings, speakers, and recordings of each class.

    Args:
        dataset: Data to describe.
        classes_in: Function that returns the classes of a label, such as its tags; no classes for
            labels such as transcripts.
    """
    return [_described(side, part, classes_in) for side, part in dataset.sides.items() if part]


def _described(side: str, part: Sequence[Utterance], classes_in: ClassesIn) -> str:
    line = f"{side}: {_counted(len(part), 'recording')}"
    speakers = {one.speaker for one in part}
    if None not in speakers:
        line += f", {_counted(len(speakers), 'speaker')}"
    counts = _counts(part, classes_in)
    if not counts:
        return line
    if len(counts) > _SHOWN:
        fewest, most = min(counts.values()), max(counts.values())
        return f"{line}, {len(counts):,} classes of {fewest:,} to {most:,}"
    return f"{line} ({', '.join(f'{name} {counts[name]:,}' for name in sorted(counts))})"


def size_notices(dataset: Dataset, classes_in: ClassesIn) -> Iterator[str]:
    """Yield a notice if valid or test lacks a class or has too few recordings of one.

    For labels without classes, such as transcripts, the split as a whole is counted.

    Args:
        dataset: Data to check.
        classes_in: Function that returns the classes of a label, see `describe_sizes`.
    """
    known = _counts(dataset.train, classes_in)
    for side in ("test",) if dataset.validates_on_test else ("valid", "test"):
        part = dataset.sides[side]
        if not part:  # a search does not read the test recordings
            continue
        if not known:
            if len(part) < FEWEST:
                only = _counted(len(part), "recording")
                yield f"{side} has only {only}, so its metrics are unreliable."
            continue
        counts = _counts(part, classes_in)
        if absent := sorted(known.keys() - counts.keys()):
            yield (
                f"{side} has no recordings of {len(absent)} of {len(known)} classes "
                f"({listing(absent)}), so it does not test them."
                f"{_reason(dataset, absent, classes_in)}"
            )
        if tiny := [f"{name} {n}" for name, n in sorted(counts.items()) if n < FEWEST]:
            yield (
                f"{side} has fewer than {FEWEST} recordings of {len(tiny)} of {len(known)} classes "
                f"({listing(tiny)}): metrics of these classes are unreliable."
            )


def _reason(dataset: Dataset, absent: Sequence[str], classes_in: ClassesIn) -> str:
    """Return the reason if some classes have too few speakers to be in every split."""
    if not dataset.speaker_independent:
        return ""
    speakers: dict[str, set[str | None]] = defaultdict(set)
    for one in dataset.utterances:
        for name in classes_in(one.label):
            speakers[name].add(one.speaker)
    few = {name: len(speakers[name]) for name in absent if len(speakers[name]) < len(SIDES)}
    if not few:
        return ""
    found = listing(f"{name} has {count}" for name, count in few.items())
    return f" There are too few speakers for three splits: {found}."


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _counts(part: Sequence[Utterance], classes_in: ClassesIn) -> Mapping[str, int]:
    return Counter(name for one in part for name in classes_in(one.label))
