"""Read and write the rows of CSV, TSV and JSON-lines files, as texts by column.

A TSV has no quoting: tabs separate fields, and quotes are ordinary characters.
"""

import csv
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ossicle.errors import ManifestError, listing

Record = tuple[int, Mapping[str, str]]  # row number as an editor shows it, column -> text

TABLES: Final = (".csv", ".tsv", ".jsonl")
_LARGEST_WHOLE = 2.0**53  # floats represent every whole number up to here


def read_rows(path: Path) -> list[Record]:
    """Return the rows of a .csv, .tsv or .jsonl file, UTF-8 with or without a byte-order mark.

    Raises:
        ManifestError: the file is missing, empty, malformed or has another extension.
    """
    return list(iterate_rows(path))


def read_header(path: Path) -> tuple[list[str], Mapping[str, str]]:
    """Return the columns of a table and its first row; for a .jsonl, the columns of all rows.

    Raises:
        ManifestError: as `read_rows`.
    """
    if _suffix(path) != ".jsonl":
        _, first = next(_records(path, None))
        return list(first), first
    columns: dict[str, None] = {}
    for _, record in _records(path, ()):
        columns.update(dict.fromkeys(record))
    _, first = next(_records(path, ()))
    return list(columns), first


def iterate_rows(path: Path, columns: Collection[str] | None = None) -> Iterator[Record]:
    """Yield the rows that `read_rows` returns, one at a time.

    Args:
        path: Path of the table.
        columns: Columns whose values must be texts or numbers; None: all. Lists and objects in
            other columns of a .jsonl read as an empty text.
    """
    return _records(path, columns)


def _records(path: Path, columns: Collection[str] | None) -> Iterator[Record]:
    suffix = _suffix(path)
    found = False
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if suffix == ".jsonl":
                records = _jsonl_records(path, file, columns)
            else:
                records = _delimited_records(path, file, tabs=suffix == ".tsv")
            for record in records:
                found = True
                yield record
    except FileNotFoundError as error:
        raise ManifestError(f"{path} does not exist. Correct its path.") from error
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"{path} is not UTF-8 at byte {error.start}. Save it as UTF-8."
        ) from error
    if not found:
        raise ManifestError(f"{path} has no rows. Add a row for each recording.")


def write_rows(path: Path, rows: Sequence[Mapping[str, str | float]]) -> None:
    """Write rows to a .csv, .tsv or .jsonl file; a row may lack columns that others have."""
    suffix = _suffix(path)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            if suffix == ".jsonl":
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                return
            # csv quotes only the line end that it writes, but reads any of them as one.
            odd = any("\r" in str(value) for row in rows for value in row.values())
            quoting = csv.QUOTE_ALL if odd else csv.QUOTE_MINIMAL
            form: dict[str, Any] = {"quoting": quoting}
            if suffix == ".tsv":
                _refuse_tabs(path, rows)
                form = {"delimiter": "\t", "quoting": csv.QUOTE_NONE, "quotechar": None}
            writer = csv.DictWriter(file, columns, restval="", lineterminator="\n", **form)
            writer.writeheader()
            writer.writerows(rows)
    except UnicodeEncodeError as error:
        raise ManifestError(
            f"{path}: {error.object!r} is not valid Unicode and cannot be written. Rename the file."
        ) from error


def cell(where: str, column: str, value: object) -> str:
    """Return a value of JSON or Arrow as text; empty if it is None or NaN.

    A whole number gives the same text as an integer and as a float.

    Args:
        where: Table and row, for messages.
        column: Column of the value.
        value: Value to convert.

    Raises:
        ManifestError: the value is not a text or a number.
    """
    if value is None or value != value:  # only NaN differs from itself
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_WHOLE:
        return str(int(value))
    if not isinstance(value, str | int | float):
        raise ManifestError(f"{where}: {column} is not a text or a number.")
    text = str(value)
    if not text.isascii() and any("\ud800" <= mark <= "\udfff" for mark in text):
        raise ManifestError(f"{where}: {column} is {text!r}, which is not valid Unicode.")
    return text


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in TABLES:
        raise ManifestError(
            f"{path} is not a manifest. Expected a file named .csv, .tsv or .jsonl."
        )
    return suffix


def _refuse_tabs(path: Path, rows: Iterable[Mapping[str, str | float]]) -> None:
    for value in (str(value) for row in rows for value in row.values()):
        if any(mark in value for mark in "\t\n\r"):
            raise ManifestError(
                f"{path}: {value!r} contains a tab or a line end, which a .tsv cannot store. "
                "Write a .csv."
            )


def _delimited_records(path: Path, lines: Iterable[str], *, tabs: bool) -> Iterator[Record]:
    header: list[str] = []
    name = "TSV" if tabs else "CSV"
    advice = (
        "Remove tabs from its values." if tabs else 'Put values that contain a comma in "quotes".'
    )
    reader = (
        csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if tabs
        else csv.reader(lines, strict=True)
    )
    try:
        for row, fields in enumerate(reader, start=1):
            if not fields:
                continue
            if not header:
                header = _header(path, fields)
            elif len(fields) != len(header):
                raise ManifestError(
                    f"{path}, row {row} has {len(fields)} fields and the header {len(header)}. "
                    f"{advice}"
                )
            else:
                yield row, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise ManifestError(f"{path} is not a {name} file: {error}.") from error


def _header(path: Path, fields: Sequence[str]) -> list[str]:
    """Return the names of the columns; an unnamed one is called by its position."""
    header = [name.strip() or f"column {place}" for place, name in enumerate(fields, start=1)]
    if len(fields) == 1 and (other := [mark for mark in ";\t|" if mark in header[0]]):
        raise ManifestError(
            f"{path} seems to use the separator {other[0]!r}: its only column is {header[0]!r}. "
            "Save it with commas, or with tabs as .tsv."
        )
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise ManifestError(
            f"{path} has the column {listing(twice)} more than once. Give each a unique name."
        )
    return header


def _jsonl_records(
    path: Path, lines: Iterable[str], columns: Collection[str] | None
) -> Iterator[Record]:
    for row, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, row {row}"
        record = parse_record(where, line)
        yield row, {name: _text(where, name, value, columns) for name, value in record.items()}


def _text(where: str, column: str, value: object, columns: Collection[str] | None) -> str:
    nested = isinstance(value, dict | list)
    if nested and columns is not None and column not in columns:
        return ""
    return cell(where, column, value)


def _same(text: str) -> Any:  # Any, because json's stubs expect a number
    return text


def parse_record(where: str, line: str) -> dict[str, Any]:
    """Return the JSON object of a row; integers are kept as text, because they can be long ids.

    Args:
        where: Table and row, for messages.
        line: JSON text, in which NaN is a missing value.

    Raises:
        ManifestError: it is not a JSON object, or a key is repeated.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ManifestError(f"{where} has {listing(twice)} more than once. Keep one of them.")
        return found

    def constant(name: str) -> None:
        if name != "NaN":  # pandas and others write it for a missing value
            raise ManifestError(f"{where} contains {name}, which is not valid JSON. Remove it.")

    try:
        record = json.loads(line, object_pairs_hook=once, parse_constant=constant, parse_int=_same)
    except (json.JSONDecodeError, RecursionError) as error:
        reason = getattr(error, "msg", "it is nested too deeply")
        raise ManifestError(f"{where} is not JSON: {reason}.") from error
    if not isinstance(record, dict):
        raise ManifestError(f'{where} is not an object like {{"path": "a.wav"}}.')
    return record
