"""One thing that was examined, and what was found."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of one part of the installation.

    Attributes:
        name: What was examined.
        status: `ok`; `note`: an optional part is missing, or a resource is scarce; `broken`:
            ossicle cannot work, or only partly.
        text: What was found.
        fix: What to do about it; empty if there is nothing to do.
    """

    name: str
    status: Status
    text: str
    fix: str = ""
