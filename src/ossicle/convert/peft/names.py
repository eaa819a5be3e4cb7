"""What the outputs of an imported head mean: labels of classes, or units of CTC.

peft keeps no names. They are those that the user gives, those of the backbone's `config.json` or
`vocab.json`, or numbers as transformers counts them: LABEL_0, LABEL_1, ...
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ossicle.backbones.source import Source
from ossicle.errors import AdapterFileError, BackboneError
from ossicle.settings import split_query
from ossicle.strict_json import read_object

VOCABULARY: Final = "vocab.json"
BLANKS: Final = ("<pad>", "[PAD]")
SPACE: Final = "|"  # in the vocabulary of transformers
RANDOM: Final = "config:"


def class_names(given: Sequence[str] | None, count: int, backbone: str) -> tuple[list[str], str]:
    """Return the names of classes, and where they are from.

    Args:
        given: Names in the order of the outputs; None: not given.
        count: Number of outputs.
        backbone: Name of the backbone.

    Raises:
        AdapterFileError: another number of names is given.
    """
    if given is not None:
        if len(given) != count or len(set(given)) != count:
            raise AdapterFileError(
                f"--labels names {len(set(given))} different classes, and the head has {count} "
                "outputs; give one name for each output, in their order"
            )
        return list(given), "--labels"
    named = _of_config(backbone)
    if len(named) == len(set(named)) == count and named[0] != "LABEL_0":
        return named, f"the config.json of '{backbone}'"
    return [f"LABEL_{number}" for number in range(count)], ""


def unit_names(
    given: Sequence[str] | None, count: int, folders: Sequence[Path | Source]
) -> list[str]:
    """Return the units of CTC in the order of the outputs; the blank is the empty string.

    Args:
        given: Units in the order of the outputs, the blank as `<pad>`; None: not given.
        count: Number of outputs.
        folders: Where to look for `vocab.json`.

    Raises:
        AdapterFileError: there are no units, or not as many as outputs.
    """
    units = list(given) if given is not None else _of_vocabulary(folders)
    if len(set(units)) != count or sum(unit in BLANKS for unit in units) != 1:
        what = f"{len(set(units))} units" if units else "no vocabulary"
        raise AdapterFileError(
            f"the head has {count} outputs of CTC, and there are {what} for them, of which one is "
            f"the blank, {BLANKS[0]}. Put the {VOCABULARY} of the adapter's processor into its "
            f"folder, or give the units in order: --labels '<pad>,|,a,b,...'"
        )
    spelt = [" " if unit == SPACE and " " not in units else unit for unit in units]
    return ["" if unit in BLANKS else unit for unit in spelt]


def _of_config(backbone: str) -> list[str]:
    source = source_of(backbone)
    try:
        named = {} if source is None else source.read("config.json").get("id2label")
    except BackboneError:
        named = {}
    if not isinstance(named, dict):
        return []
    numbers = sorted((key for key in named if key.isdigit()), key=int)
    return [str(named[key]) for key in numbers]


def _of_vocabulary(folders: Sequence[Path | Source]) -> list[str]:
    for folder in folders:
        file = folder.file(VOCABULARY) if isinstance(folder, Source) else folder / VOCABULARY
        if file is not None and file.is_file():
            try:
                numbers: dict[str, Any] = read_object(file)
                return sorted(numbers, key=lambda unit: int(numbers[unit]))
            except (OSError, TypeError, ValueError) as error:
                raise AdapterFileError(f"'{file}' cannot be read: {error}") from error
    return []


def source_of(backbone: str) -> Source | None:
    """Return the files of a backbone; None if it has random weights."""
    if backbone.startswith(RANDOM):
        return None
    path, options = split_query(backbone, BackboneError)
    return Source(path, options.get("revision"))
