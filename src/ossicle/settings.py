"""Expressions with settings: one grammar and one conversion of values for all of them.

    name(setting=value, setting=value)    tasks, optimisers, schedules, decoders, recipes' methods
    name?setting=value&setting=value      backbones and data
    name(1 0.5 0.1)                       a list of numbers

The type of a setting determines how its value is read: `none`; `true` or `false`, in any case; a
decimal number such as 8, 0.5 or 1e-4; or a word. `nan`, `inf`, `1_000` and digits of other scripts
are not numbers. A whole number stays an int where any number is allowed, as in JSON.

`check_value` checks values from text and from JSON alike, with the same messages. The caller passes
the error to raise, so that a recipe raises RecipeError and a backbone BackboneError.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final, TypeAlias, get_args

from ossicle.errors import OssicleError, RunError, did_you_mean

Value: TypeAlias = bool | int | float | str | None
Kinds: TypeAlias = tuple[type, ...]  # the types that a setting's value may have
LARGEST: Final = 1e9  # limit of numbers without limits of their own; far above any sensible value
CALL: Final = r"(?P<name>[\w/-]+)\s*(\((?P<inside>[^()]*)\))?"
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_MAX_DIGITS: Final = 1000  # digits of a number; far beyond float64
_WORDS: Final[dict[type, str]] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    NoneType: "none",
}


@dataclass(frozen=True, slots=True)
class Help:
    """Help text of a field, in its annotation: `Annotated[int, Help("Batch size.", RUN)]`.

    Attributes:
        text: One or two sentences.
        panel: Heading under which the command line lists the option.
        flag: Name of the option, if it is not that of the field.
    """

    text: str
    panel: str
    flag: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Which values of its type a setting can have.

    Attributes:
        low: Smallest number.
        high: Largest number.
        above: Whether `low` itself is excluded.
        below: Whether `high` itself is excluded.
        choices: Allowed words; empty: any.
    """

    low: float = -LARGEST
    high: float = LARGEST
    above: bool = False
    below: bool = False
    choices: tuple[str, ...] = ()

    def hold(self, value: float) -> bool:
        """Return whether a number lies within the limits."""
        over = value > self.low if self.above else value >= self.low
        under = value < self.high if self.below else value <= self.high
        return over and under

    def __str__(self) -> str:
        low, high = _short(self.low), _short(self.high)
        if self.above:
            return f"above 0 and up to {high}" if self.low == 0 else f"above {low}, up to {high}"
        return f"from {low} to {'below ' if self.below else ''}{high}"


