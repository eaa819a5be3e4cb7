"""Choices with settings, as options write them: `name(setting=value,setting=value)`.

verification(loss=am-softmax,margin=0.2)      step(epochs=10,factor=0.1)      adamw(beta2=0.98)
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ossicle.errors import RunError, did_you_mean

Value = str | int | float
LARGEST: Final = 1e9  # of a number without limits of its own; far beyond any that is meant
_CALL = re.compile(r"(?P<name>[\w-]+)(\((?P<settings>[^()]*)\))?")


@dataclass(frozen=True, slots=True)
class Help:
    """Help text of a field, in its annotation: `Annotated[int, Help("Batch size.", RUN)]`.

    Attributes:
        text: One or two sentences.
        panel: Heading under which the command line lists the option.
    """

    text: str
    panel: str


@dataclass(frozen=True, slots=True)
class Setting:
    """What can be chosen of a thing.

    Attributes:
        about: One line of meaning.
        default: Its value where none is given; a value is of the same type.
        choices: The values there are, where it is a word.
        low: The smallest number.
        high: The largest number.
    """

    about: str
    default: Value
    choices: tuple[str, ...] = ()
    low: float = -LARGEST
    high: float = LARGEST


def parse(
    text: str, what: str, known: Mapping[str, Mapping[str, Setting]]
) -> tuple[str, dict[str, Value]]:
    """Return the name of an expression, and all its settings.

    Args:
        text: The expression.
        what: The word for such a thing, as messages say it.
        known: The settings of every name.

    Raises:
        RunError: there is no such name or setting, or its value is of another kind or out of range.
    """
    call = _CALL.fullmatch(text.strip())
    if call is None:
        raise RunError(f"'{text}' is no {what}; write name or name(setting=value,setting=value)")
    name = call["name"]
    if name not in known:
        raise RunError(
            f"no {what} '{name}'; there are: {', '.join(known)}.{did_you_mean(name, known)}"
        )
    chosen: dict[str, Value] = {key: setting.default for key, setting in known[name].items()}
    for pair in filter(None, (call["settings"] or "").split(",")):
        key, _, value = (part.strip() for part in pair.partition("="))
        if key not in chosen:
            has = f"it has: {', '.join(chosen)}" if chosen else "it has none"
            raise RunError(
                f"the {what} {name} has no setting '{key}'; {has}.{did_you_mean(key, chosen)}"
            )
        chosen[key] = _value(f"{name}({key}=...)", known[name][key], value)
    return name, chosen


def _value(where: str, setting: Setting, text: str) -> Value:
    if setting.choices and text not in setting.choices:
        raise RunError(
            f"{where} is '{text}'; use {', '.join(setting.choices)}."
            f"{did_you_mean(text, setting.choices)}"
        )
    if isinstance(setting.default, str):
        return text
    try:
        value = type(setting.default)(text)
    except ValueError as error:
        kind = "whole number" if isinstance(setting.default, int) else "number"
        raise RunError(
            f"{where} is '{text:.40}'; use a {kind}, such as {setting.default}"
        ) from error
    check_range(where, value, setting.low, setting.high)
    return value


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise unless a number lies between two limits, which are allowed too.

    Raises:
        RunError: it does not, or is not a number.
    """
    if not low <= value <= high:
        raise RunError(
            f"{name} is {_short(value)}; use a number from {_short(low)} to {_short(high)}"
        )


def _short(value: float) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 20 else f"{text[:12]}... ({len(text)} digits)"


def share(name: str, value: Any) -> float:
    """Return a setting that must lie from 0 to below 1.

    Raises:
        RunError: it does not.
    """
    if not 0 <= value < 1:
        raise RunError(f"{name} is {value}; it must lie from 0 to below 1")
    return float(value)
