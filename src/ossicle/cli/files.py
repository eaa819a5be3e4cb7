"""The files that `ossicle predict` reads, and the one that it writes."""

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ossicle.errors import DataError, RunError
from ossicle.paths import fault

if TYPE_CHECKING:
    from ossicle.data import Utterance

FORMATS: Final = (".csv", ".jsonl")


def list_recordings(paths: Sequence[Path]) -> list["Path | Utterance"]:
    """Return the paths, with folders and tables replaced by their recordings.

    Recordings of a folder are sorted by path; rows of a table keep their order.

    Raises:
        DataError: a folder contains no recordings, or a table cannot be read.
    """
    from ossicle.data.manifest import read_pieces
    from ossicle.data.rows import TABLES

    found: list[Path | Utterance] = []
    for path in paths:
        if not fault(path) and path.is_dir():
            found += _below(path)
        elif path.suffix.lower() in TABLES:
            found += read_pieces(path)
        else:
            found.append(path)
    return found


def _below(folder: Path) -> list[Path]:
    from ossicle.data.corpora.audiofolder import AUDIO

    files = [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not any(n.startswith(".") for n in file.relative_to(folder).parts)
    ]
    recordings = [file for file in files if file.suffix.lower() in AUDIO]
    if not recordings:
        raise DataError(f"{folder} contains no recordings (.wav, .flac, ...).")
    if others := len(files) - len(recordings):
        print(f"{folder}: {others} files that are not recordings are skipped.", file=sys.stderr)
    return recordings


def check_output(path: Path, suffixes: Sequence[str] = FORMATS) -> None:
    """Raise unless predictions can be written to a file.

    Args:
        path: The file.
        suffixes: What its name may end in.

    Raises:
        RunError: it has another suffix, or its folder does not exist.
    """
    if path.suffix.lower() not in suffixes:
        raise RunError(f"--out is '{path}'; expected a name that ends in {' or '.join(suffixes)}")
    if why := fault(path):
        raise RunError(f"'{path}' cannot be written: {why}; choose another file")
    if path.is_dir() or not path.parent.is_dir():
        what = "it is a folder" if path.is_dir() else f"there is no folder '{path.parent}'"
        raise RunError(f"'{path}' cannot be written: {what}; choose another file")


def write_predictions(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write predictions as CSV or JSON lines, atomically.

    A CSV has a column `prob:LABEL` for each probability, and contains lists and objects as JSON.
    """
    from ossicle.files import replace_file
    from ossicle.strict_json import dumps

    if path.suffix.lower() == ".jsonl":
        replace_file(path, "".join(dumps(row) + "\n" for row in rows).encode())
        return
    flat = []
    for row in rows:
        probs = {f"prob:{label}": value for label, value in row.get("probs", {}).items()}
        others = {key: value for key, value in row.items() if key != "probs"}
        cells = {k: dumps(v) if isinstance(v, list | dict) else v for k, v in others.items()}
        flat.append(cells | probs)
    columns = list(dict.fromkeys(column for row in flat for column in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    replace_file(path, text.getvalue().encode())
