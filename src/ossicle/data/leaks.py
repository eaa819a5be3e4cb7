"""Find recordings that are in two splits, whatever their names, files and formats.

A recording has two hashes: of its decoded samples with their rate, which is equal for every
lossless copy (wav, flac, 16 bits as 24, mono as stereo), and of its bytes, which is equal on every
machine even if an mp3 decodes to different last bits. Two parts of one recording leak if their
times overlap.

Not detected: copies after lossy coding, resampling, a change of level or dither, and parts that
were exported to files of their own.
"""

import hashlib
import math
import os
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple, Self

from ossicle.data.dataset import Dataset
from ossicle.data.held import content, is_held
from ossicle.data.utterance import Utterance
from ossicle.errors import SplitError, listing

_ROUNDING_S: Final = 1e-6  # adjacent parts may overlap by the rounding of their times
_WRITTEN: Final = re.compile(
    r"(?P<sound>[0-9a-f]{32})\.(?P<file>[0-9a-f]{32})"
    r"(?:#(?P<start>[-+.\de]+)\+(?P<duration>None|[-+.\de]+))?"
)

Place = tuple[str, tuple[int, int] | None]  # a file, and the bytes of a recording in it


class Content(NamedTuple):
    """Hashes that identify the audio of an utterance.

    Attributes:
        sound: Hash of all samples of its recording and their rate.
        file: Hash of the bytes of its recording.
        start_s: Start of the part in the recording.
        duration_s: Length of the part; None: to the end of the recording.
    """

    sound: str
    file: str
    start_s: float = 0.0
    duration_s: float | None = None

    @property
    def end_s(self) -> float:
        """End of the part in the recording."""
        return math.inf if self.duration_s is None else self.start_s + self.duration_s

    @property
    def samples(self) -> str:
        """Text that is equal for utterances with equal samples."""
        return self.sound + self._part

    @property
    def _part(self) -> str:
        is_whole = not self.start_s and self.duration_s is None
        return "" if is_whole else f"#{self.start_s!r}+{self.duration_s!r}"

    def __str__(self) -> str:
        return f"{self.sound}.{self.file}{self._part}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the content that `str` wrote.

        Raises:
            ValueError: the text does not have that form.
        """
        match = _WRITTEN.fullmatch(text)
        if match is None:
            raise ValueError(f"'{text}' is not the hash of a recording")
        length = match["duration"]
        return cls(
            match["sound"],
            match["file"],
            float(match["start"] or 0),
            None if length in (None, "None") else float(length),
        )


def check_files(dataset: Dataset) -> None:
    """Check that no file, nor a copy with the same bytes, is in two splits; decodes nothing.

    Raises:
        SplitError: some are.
    """
    folders: dict[str, str] = {}
    places = {one.key: _place(one, folders) for one in dataset.utterances}
    names = _names(set(places.values()))
    _refuse(dataset, lambda one: names[places[one.key]])


def check_contents(dataset: Dataset, contents: Mapping[str, Content]) -> None:
    """Check that no audio is in two splits.

    Args:
        dataset: Data with their splits.
        contents: Content of each utterance, by key.

    Raises:
        SplitError: some audio is.
    """
    _refuse(dataset, lambda one: contents[one.key].sound)


def overlapping(training: Iterable[Content], chosen: Mapping[str, Content]) -> list[str]:
    """Return the keys of chosen recordings that share audio with training recordings."""
    parts: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for one in training:
        for name in (one.sound, one.file):
            parts[name].append((one.start_s, one.end_s))
    starts, ends = {}, {}
    for name, found in parts.items():
        found.sort()
        starts[name] = [start for start, _ in found]
        ends[name] = list(accumulate((end for _, end in found), max))

    def shares(one: Content) -> bool:
        for name in (one.sound, one.file):
            before = bisect_left(starts.get(name, []), one.end_s - _ROUNDING_S)
            if before and ends[name][before - 1] > one.start_s + _ROUNDING_S:
                return True
        return False

    return [key for key, one in chosen.items() if shares(one)]


def _refuse(dataset: Dataset, recording: Callable[[Utterance], str]) -> None:
    if dataset.validates_on_test:  # as requested; training must still be separate
        dataset = replace(dataset, valid=())
    if leaks := list(_leaks(dataset, recording)):
        raise SplitError(
            f"{dataset.name}: {len(leaks)} recordings are in two splits: {listing(leaks)}. Metrics "
            "on them would measure memorisation. Keep each in one split."
        )


def _leaks(dataset: Dataset, recording: Callable[[Utterance], str]) -> Iterator[str]:
    """Yield the pairs of utterances in two splits that share audio.

    Args:
        dataset: Data with their splits.
        recording: Function that returns an identifier of an utterance's recording.
    """
    parts: dict[str, list[tuple[float, float, str, str]]] = defaultdict(list)
    for side, part in dataset.sides.items():
        for one in part:
            end = math.inf if one.duration_s is None else one.start_s + one.duration_s
            parts[recording(one)].append((one.start_s, end, side, one.key))
    for shared in parts.values():
        latest: dict[str, tuple[float, str]] = {}  # side -> latest end so far, and its key
        for start, end, side, key in sorted(shared, key=lambda part: part[:2]):
            for other, (other_end, other_key) in latest.items():
                if other != side and other_end > start + _ROUNDING_S:
                    yield f"{other_key} ({other}) and {key} ({side})"
            latest[side] = max(latest.get(side, (0.0, "")), (end, key))


def _place(utterance: Utterance, folders: dict[str, str]) -> Place:
    """Return the resolved place of a recording; each folder is resolved once."""
    if is_held(utterance.path):
        return str(utterance.path), None
    parent, name = os.path.split(utterance.path)
    if parent not in folders:
        folders[parent] = os.path.realpath(parent)
    path = os.path.join(folders[parent], name)  # noqa: PTH118 - called a million times
    linked = os.path.islink(path)  # noqa: PTH114 - as above
    return (os.path.realpath(path) if linked else path), utterance.span


def _names(places: set[Place]) -> Mapping[Place, str]:
    """Return an identifier of the audio in each place, equal for places with equal bytes."""
    size_by_place = {place: _size(*place) for place in places}
    places_of_size = Counter(size_by_place.values())
    return {
        place: _file_hash(place) if places_of_size[size] > 1 else f"{place}"
        for place, size in size_by_place.items()
    }


def _size(path: str, span: tuple[int, int] | None) -> int:
    """Return the bytes of a recording."""
    if span:
        return span[1]
    if is_held(Path(path)):
        return len(content(Path(path)))
    return os.stat(path).st_size  # noqa: PTH116 - called a million times


def _file_hash(place: Place) -> str:
    path, span = Path(place[0]), place[1]
    if is_held(path):
        return hashlib.blake2b(content(path), digest_size=16).hexdigest()
    with path.open("rb") as file:
        if span is None:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        file.seek(span[0])
        return hashlib.blake2b(file.read(span[1]), digest_size=16).hexdigest()
