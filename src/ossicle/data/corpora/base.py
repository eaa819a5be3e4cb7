"""What a corpus reader is, and what the readers share."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ossicle.data.columns import SIDES
from ossicle.data.corpora.roots import Root, anywhere, check_root
from ossicle.data.corpora.validation import with_validation
from ossicle.data.dataset import Dataset
from ossicle.data.missing import REFUSE
from ossicle.data.text import composed
from ossicle.data.utterance import Trial, Utterance
from ossicle.errors import DataError, ManifestError, did_you_mean, listing

Options = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a data string: one line of meaning, and the default as it would be written.

    A default of None is worked out from the data, as the meaning says.
    """

    meaning: str
    default: str | None = None


MISSING: Final = {
    "missing": Option(
        "refuse or leave-out: what is done about recordings that are listed and not there", REFUSE
    )
}


@dataclass(frozen=True, slots=True)
class Example:
    """A small tree in a corpus's own layout, which the contract test writes and reads.

    Attributes:
        files: Path below the corpus's root -> text, or None for a short noise of its own.
        labels: The labels that reading it should give, sorted.
        opens: The path that is opened, below the same root.
        unread: The noises that reading it leaves out.
        pack: Where the corpus comes in archives: makes them from the files, below the same root.
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
        name: What stands before the colon of a data string.
        summary: What the corpus is and how it is laid out, in one paragraph.
        size: How many recordings, hours and speakers.
        protocol: The official split, what the papers did, and what is done here.
        source: Where it comes from.
        licence: Under which terms.
        read: (path, options with their defaults filled in) -> dataset.
        example: A small tree of that layout.
        options: Name -> what it does.
        home: Where it lies when a data string gives no path: with ossicle itself.
        root: Whether a folder is the one that `read` expects, by what it holds. Where it is not,
            and one above or below is, the error names that one.
    """

    name: str
    summary: str
    size: str
    protocol: str
    source: str
    licence: str
    read: Callable[[Path, Options], Dataset]
    example: Example
    options: Mapping[str, Option] = field(default_factory=dict)
    home: Path | None = None
    root: Root = anywhere

    def open(self, path: Path, given: Mapping[str, str]) -> Dataset:
        """Read the corpus at a path, with the options that a user gave.

        Raises:
            DataError: an option is not known, has no value, the data begin in a folder above or
                below, or cannot be used.
        """
        for option, value in given.items():
            if option not in self.options:
                raise DataError(
                    f"{self.name} has no option '{option}'. It has: {listing(self.options)}."
                    f"{did_you_mean(option, self.options)}"
                )
            if not value:
                raise DataError(f"{self.name}: option {option} has no value. Write {option}=...")
        check_root(self.name, path, self.root)
        defaults = {name: option.default for name, option in self.options.items()}
        return self.read(path, defaults | dict(given))


def card(corpus: Corpus) -> dict[str, str]:
    """Return what there is to know of a corpus, by heading."""
    return {
        "name": corpus.name,
        "what": corpus.summary,
        "size": corpus.size,
        "split": corpus.protocol,
        "licence": corpus.licence,
        "source": corpus.source,
    }


def option_rows(corpus: Corpus) -> list[list[str]]:
    """Return name, meaning and default of every option."""
    return [[name, option.meaning, option.default or ""] for name, option in corpus.options.items()]


def choose(option: str, value: str, known: Iterable[str]) -> str:
    """Return an option's value, or raise a DataError that names those there are."""
    known = list(known)
    if value not in known and composed(value) in known:  # labels and speakers are composed
        return composed(value)
    if value not in known:
        raise DataError(
            f"{option}={value} is not in this data. It has: {listing(known, 40)}."
            f"{did_you_mean(value, known)}"
        )
    return value


def choose_many(option: str, value: str, known: Iterable[str]) -> list[str]:
    """Return the values of an option that takes several, separated by commas."""
    known = list(known)
    return [choose(option, one.strip(), known) for one in value.split(",")]


