"""Settings of a task, as `--task` writes them: `verification(loss=aam-softmax,margin=0.2)`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ossicle.errors import RunError, did_you_mean

if TYPE_CHECKING:
    from ossicle.tasks.base import Task

_CALL = re.compile(r"(?P<name>[\w-]+)(\((?P<settings>.*)\))?")


@dataclass(frozen=True, slots=True)
class Setting:
    """What can be chosen of a task: `--task 'name(setting=value)'`.

    Attributes:
        about: One line of meaning.
        default: Its value where none is given; a value is of the same type.
        choices: The values there are, where it is a word.
    """

    about: str
    default: str | int | float
    choices: tuple[str, ...] = ()


def parse_task(
    text: str, tasks: Mapping[str, "type[Task]"]
) -> tuple["type[Task]", dict[str, str | int | float]]:
    """Return the task and all its settings.

    Raises:
        RunError: there is no such task or setting, or its value is of another kind.
    """
    call = _CALL.fullmatch(text.strip())
    if call is None:
        raise RunError(
            f"'{text}' is no task. Write name(setting=value), e.g. verification(margin=0.2)"
        )
    if (name := call["name"]) not in tasks:
        raise RunError(
            f"no task '{name}'; there are: {', '.join(tasks)}.{did_you_mean(name, tasks)}"
        )
    kind = tasks[name]
    chosen = {key: setting.default for key, setting in kind.settings.items()}
    for pair in filter(None, (call["settings"] or "").split(",")):
        key, _, value = (part.strip() for part in pair.partition("="))
        if key not in chosen:
            known = f"it has: {', '.join(chosen)}" if chosen else "it has none"
            raise RunError(
                f"the task {name} has no setting '{key}'; {known}.{did_you_mean(key, chosen)}"
            )
        chosen[key] = _value(f"{name}({key}=...)", kind.settings[key], value)
    return kind, chosen


def _value(where: str, setting: Setting, text: str) -> str | int | float:
    if setting.choices and text not in setting.choices:
        raise RunError(
            f"{where} is '{text}'; use {', '.join(setting.choices)}."
            f"{did_you_mean(text, setting.choices)}"
        )
    try:
        return type(setting.default)(text)
    except ValueError as error:
        kind = "whole number" if isinstance(setting.default, int) else "number"
        raise RunError(f"{where} is '{text}'; use a {kind}, such as {setting.default}") from error


def share(name: str, value: Any) -> float:
    """Return a setting that must lie from 0 to below 1.

    Raises:
        RunError: it does not.
    """
    if not 0 <= value < 1:
        raise RunError(f"{name} is {value}; it must lie from 0 to below 1")
    return float(value)
