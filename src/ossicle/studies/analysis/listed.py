"""Claims of publications, listed in `claims.toml`, and the settings to ask them with."""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from ossicle.errors import RunError
from ossicle.settings import check_known
from ossicle.studies.analysis.claim import Claim, each_with_each

FILE: Final = Path(__file__).parent.parent / "claims.toml"


@cache
def listed_claims() -> Mapping[str, Claim]:
    """Return every listed claim by its name."""
    return {row["name"]: _claim(dict(row)) for row in content()["claims"]}


def claims_about(study: str) -> list[Claim]:
    """Return the claims that the trials of a study bear on."""
    return [one for one in listed_claims().values() if one.study == study and not one.cannot]


def chosen_claims(only: str) -> list[Claim]:
    """Return the claims that a text names, in the order of the list.

    Args:
        only: Names that commas separate, in any case: `D5a`, `D5` for all of D5, or `D` for all of
            its publication. Empty: all claims.

    Raises:
        RunError: there is no such claim, one is named twice, or the text has commas alone.
    """
    every = listed_claims()
    if not only.strip():
        return list(every.values())
    found: dict[str, Claim] = {}
    for text in [part.strip() for part in only.split(",") if part.strip()]:
        asked = text[:1].upper() + text[1:].lower()
        named = {name: one for name, one in every.items() if asked in _names(name)}
        if not named:
            check_known("claim", text, _every_name())
        if twice := [name for name in named if name in found]:
            raise RunError(f"--only names the claim {twice[0]} twice")
        found |= named
    if not found:
        raise RunError(f"--only is '{only}'; expected names of claims, as in 'A2,D3a'")
    return [one for name, one in every.items() if name in found]


def _names(name: str) -> tuple[str, str, str]:
    """Return the names that stand for a claim: its own, and those of its groups."""
    return name, name.rstrip("abc"), name[0]


def _every_name() -> list[str]:
    """Return the names of all claims, each after that of its group, for messages."""
    claims = [one for one in listed_claims().values() if not one.cannot]
    return list(dict.fromkeys(text for one in claims for text in reversed(_names(one.name))))


@cache
def content() -> Mapping[str, Any]:
    """Return the content of the file."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def _claim(row: dict[str, Any]) -> Claim:
    """Return a claim from an entry of the file."""
    pairs: Sequence[Sequence[str]] = row.pop("compare", ())
    first, second = row.pop("first", ()), row.pop("second", ())
    every = (*((one, other) for one, other in pairs), *each_with_each(first, second))
    return Claim(**row | {"pairs": every, "tasks": tuple(row.get("tasks", ()))})
