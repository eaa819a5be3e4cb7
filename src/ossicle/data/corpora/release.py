"""Compare the files of a release with its full content."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ossicle.data.corpora.base import MISSING, Options, columns
from ossicle.data.missing import left_out
from ossicle.data.rows import read_rows
from ossicle.data.utterance import Utterance
from ossicle.errors import ManifestError, listing

__all__ = ["MISSING", "fewer", "lacking", "left_out", "present", "table_rows"]


def table_rows(
    path: Path, wanted: Iterable[str], *, may_be_empty: bool = False
) -> list[Mapping[str, str]]:
    """Return the rows of a table of a release.

    Args:
        path: Path of the table.
        wanted: Required columns.
        may_be_empty: Whether it may be absent or have only a header.

    Raises:
        ManifestError: it does not exist, cannot be read or lacks a column.
    """
    if may_be_empty and (not path.is_file() or b"\n" not in path.read_bytes().strip()):
        return []
    if not path.is_file():
        raise ManifestError(f"{path} does not exist. Copy it from the release.")
    rows = [row for _, row in read_rows(path)]
    columns(path, rows[0], wanted)
    return rows


def present(
    table: Path, utterances: Sequence[Utterance], options: Options
) -> tuple[list[Utterance], tuple[str, ...]]:
    """Return the listed utterances whose files exist, and a notice on the others.

    Raises:
        ManifestError: some files are missing, and the option `missing` is refuse.
    """
    gone = [one.path for one in utterances if not one.path.is_file()]
    folders = sorted({f"{file.parent}/" for file in gone if not file.parent.is_dir()})
    names = [*folders, *(file.name for file in gone if file.parent.is_dir())]
    notices = left_out(table, len(gone), len(utterances), names, options)
    lost = set(gone)
    return [one for one in utterances if one.path not in lost], notices


def lacking(what: str, whole: Iterable[str], found: Iterable[str]) -> list[str]:
    """Return a description of the missing parts of a release, for `sided`."""
    whole, there = list(whole), set(found)
    gone = [one for one in whole if one not in there]
    return [f"{what} {listing(gone, 12)} of {len(whole)} are missing"] if gone else []


def fewer(count: int, whole: int, what: str = "recordings") -> list[str]:
    """Return a description of the number of missing items of a release, for `sided`."""
    return [f"{count:,} of {whole:,} {what} found"] if count < whole else []
