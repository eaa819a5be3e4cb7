"""Find the roles of the columns of a table.

A role is found by its usual names, case-insensitively (`Speaker`, `client_id`), or by an option of
the data string (`speaker=who`). Two columns for one role are an error, and columns without a role
are reported.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Final

from ossicle.data.columns import UNITS, Columns
from ossicle.data.pairs import Options, asked_columns
from ossicle.data.text import composed
from ossicle.errors import ManifestError, did_you_mean, listing

LABEL: Final = "label"
NO: Final = "no"  # value of an option: no column has this role

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "path": (
        *("path", "file_name", "audio_filepath", "filename", "wav"),
        *("file_path", "audio_path", "audio_file", "wav_path", "wav_file"),
    ),
    "speaker": ("speaker", "speaker_id", "spk", "spk_id", "client_id"),
    "prompt": ("prompt", "question"),
    "split": ("split", "set", "subset", "partition"),
    "fold": ("fold",),
    "start": (
        *("start_s", "start", "start_time", "start_sec", "begin", "begin_s", "begin_time"),
        *("onset", "onset_s", "offset", "offset_s"),
    ),
    "stop": ("end", "end_s", "end_time", "end_sec", "stop", "stop_s", "stop_time"),
    "duration": ("duration_s", "duration_sec"),
    "length": ("duration",),  # length of the part if there is only a start, else often of the file
}
_KNOWN: Final = ("domain",)  # columns for `where`, which need not be reported as not used
LABEL_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {  # usual columns of each label name
    "transcript": ("transcript", "transcription", "text", "sentence"),
    "phones": ("phones",),
    "tags": ("tags",),
    "dimensions": ("valence", "arousal", "dominance"),
    "slotvalues": ("action", "object", "location"),
    "slots": ("slots",),
    "events": ("events",),
}
_TOGETHER: Final = ("dimensions", "slotvalues")  # labels made of several columns
_MEANING: Final = {
    "path": "the path of the recording",
    "speaker": "the speaker",
    "prompt": "the prompt",
    "split": "the split",
    "fold": "the fold",
    "start": "the start of the part",
    "stop": "the end of the part",
    "duration": "the length of the part",
    "length": "the length",
    LABEL: "the label",
}
_OTHER_UNIT: Final = re.compile(
    r"(start|begin|onset|offset|end|stop)(ms|msec|millis\w*|samples?|frames?)"
)
_SOUND: Final = re.compile(r".+\.(wav|flac|og[ga]|opus|mp3|m4a|aiff?|au|caf|sph)", re.I)


def find_columns(
    table: str,
    columns: Sequence[str],
    options: Options,
    example: Mapping[str, str],
    *,
    has_path: bool = True,
) -> Columns:
    """Return the columns of a table by role.

    Args:
        table: Name of the table, for messages.
        columns: Columns of all rows, in order.
        options: Column of a role, or `no`, if the user named one; `label`, `text` and `unit`.
        example: A row, as an example of the values of each column.
        has_path: Whether a column has the paths of recordings; they can also be in the table.

    Raises:
        ManifestError: a column does not exist, or several columns can have the same role.
    """
    by_role, refused = _asked(table, columns, options, has_path=has_path)
    labels, label_name = _labels(table, columns, options)
    taken = {*by_role.values(), *labels}
    for role in _NAMES:
        if role in by_role or role in refused:
            continue
        # The label may be the speaker, which still separates the splits.
        free = [one for one in columns if one not in taken or (role == "speaker" and one in labels)]
        if column := _known(table, role, free):
            by_role[role] = column
            taken.add(column)
    if has_path and "path" not in by_role:
        raise ManifestError(_no_path(table, columns, example))
    if "length" in by_role and "start" not in by_role:
        taken.discard(by_role.pop("length"))  # length of the whole file
    unused = tuple(one for one in columns if one not in taken)
    _refuse_other_units(table, unused, {*by_role, *refused})
    unit = options.get("unit") or UNITS[0]
    if unit not in UNITS:
        raise ManifestError(f"unit is '{unit}'; expected {listing(UNITS)}.")
    asked = asked_columns(options)
    chosen = tuple(one for one in columns if composed(one) in asked)
    unused = tuple(one for one in unused if one not in chosen and plain_name(one) not in _KNOWN)
    return Columns(table, by_role, labels, label_name, unit, unused, chosen, tuple(columns))


def _asked(
    table: str, columns: Sequence[str], options: Options, *, has_path: bool
) -> tuple[dict[str, str], set[str]]:
    """Return the columns named by options, and the roles that no column may have."""
    by_role, refused = {}, set() if has_path else {"path"}
    for role in _NAMES:
        column = options.get(role)
        if column is None or role in refused:
            continue
        if column == NO and NO not in columns:
            refused.add(role)
        else:
            by_role[role] = _there(table, role, column, columns)
    if options.get("duration") is not None:
        refused.add("length")
    return by_role, refused


def _there(table: str, option: str, column: str, columns: Sequence[str]) -> str:
    """Return the column named by an option, in any Unicode normal form."""
    found = [one for one in columns if one == column] or [
        one for one in columns if composed(one) == composed(column)
    ]
    if found:
        return found[0]
    near = did_you_mean(column, columns)
    raise ManifestError(
        f"{table} has no column '{column}' (option {option}={column}). It has: "
        f"{listing(columns, 40)}.{near}"
    )


def _labels(table: str, columns: Sequence[str], options: Options) -> tuple[tuple[str, ...], str]:
    """Return the label columns, and the name of the label."""
    label, text = options.get(LABEL) or LABEL, options.get("text")
    if text is not None:
        if label != LABEL:
            raise ManifestError(
                f"label={label} and text={text} both name a column to predict. Leave one out."
            )
        return (_there(table, "text", text, columns),), "transcript"
    if label != LABEL and label not in columns:
        names = tuple(_there(table, LABEL, one.strip(), columns) for one in label.split(","))
    elif LABEL in columns or label != LABEL:
        names = (label,)
    else:
        names = _known_labels(table, columns)
    if len(set(names)) < len(names):
        raise ManifestError(f"label={label} names a column twice. Name each once.")
    return names, _LABEL_BY_COLUMN.get(plain_name(names[0]), plain_name(names[0]))


def _known_labels(table: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the column called label, or else those with a usual name of a label."""
    if found := [one for one in columns if plain_name(one) == LABEL]:
        return (_only(table, LABEL, found),)
    by_label: dict[str, list[str]] = {}
    for column, label in _LABEL_BY_COLUMN.items():
        if found := [one for one in columns if plain_name(one) == column]:
            by_label.setdefault(label, []).extend(found)
    either = [
        choice
        for label, names in by_label.items()
        for choice in ([",".join(names)] if label in _TOGETHER else names)
    ]
    if len(either) > 1:
        raise ManifestError(
            f"{table} has {' or '.join(either)} to predict. Choose with label=COLUMN."
        )
    if either:
        return tuple(next(iter(by_label.values())))
    raise ManifestError(
        f"{table} has no column 'label'. It has: {listing(columns, 40)}."
        f"{did_you_mean(LABEL, columns)} Name the column to predict with label=COLUMN, or that of "
        "a transcript with text=COLUMN."
    )


