"""Corpus readers: their interface, and functions that they share."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ossicle.data.columns import SIDES
from ossicle.data.corpora.folds import Folds
from ossicle.data.corpora.option import MISSING, Option, Options, choose, choose_many
from ossicle.data.corpora.roots import Root, anywhere, check_root
from ossicle.data.corpora.selected import SELECTION, selected
from ossicle.data.dataset import Dataset
from ossicle.data.manifest import Manifest
from ossicle.data.pairs import WHERE
from ossicle.data.utterance import Trial, Utterance
from ossicle.errors import DataError, ManifestError, did_you_mean, listing

__all__ = [
    "MISSING",
    "Corpus",
    "Example",
    "Option",
    "Options",
    "by_speaker",
    "choose",
    "choose_many",
    "columns",
    "in_fraction",
    "named",
    "next_after",
    "sided",
    "sound_files",
    "speaker_options",
]


@dataclass(frozen=True, slots=True)
class Example:
    """A small tree in the layout of a corpus, which the contract test writes and reads.

    Attributes:
        files: Text of each file by its path, or None for a recording of noise.
        labels: Labels that reading it should give, sorted.
        opens: Path to open.
        unread: Recordings that the reader skips.
        pack: Function that packs the files into archives, if the corpus consists of archives.
    """

    files: Mapping[str, str | None]
    labels: tuple[str, ...]
    opens: str = "."
    unread: tuple[str, ...] = ()
    pack: Callable[[Path], None] | None = None


@dataclass(frozen=True)
class Corpus:
    """One reader of labelled recordings.

    Attributes:
        name: Name before the colon of a data string.
        summary: Content and layout of the corpus, in one paragraph.
        size: Numbers of recordings, hours and speakers.
        protocol: Official split, splits used in papers, and the split used here.
        source: Reference and URL.
        licence: Licence of the data.
        read: Function (path, options including defaults) -> dataset, or manifest whose missing
            splits are drawn.
        example: Small example tree.
        options: Options of the data string by name.
        home: Folder of a corpus shipped with ossicle, which needs no path.
        root: Predicate for the folder that `read` expects. If it fails, but holds for a folder
            above or below, the error names that folder.
        folds: The folds that the corpus defines, if it does.
        columns: Columns that `where` may choose by, besides label and speaker.
    """

    name: str
    summary: str
    size: str
    protocol: str
    source: str
    licence: str
    read: Callable[[Path, Options], Dataset | Manifest]
    example: Example
    options: Mapping[str, Option] = field(default_factory=dict)
    home: Path | None = None
    root: Root = anywhere
    folds: Folds | None = None
    columns: tuple[str, ...] = ()

    def open(self, path: Path, given: Mapping[str, str]) -> Dataset:
        """Read the corpus at a path with the options given.

        Raises:
            DataError: an option is unknown or has no value, the corpus is in a folder above or
                below, or the data cannot be used.
        """
        options = self._filled(path, given)
        return selected(f"{self.name}:{path}", self.read(path, options), options)

    def fold_names(self, path: Path, given: Mapping[str, str]) -> Sequence[str]:
        """Return the names of the folds at a path; none if the corpus defines none.

        Folds of which `where` keeps no recordings are left out.

        Raises:
            DataError: as `open`.
        """
        if self.folds is None:
            return ()
        names, option = self.folds.names(path, self._filled(path, given)), self.folds.option
        if WHERE not in given:
            return names
        return [name for name in names if self.open(path, {**given, option: name}).test]

    def _filled(self, path: Path, given: Mapping[str, str]) -> Options:
        """Return the options given, after a check of them and of the path, and the defaults."""
        known = {**self.options, **SELECTION}
        for option, value in given.items():
            if option not in known:
                raise DataError(
                    f"{self.name} has no option '{option}'. It has: {listing(known, 40)}."
                    f"{did_you_mean(option, known)}"
                )
            if not value:
                raise DataError(f"{self.name}: option {option} has no value. Write {option}=...")
        check_root(self.name, path, self.root)
        defaults = {name: option.default for name, option in known.items()}
        return defaults | dict(given)


def sound_files(folder: Path, pattern: str) -> list[Path]:
    """Return the visible files of a folder that match a pattern, sorted by name.

    Raises:
        DataError: no file matches.
    """
    files = sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))
    if not files:
        raise DataError(f"{folder} has no {pattern}. Give the folder that the corpus unpacks to.")
    return files


def sided(
    name: str,
    utterances: Sequence[Utterance],
    side_of: Callable[[Utterance], str],
    *,
    speaker_independent: bool,
    note: str,
    label_name: str = "label",
    trials: Mapping[str, tuple[Trial, ...]] | None = None,
    lacks: Sequence[str] = (),
    notices: Sequence[str] = (),
    validates_on_test: bool = False,
) -> Dataset:
    """Return the dataset of a corpus with a given split.

    Without validation utterances, a tenth of training becomes validation (`Corpus.open`).

    Args:
        name: Name of the dataset.
        utterances: All utterances.
        side_of: Function from an utterance to train, valid or test.
        speaker_independent: Whether every speaker must be in a single split.
        note: One sentence on the split.
        label_name: Name of the label, see `Dataset.label_name`.
        trials: Verification trials by split.
        lacks: Descriptions of missing parts of the release.
        notices: Further notices for the user.
        validates_on_test: Whether the test split is also the validation split.
    """
    sides: dict[str, list[Utterance]] = {side: [] for side in SIDES}
    for utterance in utterances:
        sides[side_of(utterance)].append(utterance)
    train, valid, test = (tuple(part) for part in sides.values())
    if lacks:
        part = f"Incomplete release: {'; '.join(lacks)}."
        note = f"{note} {part}"
        notices = (*notices, f"{part} Metrics are not comparable with published ones.")
    return Dataset(
        name,
        train,
        test if validates_on_test else valid,
        test,
        speaker_independent,
        given=True,
        note=note,
        label_name=label_name,
        trials=trials or {},
        validates_on_test=validates_on_test,
        notices=tuple(notices),
    )


def speaker_options(test: str, valid: str) -> dict[str, Option]:
    """Return the options of a corpus that is split by speaker.

    Args:
        test: Default test speakers, separated by commas.
        valid: Description of the default validation speakers.
    """
    return {
        "test_speakers": Option("test speakers, separated by commas", test),
        "valid_speakers": Option(f"validation speakers, separated by commas ({valid})"),
    }


def by_speaker(
    name: str,
    utterances: Sequence[Utterance],
    options: Options,
    next_speakers: Callable[[Sequence[str], Sequence[str]], Sequence[str]],
    *,
    label_name: str = "label",
    note: str = "",
    lacks: Sequence[str] = (),
) -> Dataset:
    """Return a dataset split by speaker, see `speaker_options`.

    Args:
        name: Name of the dataset.
        utterances: All utterances, each with its speaker.
        options: Options `test_speakers` and `valid_speakers`.
        next_speakers: Function from test speakers and other speakers to the default validation
            speakers.
        label_name: Name of the label, see `Dataset.label_name`.
        note: Further note on the split.
        lacks: Descriptions of missing parts of the release.
    """
    speakers = sorted({one.speaker for one in utterances if one.speaker})
    test = choose_many("test_speakers", options["test_speakers"] or "", speakers)
    rest = [speaker for speaker in speakers if speaker not in test]
    if options["valid_speakers"] is not None:
        valid: Sequence[str] = choose_many("valid_speakers", options["valid_speakers"], rest)
    else:
        valid = next_speakers(test, rest)
    return sided(
        name,
        utterances,
        lambda one: "test" if one.speaker in test else "valid" if one.speaker in valid else "train",
        speaker_independent=True,
        note=speakers_note(test, valid) + (f" {note}" if note else ""),
        label_name=label_name,
        lacks=lacks,
    )


def speakers_note(test: Sequence[str], valid: Sequence[str]) -> str:
    """Return the sentence that says who is on which side of a split."""
    return f"Test speakers: {listing(test)}; validation: {listing(valid)}; the others train."


def next_after(count: int) -> Callable[[Sequence[str], Sequence[str]], Sequence[str]]:
    """Return a function that chooses `count` speakers after the last test speaker, cyclically."""

    def chosen(test: Sequence[str], rest: Sequence[str]) -> Sequence[str]:
        later = [speaker for speaker in rest if speaker > max(test)]
        return [*later, *(speaker for speaker in rest if speaker not in later)][:count]

    return chosen


def columns(path: Path, row: Mapping[str, str], wanted: Iterable[str]) -> None:
    """Raise ManifestError unless a table of a release has the wanted columns."""
    if absent := [column for column in wanted if column not in row]:
        raise ManifestError(
            f"{path} has no column {listing(absent)}. It has: {listing(row)}. Copy the file from "
            "the release."
        )


def named(
    folder: Path, files: Iterable[Path], name: re.Pattern[str], shape: str
) -> list[tuple[Path, re.Match[str]]]:
    """Return each file with the match of its name.

    Args:
        folder: Folder of the files, for messages.
        files: Files whose names to parse.
        name: Pattern of a whole stem.
        shape: Description of the pattern, as in "like 03a01Fa.wav".

    Raises:
        DataError: some names do not match.
    """
    found = [(file, name.fullmatch(file.stem)) for file in files]
    if strange := [file.name for file, match in found if match is None]:
        raise DataError(
            f"{folder}: {len(strange)} file names are not {shape} ({listing(strange)}). Remove "
            "these files."
        )
    return [(file, match) for file, match in found if match is not None]


def in_fraction(text: str, fraction: float) -> bool:
    """Return whether a name belongs to a pseudo-random fraction of names, fixed by its hash."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest) < fraction * 2**64