ANY: Final = Limits()
POSITIVE: Final = Limits(0, above=True)
FRACTION: Final = Limits(0, 1, below=True)  # 1 itself is excluded
PROBABILITY: Final = Limits(0, 1)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a task, an optimiser, a schedule or a decoder.

    Attributes:
        about: The meaning, in one line.
        default: Value if none is given; all values have its type.
        choices: Allowed values of a text; empty: any.
        low: Smallest number.
        high: Largest number.
    """

    about: str
    default: str | int | float
    choices: tuple[str, ...] = ()
    low: float = -LARGEST
    high: float = LARGEST

    def read(self, name: str, text: str) -> Any:
        """Return the value of a text. `name` is for messages.

        Raises:
            RunError: not a value of this setting.
        """
        limits = Limits(self.low, self.high, choices=self.choices)
        return read_value(name, text, (type(self.default),), limits)


def parse(
    text: str, what: str, known: Mapping[str, Mapping[str, Setting]]
) -> tuple[str, dict[str, Any]]:
    """Return the name in `name(setting=value)`, and all its settings with their values.

    Args:
        text: The expression.
        what: What it names, for messages, e.g. "task".
        known: Settings by name.

    Raises:
        RunError: unknown name or setting, or a value of the wrong type or out of range.
    """
    call = split_call(text)
    if call is None:
        raise RunError(
            f"'{text:.200}' is not a {what}; write name or name(setting=value,setting=value)"
        )
    name, inside = call
    check_known(what, name, known)
    values: dict[str, Any] = {key: setting.default for key, setting in known[name].items()}
    for key, value in split_pairs(inside, ",").items():
        check_setting(f"{what} '{name}'", key, values)
        values[key] = known[name][key].read(f"{key} of {name}", value)
    return name, values


def split_call(text: str) -> tuple[str, str] | None:
    """Return the name and the inside of `name(inside)`, or of `name`; None if it is neither."""
    call = re.fullmatch(CALL, text.strip())
    return None if call is None else (call["name"], call["inside"] or "")


def split_query(text: str, error: type[OssicleError]) -> tuple[str, dict[str, str]]:
    """Return the part of `name?setting=value&setting=value` before the first `?`, and its settings.

    Raises:
        OssicleError: `error`, as `split_pairs`.
    """
    name, _, query = text.partition("?")
    return name, split_pairs(query, "&", error)


def split_pairs(text: str, mark: str, error: type[OssicleError] = RunError) -> dict[str, str]:
    """Return the texts of `setting=value` by setting, where `mark` separates the pairs.

    Raises:
        OssicleError: `error`, for a part that is not `setting=value`, or a setting given twice.
    """
    texts: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(mark))):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not (key and equals and value):
            raise error(f"'{pair:.80}' is not a setting; write name=value")
        if key in texts:
            raise error(f"the setting '{key:.80}' is given twice")
        texts[key] = value
    return texts


def numbers(name: str, text: str, limits: Limits) -> list[float]:
    """Return the numbers of a list that spaces separate.

    Raises:
        RunError: one is not a number, or out of range.
    """
    return [
        read_value(f"number {place} of {name}", word, (float,), limits)
        for place, word in enumerate(text.split(), start=1)
    ]


def read_value(
    name: str,
    text: str,
    kinds: Kinds,
    limits: Limits = ANY,
    error: type[OssicleError] = RunError,
) -> Any:
    """Return the value of a text.

    Args:
        name: Name of the setting, for messages.
        text: What the user wrote.
        kinds: Types that the value may have.
        limits: Which values of these types are allowed.
        error: What to raise.

    Raises:
        OssicleError: `error`, with the value and what was expected.
    """
    value = typed(text, kinds)
    check_value(name, value, kinds, limits, error)
    return value


def typed(text: str, kinds: Kinds) -> Value:
    """Return the value of a text in the first of the types that it fits; else the text itself."""
    word = text.lower()
    if word == "none" and NoneType in kinds:
        return None
    if word in ("true", "false") and bool in kinds:
        return word == "true"
    if len(text) <= _MAX_DIGITS and {int, float} & set(kinds):
        if _INTEGER.fullmatch(text):
            return int(text)
        if float in kinds and _NUMBER.fullmatch(text):
            return float(text)
    return text


def check_value(
    name: str,
    value: object,
    kinds: Kinds,
    limits: Limits = ANY,
    error: type[OssicleError] = RunError,
) -> None:
    """Raise unless a value has one of the types and lies within the limits.

    A whole number is allowed where any number is; true and false are not numbers.

    Raises:
        OssicleError: `error`, with the value and what was expected.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_whole = type(value) is int and float in kinds
    if type(value) not in kinds and not is_whole:
        raise error(f"{name} is {shown(value)}; expected {expected(kinds, limits)}")
    if is_number and not limits.hold(value):  # type: ignore[arg-type] # it is a number
        raise error(f"{name} is {shown(value)}; expected {expected(kinds, limits, ranges=True)}")
    if isinstance(value, str) and limits.choices and value not in limits.choices:
        near = did_you_mean(value, limits.choices)
        raise error(f"{name} is {shown(value)}; expected {expected(kinds, limits)}.{near}")


def expected(kinds: Kinds, limits: Limits = ANY, *, ranges: bool = False) -> str:
    """Return what a value may be, in words, e.g. "a whole number from 1 to 100 or none".

    Args:
        kinds: Types that the value may have.
        limits: Which values of these types are allowed.
        ranges: State the range of numbers even where it is the widest.
    """
    if limits.choices:
        return " or ".join(filter(None, (", ".join(limits.choices[:-1]), limits.choices[-1])))
    within = f" {limits}" if ranges or limits != ANY else ""
    return " or ".join(_WORDS[kind] + (within if kind in (int, float) else "") for kind in kinds)


def value_text(value: Value) -> str:
    """Return the text that `typed` reads as the value."""
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def shown(value: object) -> str:
    """Return a value as messages show it: short, on one line."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, int | float):
        return _short(value)
    return f"{value!r:.60}"


def alternatives(hint: Any) -> Kinds:
    """Return the types that an annotation allows, e.g. (int, NoneType) of `int | None`."""
    return get_args(hint) or (hint,)


def check_known(
    what: str, name: str, known: Collection[str], error: type[OssicleError] = RunError
) -> None:
    """Raise unless a name is among the known ones.

    Raises:
        OssicleError: `error`, with all names and the nearest.
    """
    if name not in known:
        near = did_you_mean(name, known)
        raise error(f"no {what} '{name:.80}'; available: {', '.join(known)}.{near}")


def check_setting(
    what: str, key: str, known: Collection[str], error: type[OssicleError] = RunError
) -> None:
    """Raise unless something has a setting.

    Args:
        what: What has the settings, with its name, e.g. "task 'asr'".
        key: Name of the setting.
        known: Names of its settings.
        error: What to raise.

    Raises:
        OssicleError: `error`, with all settings and the nearest.
    """
    if key not in known:
        has = f"available: {', '.join(known)}" if known else "it has no settings"
        near = did_you_mean(key, known)
        raise error(f"{what} has no setting '{key:.80}'; {has}.{near}")


def check_fraction(name: str, value: Any) -> float:
    """Return a number from 0 to below 1.

    Raises:
        RunError: it is not one.
    """
    check_value(name, value, (float,), FRACTION)
    return float(value)


def _short(value: float) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 20 else f"{text[:12]}... ({len(text)} digits)"