def sound_files(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a folder that match a pattern and are not hidden, sorted by name.

    Raises:
        DataError: there are none.
    """
    files = sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))
    if not files:
        raise DataError(f"{folder} holds no {pattern}. Give the folder that the corpus unpacks to.")
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
    test_chooses: bool = False,
) -> Dataset:
    """Return the dataset whose sides a corpus gives, by the side of each utterance.

    Where it gives no validation, some of training is.

    Args:
        name: Of the dataset.
        utterances: All of them.
        side_of: From an utterance to train, valid or test.
        speaker_independent: Whether no speaker may be on two sides.
        note: One sentence on the split.
        label_name: As `Dataset.label_name`.
        trials: By side, of verification.
        lacks: What of the whole release is not there, in words.
        notices: What else a user must read.
        test_chooses: Whether the test part is the validation part too.
    """
    sides: dict[str, list[Utterance]] = {side: [] for side in SIDES}
    for utterance in utterances:
        sides[side_of(utterance)].append(utterance)
    train, valid, test = (tuple(part) for part in sides.values())
    if lacks:
        part = f"Not the whole release: {'; '.join(lacks)}."
        note = f"{note} {part}"
        notices = (*notices, f"{part} Scores do not compare with published ones.")
    dataset = Dataset(
        name,
        train,
        test if test_chooses else valid,
        test,
        speaker_independent,
        given=True,
        note=note,
        label_name=label_name,
        trials=trials or {},
        test_chooses=test_chooses,
        notices=tuple(notices),
    )
    return with_validation(dataset)


def speaker_options(test: str, valid: str) -> dict[str, Option]:
    """Return the options of a corpus that is split by speaker.

    Args:
        test: The speakers that are tested by default, by comma.
        valid: How those for validation are found where none are given.
    """
    return {
        "test_speakers": Option("one or several, by comma", test),
        "valid_speakers": Option(f"one or several ({valid})"),
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
    """Return the dataset split by `speaker_options`.

    Args:
        name: Of the dataset.
        utterances: All of them, each with its speaker.
        options: With `test_speakers` and `valid_speakers`.
        next_speakers: From those tested and the others, to those for validation by default.
        label_name: As `Dataset.label_name`.
        note: More to say of the split.
        lacks: What of the whole release is not there, in words.
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
        note=(
            f"Speakers {listing(test)} are test and {listing(valid)} valid; none is in training."
            + (f" {note}" if note else "")
        ),
        label_name=label_name,
        lacks=lacks,
    )


def next_after(count: int) -> Callable[[Sequence[str], Sequence[str]], Sequence[str]]:
    """Return the choice of so many speakers after the last tested, the first after the last."""

    def chosen(test: Sequence[str], rest: Sequence[str]) -> Sequence[str]:
        later = [speaker for speaker in rest if speaker > max(test)]
        return [*later, *(speaker for speaker in rest if speaker not in later)][:count]

    return chosen


def columns(path: Path, row: Mapping[str, str], wanted: Iterable[str]) -> None:
    """Raise ManifestError unless a table of a release has some columns."""
    if absent := [column for column in wanted if column not in row]:
        raise ManifestError(
            f"{path} has no column {listing(absent)}. It has: {listing(row)}. Take the file from "
            "the release."
        )


def named(
    folder: Path, files: Iterable[Path], name: re.Pattern[str], shape: str
) -> list[tuple[Path, re.Match[str]]]:
    """Return each file with what its name says.

    Args:
        folder: Where they are from.
        files: With the stems to read.
        name: Of a whole stem.
        shape: What a name is, as in "like 03a01Fa.wav".

    Raises:
        DataError: some names are not of that shape.
    """
    found = [(file, name.fullmatch(file.stem)) for file in files]
    if strange := [file.name for file, match in found if match is None]:
        raise DataError(
            f"{folder}: {len(strange)} names are not {shape} ({listing(strange)}). Take them out."
        )
    return [(file, match) for file, match in found if match is not None]


def in_share(text: str, share: float) -> bool:
    """Return whether a name falls into a share of all names, the same ones on every machine."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest) < share * 2**64
