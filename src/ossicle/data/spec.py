"""Data strings: `reader:PATH?option=value&option=value`, or the path of a folder or manifest.

A corpus shipped with ossicle is named without a path and takes precedence over a folder of that
name. `A + B` joins the data of several strings.
"""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from ossicle.data.corpora import CORPORA, Corpus, memory
from ossicle.data.dataset import Dataset
from ossicle.data.held import PREFIX, READER, tables_of
from ossicle.data.joint import joined
from ossicle.data.objects import in_memory
from ossicle.data.rows import TABLES
from ossicle.data.split import check
from ossicle.errors import DataError, did_you_mean, listing
from ossicle.paths import HERE, expand, fault, is_there, looked_in
from ossicle.settings import split_pairs

PLUS: Final = " + "  # joins data strings
# Both, and readers that are added to CORPORA later.
READERS: Final[Mapping[str, Corpus]] = ChainMap(CORPORA, {READER: memory.CORPUS})


class Source(NamedTuple):
    """What one data string names: the reader, the path and the options given."""

    reader: str
    path: Path
    options: dict[str, str]


def open_data(spec: str | object, places: Sequence[Path] = HERE) -> Dataset:
    """Read the recordings of a data string, and check their split.

        fsdd:recordings?test_speaker=theo     a reader, a path and its options
        my-sounds/                            a folder, as audiofolder:my-sounds/
        list.csv?valid=0.2                    a table, as manifest:list.csv?valid=0.2; .tsv, .jsonl
        demo?label=manner                     a corpus shipped with ossicle; ./demo is a folder
        emodb:a + urdu:b                      both, joined; a path that exists may contain ` + `

    Args:
        spec: Data string, split at the first `:` and the last `?`, so that paths may contain both;
            or an object that `in_memory` takes.
        places: Folders to search for a relative path, in this order.

    Raises:
        DataError: the reader, path or an option does not exist, or the data cannot be used (also
            ManifestError, SplitError, LabelError).
    """
    spec = in_memory(spec)
    sources = find_data(spec, places)
    datasets = [_read(source, name, {}) for name, source in sources.items()]
    for dataset in datasets:
        check(dataset)
    if len(datasets) == 1:
        return datasets[0]
    dataset = _joined(spec, sources, datasets)
    check(dataset)
    return dataset


def read_data(spec: str | object, places: Sequence[Path] = HERE) -> Dataset:
    """Read the recordings of a data string for evaluation.

    As `open_data`, but no split is drawn or checked: recordings without a split are test
    recordings.

    Raises:
        DataError: as `open_data`.
    """
    spec = in_memory(spec)
    sources = find_data(spec, places)
    datasets = [_read(source, name, {"draw": "no"}) for name, source in sources.items()]
    return datasets[0] if len(datasets) == 1 else _joined(spec, sources, datasets)


def _read(source: Source, name: str, defaults: Mapping[str, str]) -> Dataset:
    corpus = READERS[source.reader]
    known = {option: value for option, value in defaults.items() if option in corpus.options}
    return replace(corpus.open(source.path, known | source.options), name=name)


def _joined(spec: str, sources: Mapping[str, Source], datasets: Sequence[Dataset]) -> Dataset:
    places = [(source.reader, source.path.resolve()) for source in sources.values()]
    return joined(spec, places, datasets)


def find_data(spec: str, places: Sequence[Path] = HERE) -> dict[str, Source]:
    """Return reader, path and options of each data string that is joined, without reading the data.

    Args:
        spec: Data string, or several joined by ` + `.
        places: Folders to search for a relative path, in this order.

    Raises:
        DataError: a reader or path does not exist, a string is malformed or given twice.
    """
    parts = split_spec(spec, places)
    if twice := [part for part in dict.fromkeys(parts) if parts.count(part) > 1]:
        raise DataError(f"'{spec}' joins {listing(twice)} twice. Leave one of them out.")
    return {part: _find(part, places) for part in parts}


def split_spec(spec: str, places: Sequence[Path] = HERE) -> list[str]:
    """Return the data strings that ` + ` joins; a path that exists may contain ` + `.

    Raises:
        DataError: one of them is empty.
    """
    words = spec.split(PLUS)
    parts: list[str] = []
    while words:
        count = next(
            count
            for count in range(len(words), 0, -1)
            if count == 1 or _is_path(PLUS.join(words[:count]), places)
        )
        parts.append(PLUS.join(words[:count]).strip())
        del words[:count]
    if not all(parts):
        raise DataError(f"'{spec}': a data string before or after '{PLUS}' is empty. Add it.")
    return parts


def _is_path(text: str, places: Sequence[Path]) -> bool:
    """Return whether a text names a path that exists, and its options contain no ` + `."""
    reader, path, options = _taken_apart(text, _place(text, places))
    return reader in CORPORA and is_there(path) and PLUS not in options


def _place(spec: str, places: Sequence[Path]) -> Path:
    """Return the first place that has the path of a data string, else the first of all."""
    for place in places:
        reader, path, _ = _taken_apart(spec, place)
        if reader in CORPORA and is_there(path):
            return place
    return places[0]


def _find(spec: str, places: Sequence[Path]) -> Source:
    reader, path, given = parse(spec, _place(spec, places))
    if reader == READER:
        tables_of(path)
        return Source(reader, path, given)
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
            f"{looked_in(places)}{_spaces(spec)}"
        )
    return Source(reader, path, given)


def _spaces(spec: str) -> str:
    """Return a hint for data strings that seem to be joined without spaces."""
    reader, colon, _ = spec.partition("+")[2].strip().partition(":")
    is_second = colon and reader in CORPORA
    return f" Join data by '{PLUS}', with a space on both sides." if is_second else ""


def parse(spec: str, place: Path = HERE[0]) -> Source:
    """Return the reader, path and options of a data string; the reader may be unknown.

    Raises:
        DataError: an option is given twice, or has no value.
    """
    reader, path, options = _taken_apart(spec, place)
    return Source(reader, path, split_pairs(options, "&", DataError))


def with_options(spec: str, options: Mapping[str, str], places: Sequence[Path] = HERE) -> str:
    """Return a single data string with its options replaced by others.

    Raises:
        DataError: as `find_data`.
    """
    _find(spec, places)
    _, _, query = _taken_apart(spec, _place(spec, places))
    start = spec.removesuffix(query).removesuffix("?")
    text = "&".join(f"{name}={value}" for name, value in options.items())
    return f"{start}?{text}" if text else start


def _taken_apart(spec: str, place: Path) -> tuple[str, Path, str]:
    """Return reader, path and the text of the options."""
    if spec.startswith(PREFIX):
        name, _, query = spec.partition("?")
        return READER, Path(name), query
    path, options = _cut(spec, place)
    shipped = CORPORA.get(spec.partition("?")[0])
    if shipped is not None and shipped.home is not None:
        return shipped.name, shipped.home, spec.partition("?")[2]
    if is_there(path) and (path.is_dir() or path.suffix.lower() in TABLES):
        return "audiofolder" if path.is_dir() else "manifest", path, options
    reader, _, rest = spec.partition(":")
    return reader, *_cut(rest, place)


def _cut(text: str, place: Path) -> tuple[Path, str]:
    """Return the path and the options of `PATH?options`; an existing path may contain `?`."""
    whole = place / expand(text)
    if "?" not in text or is_there(whole):
        return whole, ""
    path, _, options = text.rpartition("?")
    return place / expand(path), options