def _known(table: str, role: str, columns: Sequence[str]) -> str | None:
    """Return the column with one of a role's usual names, if there is one."""
    found = [one for one in columns if _ROLE_BY_NAME.get(plain_name(one)) == role]
    return _only(table, role, found) if found else None


def _only(table: str, role: str, found: Sequence[str]) -> str:
    """Return the column of a role; raise ManifestError if there are several."""
    if len(found) == 1:
        return found[0]
    option = "duration" if role == "length" else role
    choice = f"{option}={found[0]}"
    if {"onset", "offset"} <= {plain_name(one) for one in found}:
        choice = "start=onset&stop=offset"
    neither = "" if role in ("path", LABEL) else f", or {option}={NO} to use neither"
    raise ManifestError(
        f"{table} has the columns {' and '.join(found)}, and each can be {_MEANING[role]}. Choose "
        f"one, as in {choice}{neither}."
    )


def _no_path(table: str, columns: Sequence[str], example: Mapping[str, str]) -> str:
    """Return the message for a table without a known column of paths."""
    first, *others = _NAMES["path"]
    likely = [one for one in columns if _SOUND.fullmatch(example.get(one, "").strip())] or [
        one for one in columns if len(PurePath(example.get(one, "").strip()).parts) > 1
    ]
    looks = f" '{likely[0]}' looks like one: use path={likely[0]}." if likely else ""
    return (
        f"{table} has no column '{first}' (or {', '.join(others)}) with the path of the recording. "
        f"It has: {listing(columns, 40)}.{looks or ' Name it with path=COLUMN.'}"
    )


def _refuse_other_units(table: str, unused: Sequence[str], known: set[str]) -> None:
    """Raise ManifestError for unused times that are not in seconds; parts would be whole files."""
    for column in unused:
        match = _OTHER_UNIT.fullmatch(plain_name(column))
        role = "stop" if match and match[1] in ("end", "stop") else "start"
        if match and role not in known:
            unit = "milliseconds" if match[2].startswith("m") else "samples"
            raise ManifestError(
                f"{table}: '{column}' is not in seconds. Use {role}={column}&unit={unit}, or "
                f"{role}={NO} to ignore it."
            )


def plain_name(name: str) -> str:
    """Return a column's name without case, spaces, hyphens and underscores."""
    return re.sub(r"[\s_-]+", "", composed(name).casefold())


_ROLE_BY_NAME: Final = {plain_name(name): role for role, names in _NAMES.items() for name in names}
_LABEL_BY_COLUMN: Final = {
    column: label for label, columns in LABEL_COLUMNS.items() for column in columns
}
