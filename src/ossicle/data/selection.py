"""Rename labels and choose recordings by the options `map` and `where` of a data string.

    map=anger=Angry,happiness=Happy     labels are renamed first; two may get the same name
    where=sex=F,style=acted             then only recordings with these values are kept
    where=speaker=03,speaker=08         several values of one column: any of them

Columns are `label` and `speaker`, and those that the reader knows. A label that consists of several
classes (tags, slot=value) is renamed class by class, and is kept if any of its classes is wanted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ossicle.data.pairs import MAP, WHERE, Options, asked_columns, pairs_of
from ossicle.data.roles import LABEL
from ossicle.data.tags import SEPARATOR, TAGS
from ossicle.data.text import composed
from ossicle.data.utterance import Trial, Utterance
from ossicle.errors import DataError, LabelError, did_you_mean, listing

SPEAKER: Final = "speaker"
TABLE_COLUMNS: Final = ("every column of the table",)  # of a `Corpus`, for its description
_OWN: Final = (LABEL, SPEAKER)  # columns that every recording has
_SLOTS: Final = "slotvalues"
_MARKS: Final = {TAGS: SEPARATOR, _SLOTS: ","}  # between the classes of a label, by its name
_NO_CLASSES: Final = ("transcript", "phones", "slots", "events", "dimensions", "trials")
_NO_TAG: Final = "-"
_SHOWN: Final = 40

Row = tuple[tuple[str, str | None], ...]


class Keeper:
    """Keeps those values of a recording's columns that `where` asks for.

    Recordings with equal values share one tuple, and without a question nothing is kept: a million
    recordings cost little memory.
    """

    def __init__(self, options: Options) -> None:
        """Read from the options of a data string what is asked for."""
        self.asked = asked_columns(options).difference(_OWN)
        self._known: dict[Row, Row] = {}

    def __call__(self, row: Mapping[str, str]) -> Row:
        """Return all columns of a row, with the values of those that are asked for."""
        if not self.asked:
            return ()
        kept = tuple(
            (name, composed((value or "").strip()) if composed(name) in self.asked else None)
            for name, value in row.items()  # csv has None for a missing field
        )
        return self._known.setdefault(kept, kept)


@dataclass(frozen=True, slots=True)
class Selection:
    """What `map` and `where` ask for.

    Attributes:
        mapping: New name of each label that is renamed.
        wanted: Values of each column, of which a kept recording has one.
    """

    mapping: Mapping[str, str]
    wanted: Mapping[str, Sequence[str]]

    @classmethod
    def parse(cls, options: Options) -> "Selection":
        """Return the selection of the options of a data string.

        Raises:
            DataError: an option is malformed, or renames a label twice.
        """
        mapping: dict[str, str] = {}
        for old, new in pairs_of(MAP, options):
            if mapping.setdefault(old, new) != new:
                raise DataError(
                    f"{MAP} renames '{old}' to '{mapping[old]}' and to '{new}'. Choose one of them."
                )
        wanted: dict[str, list[str]] = {}
        for column, value in pairs_of(WHERE, options):
            wanted.setdefault(column, []).append(value)
        return cls(mapping, wanted)

    def of(
        self, name: str, utterances: Sequence[Utterance], label_name: str
    ) -> tuple[Utterance, ...]:
        """Return the utterances that are kept, with their new labels and without columns.

        Args:
            name: Name of the data, for messages.
            utterances: All utterances.
            label_name: Name of the label, see `Dataset.label_name`.

        Raises:
            DataError: a column does not exist, no recording has a value, or none has all of them.
            LabelError: no recording has a label that is renamed, or labels have no classes.
        """
        if self.mapping:
            _check_mapping(name, self.mapping, label_name, utterances)
            utterances = [
                replace(one, label=_renamed(one.label, label_name, self.mapping))
                for one in utterances
            ]
        if not self.wanted:
            return tuple(utterances)
        for column, values in self.wanted.items():
            _check_values(name, column, values, utterances, label_name)
        chosen = [(column, frozenset(values)) for column, values in self.wanted.items()]
        kept = tuple(
            replace(one, columns=()) if one.columns else one
            for one in utterances
            if all(not some.isdisjoint(_values(one, key, label_name)) for key, some in chosen)
        )
        if not kept:
            raise DataError(
                f"{name}: no recording has all values of {self}. Leave out a column, or add values."
            )
        return kept

    def note(self, kept: Iterable[Utterance], all_of_them: Iterable[Utterance]) -> str:
        """Return a sentence on how many are kept; empty if nothing is chosen by."""
        if not self.wanted:
            return ""
        # a validation split that is the test split counts once
        count, total = (len({one.key for one in some}) for some in (kept, all_of_them))
        return f"{self} keeps {count:,} of {total:,} recordings."

    def __str__(self) -> str:
        """Return `where` as in a data string, for messages."""
        pairs = (f"{column}={value}" for column, some in self.wanted.items() for value in some)
        return f"{WHERE}={','.join(pairs)}"


def classes_in(label: str, label_name: str) -> list[str]:
    """Return the classes that `map` renames in a label: its tags or slots, or the label itself."""
    mark = _MARKS.get(label_name)
    return label.split(mark) if mark else [label]


def has_classes(label_name: str) -> bool:
    """Return whether labels of a name are classes, or consist of classes, so that `map` applies."""
    return label_name not in _NO_CLASSES


def is_plain(label_name: str) -> bool:
    """Return whether a label of a name is one class, whatever it is called."""
    return label_name not in _NO_CLASSES and label_name not in _MARKS


def kept_trials(
    trials: Mapping[str, tuple[Trial, ...]], utterances: Iterable[Utterance], selection: Selection
) -> dict[str, tuple[Trial, ...]]:
    """Return the verification trials between recordings that are kept.

    Raises:
        DataError: none of a list remains.
    """
    keys = {one.key for one in utterances}
    kept = {
        side: tuple(one for one in pairs if one.first in keys and one.second in keys)
        for side, pairs in trials.items()
    }
    if not all(kept.values()):
        raise DataError(f"{selection} keeps no pair of the list of trials. Keep more recordings.")
    return kept


def _renamed(label: str, label_name: str, mapping: Mapping[str, str]) -> str:
    names = dict.fromkeys(mapping.get(one, one) for one in classes_in(label, label_name))
    return _MARKS.get(label_name, "").join(names)


def _check_mapping(
    name: str, mapping: Mapping[str, str], label_name: str, utterances: Sequence[Utterance]
) -> None:
    if not has_classes(label_name):
        raise LabelError(
            f"{name}: {MAP} renames classes, and the label of these data is '{label_name}', which "
            f"is not a class. Leave {MAP} out, or choose another label."
        )
    known = sorted({one for row in utterances for one in classes_in(row.label, label_name)})
    if unknown := [old for old in mapping if old not in known]:
        raise LabelError(
            f"{name}: no recording has the label {listing(unknown)}, which {MAP} renames. Labels: "
            f"{listing(known, _SHOWN)}.{did_you_mean(unknown[0], known)}"
        )
    mark = _MARKS.get(label_name)
    for old, new in mapping.items():
        other_slot = label_name == _SLOTS and old.partition("=")[0] != new.partition("=")[0]
        if mark and (mark in new or new == _NO_TAG or other_slot):
            shape = "a value of the same slot" if label_name == _SLOTS else "a tag"
            raise LabelError(
                f"{name}: {MAP} renames '{old}' to '{new}', and each class of a label is renamed "
                f"by itself. Expected {shape}, without '{mark}'."
            )


def _check_values(
    name: str,
    column: str,
    values: Iterable[str],
    utterances: Sequence[Utterance],
    label_name: str,
) -> None:
    names = dict.fromkeys(_OWN) | dict.fromkeys(
        composed(key) for row in {one.columns for one in utterances} for key, _ in row
    )
    if column not in names:
        raise DataError(
            f"{name} has no column '{column}' for {WHERE}. It has: {listing(names, _SHOWN)}."
            f"{did_you_mean(column, names)}"
        )
    counts = Counter(value for one in utterances for value in _values(one, column, label_name))
    if unknown := [value for value in values if value not in counts]:
        raise DataError(
            f"{name}: no recording has {listing(f'{column}={one}' for one in unknown)}. It has: "
            f"{listing(sorted(counts), _SHOWN) or f'no {column}'}."
            f"{did_you_mean(unknown[0], counts)}"
        )


def _values(one: Utterance, column: str, label_name: str) -> Sequence[str]:
    """Return the values of a column: one, several classes of a label, or none."""
    if column == LABEL:
        return classes_in(one.label, label_name)
    if column == SPEAKER:
        return [one.speaker] if one.speaker is not None else []
    return [value for key, value in one.columns if composed(key) == column and value]
