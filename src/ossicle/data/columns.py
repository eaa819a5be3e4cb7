"""Read the fields of a table row: path, label, speaker, split, and the part of a file."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from ossicle.errors import ManifestError, did_you_mean, listing

SIDES: Final = ("train", "valid", "test")
SIDE_BY_NAME: Final = {
    **{side: side for side in SIDES},
    **dict.fromkeys(("dev", "val", "validation"), "valid"),
    "training": "train",
    "testing": "test",
}
UNITS: Final = ("seconds", "milliseconds", "samples")
ROUNDING_S: Final = 0.01  # two times that differ by at most this are equal up to rounding


class Part(NamedTuple):
    """A part of a file; a duration of None means to the end of the file."""

    start_s: float
    duration_s: float | None


WHOLE: Final = Part(0.0, None)


@dataclass(frozen=True)
class Columns:
    """Columns of a table by role.

    Attributes:
        table: Name of the table, for messages.
        by_role: Column of each role: path, speaker, prompt, split, fold, start, stop, duration,
            length.
        labels: Columns to predict.
        label_name: Name of the label, see `Dataset.label_name`.
        unit: Unit of start, stop and duration, one of `UNITS`.
        unused: Columns without a role that `where` does not choose by.
        chosen: Columns that `where` chooses by.
        names: All columns of the table.
    """

    table: str
    by_role: Mapping[str, str]
    labels: tuple[str, ...]
    label_name: str
    unit: str
    unused: tuple[str, ...]
    chosen: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def used(self) -> frozenset[str]:
        """All columns with a role, and those that `where` chooses by."""
        return frozenset((*self.by_role.values(), *self.labels, *self.chosen))

    @property
    def notices(self) -> tuple[str, ...]:
        """Notice that names the unused columns, if there are any."""
        if not self.unused:
            return ()
        return (f"{self.table}: columns not used: {listing(self.unused, 20)}.",)

    def path(self, where: str, record: Mapping[str, str]) -> str:
        """Return the path of a row as written."""
        return _filled(where, record, self.by_role["path"])

    def label(self, where: str, record: Mapping[str, str]) -> str:
        """Return the label of a row: a value, or `name=value` for each of several columns."""
        if len(self.labels) == 1:
            return _filled(where, record, self.labels[0]).strip()
        values = ((name, _filled(where, record, name).strip()) for name in self.labels)
        return ",".join(f"{name}={value}" for name, value in values)

    def text(self, role: str, record: Mapping[str, str]) -> str:
        """Return the text of a row for a role; empty if the row or the table lacks it."""
        column = self.by_role.get(role)
        return record.get(column, "").strip() if column else ""

    def side(self, where: str, record: Mapping[str, str]) -> str | None:
        """Return the split of a row: train, valid, test or None."""
        name = self.text("split", record)
        if not name:
            return None
        if side := SIDE_BY_NAME.get(name.lower()):
            return side
        column = self.by_role["split"]
        raise ManifestError(
            f"{where}: {column} is '{name}'; expected train, valid (dev, val, validation) or "
            f"test.{did_you_mean(name, SIDE_BY_NAME)} If '{column}' is not the split, use split=no "
            "or split=COLUMN; if it holds folds, use split=no&fold=" + column + "."
        )

    def part(self, where: str, record: Mapping[str, str], rate: Callable[[], int]) -> Part:
        """Return the part of its file that a row describes.

        Args:
            where: Table and row, for messages.
            record: Texts of the row by column.
            rate: Function that returns the sample rate of the file; called if times are in samples.
        """
        if not self.timed:
            return WHOLE
        start, stop = (self._number(where, record, role) for role in ("start", "stop"))
        duration = self._number(where, record, "duration")
        length = self._number(where, record, "length") if "start" in self.by_role else None
        if stop is None and duration is None and "stop" not in self.by_role:
            duration = length
        if duration == 0:
            column = self.by_role.get("duration") or self.by_role["length"]
            raise ManifestError(f"{where}: {column} is 0. Leave it empty for the whole file.")
        begin = start or 0.0
        if stop is not None:
            self._check_stop(where, begin, stop, duration, length)
            duration = stop - begin
        if self.unit == "seconds" or (not begin and duration is None):
            return Part(begin, duration)
        scale = 1000 if self.unit == "milliseconds" else rate()
        return Part(begin / scale, None if duration is None else duration / scale)

    @cached_property
    def timed(self) -> bool:
        """Whether rows can describe parts of files."""
        return not self.by_role.keys().isdisjoint(("start", "stop", "duration"))

    def _check_stop(
        self,
        where: str,
        start: float,
        stop: float,
        duration: float | None,
        length: float | None,
    ) -> None:
        """Raise ManifestError if start, stop and duration of a row contradict each other."""
        name = self.by_role
        if stop <= start:
            raise ManifestError(
                f"{where}: {name['stop']} is {stop:g}, but the part begins at {start:g}. Expected "
                f"a later end; if '{name['stop']}' is not the end of the part, use stop=no."
            )
        if duration is not None and abs(stop - start - duration) > ROUNDING_S:
            raise ManifestError(
                f"{where}: from {start:g} to {stop:g} is not a {name['duration']} of {duration:g}. "
                "Correct the row, or use duration=no or stop=no."
            )
        if length is None or self.unit != "seconds" or stop <= length + ROUNDING_S:
            return  # the length is that of the part or, in many tables, that of the file
        if abs(stop - start - length) > ROUNDING_S:
            times = f"{name.get('start', 'start')} and {name['stop']}"
            raise ManifestError(
                f"{where}: {times} are {start:g} and {stop:g}, but {name['length']} is {length:g}, "
                "so they are not seconds. Give their unit with unit=samples or unit=milliseconds, "
                "or use duration=no if the duration is wrong."
            )

    def _number(self, where: str, record: Mapping[str, str], role: str) -> float | None:
        """Return the number in a field; None if the field is empty or absent."""
        text = self.text(role, record)
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= 0):
            raise ManifestError(
                f"{where}: {self.by_role[role]} is '{text}'; expected {self.unit}, 0 or more."
            )
        return number


def _filled(where: str, record: Mapping[str, str], column: str) -> str:
    """Return the text of a required field."""
    if column not in record:
        raise ManifestError(f"{where} has no '{column}', which other rows have.")
    if not (text := record[column]).strip():
        raise ManifestError(f"{where} has no {column}. Fill it in or remove the row.")
    return text
