"""Rows of a CSV or JSON-lines file, as texts by column."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ossicle.errors import ManifestError

Record = tuple[int, Mapping[str, str]]  # row number as an editor shows it, column -> text


def read_rows(path: Path) -> list[Record]:
    """Return the rows of a .csv or .jsonl file that is UTF-8, with or without a byte-order mark.

    Raises:
        ManifestError: the file is missing, empty, malformed or of another kind.
    """
    return list(iterate_rows(path))


def iterate_rows(path: Path) -> Iterator[Record]:
    """Yield what `read_rows` returns, row by row: a million rows need not be held at once."""
    read = _csv_records if _is_csv(path) else _jsonl_records
    found = False
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for record in read(path, file):
                found = True
                yield record
    except FileNotFoundError as error:
        raise ManifestError(f"{path} does not exist. Mend its path.") from error
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"{path} is not UTF-8 at byte {error.start}. Save it as UTF-8."
        ) from error
    if not found:
        raise ManifestError(f"{path} lists no recordings. Add a row for each.")


def write_rows(path: Path, rows: Sequence[Mapping[str, str | float]]) -> None:
    """Write rows to a .csv or .jsonl file; a row may lack columns that others have."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            if _is_csv(path):
                # csv quotes a line end only where it is its own, and reads any of them as one.
                odd = any("\r" in str(value) for row in rows for value in row.values())
                writer = csv.DictWriter(
                    file,
                    columns,
                    restval="",
                    quoting=csv.QUOTE_ALL if odd else csv.QUOTE_MINIMAL,
                    lineterminator="\n",
                )
                writer.writeheader()
                writer.writerows(rows)
            else:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    except UnicodeEncodeError as error:
        raise ManifestError(
            f"{path}: {error.object!r} is not Unicode and cannot be written. Rename that file."
        ) from error


def _is_csv(path: Path) -> bool:
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise ManifestError(f"{path} is no manifest: expected a file named .csv or .jsonl.")
    return path.suffix.lower() == ".csv"


def _csv_records(path: Path, lines: Iterable[str]) -> Iterator[Record]:
    header: list[str] = []
    try:
        for row, fields in enumerate(csv.reader(lines, strict=True), start=1):
            if not fields:
                continue
            if not header:
                header = [name.strip() for name in fields]
            elif len(fields) != len(header):
                raise ManifestError(
                    f"{path}, row {row} has {len(fields)} fields and the header {len(header)}. "
                    'Put a value that holds a comma in "quotes".'
                )
            else:
                yield row, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise ManifestError(f"{path} is not a CSV file: {error}.") from error


def _jsonl_records(path: Path, lines: Iterable[str]) -> Iterator[Record]:
    for row, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ManifestError(f"{path}, row {row} is not JSON: {error.msg}.") from error
        if not isinstance(record, dict):
            raise ManifestError(f'{path}, row {row} is not an object like {{"path": "a.wav"}}.')
        for column, value in record.items():
            if isinstance(value, dict | list):
                raise ManifestError(f"{path}, row {row}: {column} is not a text or a number.")
        yield row, {key: "" if value is None else str(value) for key, value in record.items()}
