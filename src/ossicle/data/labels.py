"""Write `map` and `where` into data strings, so that all that reads them goes by the same labels.

with_mapping("emodb:a + urdu:b", {"anger": "Angry"})     "emodb:a?map=anger=Angry + urdu:b"
with_where("emodb:a", "sex", ["F"])                      "emodb:a?where=sex=F"
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ossicle.data.pairs import MAP, WHERE, write_pairs
from ossicle.data.roles import LABEL
from ossicle.data.selection import Selection, classes_in, has_classes
from ossicle.data.spec import PLUS, find_data, read_data, with_options
from ossicle.data.text import composed
from ossicle.errors import DataError, LabelError, did_you_mean, listing
from ossicle.paths import HERE


def labels_of(spec: str, places: Sequence[Path] = HERE) -> tuple[str, ...]:
    """Return the sorted classes of all recordings of a data string, whatever their split.

    A label of several tags or slots counts as these.

    Args:
        spec: Data string.
        places: Folders to search for a relative path, in this order.

    Raises:
        DataError: the data cannot be read.
        LabelError: their labels are not classes, as transcripts are not.
    """
    dataset = read_data(spec, places)
    if not has_classes(dataset.label_name):
        raise LabelError(
            f"the label of '{spec}' is '{dataset.label_name}', which is not a class. Choose data "
            "with classes, or another label"
        )
    found = {one.label for one in dataset.utterances}
    return tuple(sorted({c for label in found for c in classes_in(label, dataset.label_name)}))


def with_mapping(spec: str, mapping: Mapping[str, str], places: Sequence[Path] = HERE) -> str:
    """Return a data string whose labels are renamed.

    Each pair goes to those of the joined data that have the label. Labels that `map` of the data
    string already gives can be renamed again, and those that its `where` names are renamed there.

    Args:
        spec: Data string.
        mapping: New name of each label.
        places: Folders to search for a relative path, in this order.

    Raises:
        LabelError: no data have one of the labels, or labels are not classes.
        DataError: the data cannot be read.
    """
    return with_mappings([spec], mapping, places)[0]


def with_mappings(
    specs: Sequence[str], mapping: Mapping[str, str], places: Sequence[Path] = HERE
) -> list[str]:
    """Return data strings whose labels are renamed, each pair in those that have the label.

    Args:
        specs: Data strings.
        mapping: New name of each label, which at least one of them must have.
        places: Folders to search for a relative path, in this order.

    Raises:
        LabelError: no data have one of the labels, or labels are not classes.
        DataError: the data cannot be read.
    """
    mapping = {composed(old): composed(new) for old, new in mapping.items()}
    labels = {part: labels_of(part, places) for spec in specs for part in find_data(spec, places)}
    known = sorted({label for some in labels.values() for label in some})
    if unknown := [old for old in mapping if old not in known]:
        raise LabelError(
            f"no recording has the label {listing(unknown)}, which is to be renamed. Labels of "
            f"{' and '.join(map(repr, specs))}: {listing(known, 40)}."
            f"{did_you_mean(unknown[0], known)}"
        )
    return [
        PLUS.join(
            _mapped(part, {old: new for old, new in mapping.items() if old in labels[part]}, places)
            for part in find_data(spec, places)
        )
        for spec in specs
    ]


def with_where(spec: str, column: str, values: Iterable[str], places: Sequence[Path] = HERE) -> str:
    """Return a data string that keeps only recordings with one of some values of a column.

    Values that `where` of the data string already asks for are kept if they are among these. Of
    joined data, each part keeps the labels that it has.

    Args:
        spec: Data string.
        column: `label`, `speaker` or another column of the data.
        values: Values of the column, as `map` has renamed them.
        places: Folders to search for a relative path, in this order.

    Raises:
        DataError: no values are left, or the data cannot be found.
    """
    wanted = [composed(value) for value in values]
    if not wanted:
        raise DataError(f"no values of {column} were given for '{spec}'. Give one or more.")
    parts = find_data(spec, places)
    of_labels = len(parts) > 1 and column == LABEL
    return PLUS.join(
        _restricted(part, column, wanted, labels_of(part, places) if of_labels else wanted, places)
        for part in parts
    )


def _mapped(part: str, new: Mapping[str, str], places: Sequence[Path]) -> str:
    """Return a single data string with labels renamed that its recordings have."""
    if not new:
        return part
    (source,) = find_data(part, places).values()
    options = dict(source.options)
    selection = Selection.parse(options)
    others = {name: text for name, text in options.items() if name not in (MAP, WHERE)}
    released = labels_of(with_options(part, others, places), places)
    before = selection.mapping
    pairs = {old: new.get(name, name) for old, name in before.items()}
    pairs |= {old: name for old, name in new.items() if old in released and old not in before}
    options[MAP] = write_pairs(sorted(pairs.items()))
    if selection.wanted:
        wanted = [
            (column, new.get(value, value) if column == LABEL else value)
            for column, some in selection.wanted.items()
            for value in some
        ]
        options[WHERE] = write_pairs(dict.fromkeys(wanted))
    return with_options(part, options, places)


def _restricted(
    part: str, column: str, asked: Sequence[str], known: Sequence[str], places: Sequence[Path]
) -> str:
    (source,) = find_data(part, places).values()
    wanted = dict(Selection.parse(source.options).wanted)
    given = wanted.get(column, asked)
    wanted[column] = [value for value in asked if value in given and value in known]
    if not wanted[column]:
        raise DataError(
            f"'{part}' has none of {listing(f'{column}={one}' for one in asked)}. Choose other "
            f"values of {column}, or leave these data out."
        )
    pairs = ((name, value) for name, some in wanted.items() for value in some)
    return with_options(part, {**source.options, WHERE: write_pairs(pairs)}, places)
