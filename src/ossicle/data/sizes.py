"""How many recordings each side and each class has, and which are too few to evaluate on."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from ossicle.data.columns import SIDES
from ossicle.data.dataset import Dataset
from ossicle.data.utterance import Utterance
from ossicle.errors import listing

ClassesIn = Callable[[str], Sequence[str]]  # from a label to its classes; none without classes

FEWEST: Final = 5  # recordings of a class, or of a side, below which a score says little
_SHOWN = 12  # classes whose sizes are listed one by one


def describe_sizes(dataset: Dataset, classes_in: ClassesIn) -> list[str]:
    """Return a line for each side: its recordings, its speakers, and how many of each class.

    Args:
        dataset: The recordings.
        classes_in: Returns the classes of a label, such as each of its tags; none for labels
            without classes, such as transcripts.
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
    """Yield a notice for each of valid and test in which a class is absent or tiny.

    Without classes, such as in transcription, there is a notice for a side that is tiny as a whole.

    Args:
        dataset: The recordings.
        classes_in: As for `describe_sizes`.
    """
    known = _counts(dataset.train, classes_in)
    for side in ("test",) if dataset.test_chooses else ("valid", "test"):
        part = dataset.sides[side]
        if not known:
            if len(part) < FEWEST:
                only = _counted(len(part), "recording")
                yield f"{side} has only {only}, so its scores say little."
            continue
        counts = _counts(part, classes_in)
        if absent := sorted(known.keys() - counts.keys()):
            yield (
                f"{side} has no recordings of {len(absent)} of {len(known)} classes "
                f"({listing(absent)}), so it says nothing about them."
                f"{_reason(dataset, absent, classes_in)}"
            )
        if tiny := [f"{name} {n}" for name, n in sorted(counts.items()) if n < FEWEST]:
            yield (
                f"{side} has fewer than {FEWEST} recordings of {len(tiny)} of {len(known)} classes "
                f"({listing(tiny)}): scores of these classes say little."
            )


def _reason(dataset: Dataset, absent: Sequence[str], classes_in: ClassesIn) -> str:
    """Return why some classes cannot be on every side, if it is for lack of speakers."""
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
    return f" There are too few speakers for three sides: {found}."


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _counts(part: Sequence[Utterance], classes_in: ClassesIn) -> Mapping[str, int]:
    return Counter(name for one in part for name in classes_in(one.label))
