"""Data strings: `reader:PATH?option=value&option=value`, or the path of a folder or manifest.

A corpus shipped with ossicle is named without a path and takes precedence over a folder of that
name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ossicle.data.corpora import CORPORA
from ossicle.data.dataset import Dataset
from ossicle.data.rows import TABLES
from ossicle.data.split import check
from ossicle.errors import DataError, did_you_mean, listing
from ossicle.paths import HERE, expand, fault, is_there, looked_in
from ossicle.settings import split_pairs


def open_data(spec: str, places: Sequence[Path] = HERE) -> Dataset:
    """Read the recordings of a data string, and check their split.

        fsdd:recordings?test_speaker=theo     a reader, a path and its options
        my-sounds/                            a folder, as audiofolder:my-sounds/
        list.csv?valid=0.2                    a table, as manifest:list.csv?valid=0.2; .tsv, .jsonl
        demo?label=manner                     a corpus shipped with ossicle; ./demo is a folder

    Args:
        spec: Data string, split at the first `:` and the last `?`, so that paths may contain both.
        places: Folders to search for a relative path, in this order.

    Raises:
        DataError: the reader, path or an option does not exist, or the data cannot be used (also
            ManifestError, SplitError, LabelError).
    """
    dataset = _read(spec, {}, places)
    check(dataset)
    return dataset


def read_data(spec: str, places: Sequence[Path] = HERE) -> Dataset:
    """Read the recordings of a data string for evaluation.

    As `open_data`, but no split is drawn or checked: recordings without a split are test
    recordings.

    Raises:
        DataError: as `open_data`.
    """
    return _read(spec, {"draw": "no"}, places)


def _read(spec: str, defaults: Mapping[str, str], places: Sequence[Path]) -> Dataset:
    reader, path, given = find_data(spec, places)
    corpus = CORPORA[reader]
    known = {option: value for option, value in defaults.items() if option in corpus.options}
    return replace(corpus.open(path, known | given), name=spec)


def find_data(spec: str, places: Sequence[Path] = HERE) -> tuple[str, Path, dict[str, str]]:
    """Return the reader, path and options of a data string, without reading the data.

    Raises:
        DataError: the reader or path does not exist, or the string is malformed.
    """
    found = [parse(spec, place) for place in places]
    there = [one for one in found if one[0] in CORPORA and is_there(one[1])]
    reader, path, given = (there or found)[0]
    if reader not in CORPORA:
        raise DataError(
            f"'{spec}' is neither a reader nor an existing folder or .csv, .tsv or .jsonl file. "
            f"Readers: {listing(CORPORA)}, as in fsdd:PATH.{did_you_mean(reader, CORPORA)}"
            f"{looked_in(places)}"
        )
    if why := fault(path):
        raise DataError(f"{path} cannot be read as {reader}: {why}. Correct the path in '{spec}'.")
    if not is_there(path):
        raise DataError(
            f"{path} does not exist (reader {reader}). Correct the path in '{spec}'."
            f"{looked_in(places)}"
        )
    return reader, path, given


def parse(spec: str, place: Path = HERE[0]) -> tuple[str, Path, dict[str, str]]:
    """Return the reader, path and options of a data string; the reader may be unknown.

    Raises:
        DataError: an option is given twice, or has no value.
    """
    path, options = _cut(spec, place)
    shipped = CORPORA.get(spec.partition("?")[0])
    if shipped is not None and shipped.home is not None:
        reader, path, options = shipped.name, shipped.home, spec.partition("?")[2]
    elif is_there(path) and (path.is_dir() or path.suffix.lower() in TABLES):
        reader = "audiofolder" if path.is_dir() else "manifest"
    else:
        reader, _, rest = spec.partition(":")
        path, options = _cut(rest, place)
    return reader, path, split_pairs(options, "&", DataError)


def _cut(text: str, place: Path) -> tuple[Path, str]:
    """Return the path and the options of `PATH?options`; an existing path may contain `?`."""
    whole = place / expand(text)
    if "?" not in text or is_there(whole):
        return whole, ""
    path, _, options = text.rpartition("?")
    return place / expand(path), options
