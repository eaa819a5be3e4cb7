"""The ensemble folder: `ensemble.json` and its members. Reading it needs no framework.

    DIR/ensemble.json     the members with a hash of each of their files, the vote and what it has
                          learnt, the temperature, metrics on validation recordings
    DIR/members/NAME/     a copy of each member, with what is needed to use and to check it

Instead of copies, an ensemble may name the folders of its members: a linked ensemble. In both, a
member that has changed since is refused, because vote and temperature were fitted with it.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NotRequired, TypedDict

from ossicle import __version__, strict_json
from ossicle.adapters.folder import COHORT, FACTS, TENSORS
from ossicle.checksums import unseal
from ossicle.errors import AdapterFileError, RunError, listing
from ossicle.files import write_sealed
from ossicle.hub import name_of
from ossicle.paths import fault
from ossicle.training.folder import CONFIG, PARENT, SPLIT, VERSIONS, copy_files

ENSEMBLE: Final = "ensemble.json"
PLAN: Final = "plan.json"  # of `ossicle train --ensemble`: see `ossicle.training.train_ensemble`
MEMBERS: Final = "members"
FORMAT: Final = 1
FILES: Final = (TENSORS, FACTS, SPLIT, CONFIG, VERSIONS, COHORT)  # the first two always exist
_NAME: Final = re.compile(r"(?!\.)[^/\\\0:]{1,100}")


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an ensemble, or the one model of a run.

    Attributes:
        name: Its name.
        folder: Its adapter folder.
    """

    name: str
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleFolder:
    """The content of an ensemble folder.

    Attributes:
        path: The folder.
        members: The members, in the order in which the vote knows them.
        linked: Whether the members are elsewhere.
        vote: The vote as plain data, with what it has learnt.
        temperature: What logits are divided by for a confidence; None: it was not fitted.
        task: The task of the members, as in their `recipe.json`.
        valid: Metrics on validation recordings: of each member, and of the vote, cross-fitted. None
            where there were none.
        why: Why there is no temperature or there are no metrics; empty if there are both.
    """

    path: Path
    members: tuple[Member, ...]
    linked: bool
    vote: dict[str, Any]
    temperature: float | None
    task: dict[str, Any]
    valid: dict[str, Any] | None
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, with the folders of the members."""
        return {
            "members": [{"name": one.name, "folder": str(one.folder)} for one in self.members],
            "linked": self.linked,
            "vote": self.vote,
            "temperature": self.temperature,
            "task": self.task,
            "valid": self.valid,
            "why": self.why,
        }


class _Member(TypedDict):
    name: str
    files: dict[str, str]
    path: NotRequired[str]
    from_ensemble: NotRequired[str]


class _Valid(TypedDict):
    data: str
    recordings: int
    vote: dict[str, float | None]
    members: dict[str, dict[str, float | None]]


class _Facts(TypedDict):
    """The types of `ensemble.json` that are relied on without another check."""

    format: int
    ossicle: Any
    members: list[_Member]
    vote: dict[str, Any]
    temperature: float | None
    task: dict[str, Any]
    valid: _Valid | None
    why: str


def is_ensemble(folder: Path) -> bool:
    """Return whether a folder holds an ensemble, in whatever state."""
    return not fault(folder) and any((folder / name).is_file() for name in (ENSEMBLE, PLAN))


def members_of(folder: Path) -> tuple[Member, ...]:
    """Return the members of an ensemble; of any other folder, the folder itself.

    Raises:
        AdapterFileError: it is an ensemble that cannot be used.
    """
    if is_ensemble(folder):
        return read_ensemble(folder).members
    return (Member(name_of(folder), folder),)


def read_ensemble(path: Path) -> EnsembleFolder:
    """Return what an ensemble folder holds, after comparing the members with their hashes.

    Raises:
        AdapterFileError: it is damaged or was edited, or a member is missing or has changed.
    """
    facts = _read_facts(path)
    members = tuple(_found(path, one) for one in facts["members"])
    return EnsembleFolder(
        path=path,
        members=members,
        linked=any("path" in one for one in facts["members"]),
        vote=facts["vote"],
        temperature=facts["temperature"],
        task=facts["task"],
        valid=facts["valid"],
        why=facts["why"],
    )


def _read_facts(path: Path) -> dict[str, Any]:
    file = path / ENSEMBLE
    if not file.is_file() and (path / PLAN).is_file():
        raise AdapterFileError(
            f"the members of '{path}' are not all trained; continue with `ossicle train --out "
            f"{path} --resume`"
        )
    try:
        facts = strict_json.read_object(file)
    except (OSError, ValueError) as error:
        raise AdapterFileError(f"'{file}' cannot be read: {error}") from error
    if facts.get("format") != FORMAT:
        raise AdapterFileError(
            f"'{file}' has format {facts.get('format')!r:.20}; this version of ossicle reads "
            f"format {FORMAT}. Use the version that wrote it, or combine the runs again"
        )
    try:
        facts = unseal(facts)
    except ValueError as error:
        raise AdapterFileError(
            f"'{file}' was edited or damaged: {error}. Copy it again, or combine the runs again "
            "with `ossicle ensemble`"
        ) from error
    try:
        strict_json.fit(facts, _Facts)
    except ValueError as error:
        raise AdapterFileError(f"'{file}' is damaged: {error}. Copy it again") from error
    names = [one["name"] for one in facts["members"]]
    wrong = [name for name in names if not _NAME.fullmatch(name)]
    wrong += [name for one in facts["members"] for name in one["files"] if not _is_known(name)]
    if wrong or len(names) < 2 or len(set(names)) < len(names):
        raise AdapterFileError(
            f"'{file}' does not name two or more different members and their files"
            f"{f': {wrong[0]!r:.60}' if wrong else ''}; do not trust this folder"
        )
    return facts


def _found(path: Path, member: _Member) -> Member:
    """Return a member where it is, with the files that it had when the ensemble was made."""
    name = member["name"]
    if "path" not in member:
        places = [path / MEMBERS / name]
    else:
        places = [Path(member["path"])]
        if "from_ensemble" in member:  # both may have been moved together
            places.append(Path(os.path.normpath(path.absolute() / member["from_ensemble"])))
    existing = [place for place in places if not fault(place) and place.is_dir()]
    if not existing:
        raise AdapterFileError(
            f"member '{name}' of '{path}' is missing: there is no folder '{places[0]}'. Copy it "
            "back, or combine the runs again with `ossicle ensemble`"
        )
    changed: list[str] = []
    for place in existing:
        files = dict.fromkeys([*_files_of(place), *member["files"]])
        changed = [file for file in files if digest_of(place / file) != member["files"].get(file)]
        if not changed:
            return Member(name, place)
    raise AdapterFileError(
        f"member '{name}' of '{path}' has changed since the ensemble was made: {listing(changed)} "
        f"in '{existing[0]}' is not what it was. Put the original back, or combine the runs again "
        "with `ossicle ensemble`"
    )


def digest_of(file: Path) -> str | None:
    """Return a hash of the bytes of a file; None if there is no such file."""
    if not file.is_file():
        return None
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def write_ensemble(
    out: Path, members: Sequence[Member], facts: Mapping[str, Any], *, link: bool = False
) -> EnsembleFolder:
    """Write an ensemble folder with copies of its members, or with their paths.

    It is complete once it has its name: it is written beside it before.

    Args:
        out: The folder, which does not exist or is empty.
        members: The members, with different names.
        facts: Vote, temperature, task, metrics on validation recordings and why they are missing.
        link: Whether to name the folders of the members instead of copying them.

    Raises:
        RunError: it cannot be written, or is not empty.
    """
    part = out.with_name(f".{out.name}.part")
    try:
        with suppress(FileNotFoundError):  # of a command that was killed
            shutil.rmtree(part)
        part.mkdir(parents=True)
        for member in () if link else members:
            copy_files(member.folder, part / MEMBERS / member.name, _files_of(member.folder))
        write_facts(part, members, facts, linked_from=out if link else None)
        if out.exists():
            out.rmdir()
        part.rename(out)
    except OSError as error:
        raise RunError(
            f"'{out}' cannot be written: {error.strerror or error}; choose another folder"
        ) from error
    return read_ensemble(out)


def _files_of(member: Path) -> list[str]:
    """Return the files that a member has, with those of the runs that it started from."""
    found = [name for name in FILES if (member / name).is_file()]
    if (member / PARENT).is_dir():
        found += [f"{PARENT}/{name}" for name in _files_of(member / PARENT)]
    return found


def _is_known(name: str) -> bool:
    """Return whether a member can have a file of this name."""
    *folders, last = name.split("/")
    return last in FILES and set(folders) <= {PARENT}


def write_facts(
    folder: Path,
    members: Sequence[Member],
    facts: Mapping[str, Any],
    *,
    linked_from: Path | None = None,
) -> None:
    """Write `ensemble.json` beside members that are in place.

    Args:
        folder: The folder to write it to.
        members: The members.
        facts: Vote, temperature, task, metrics on validation recordings and why they are missing.
        linked_from: Of a linked ensemble, the folder that it will have; None: it holds copies.
    """
    about = [_about(member, linked_from) for member in members]
    write_sealed(
        folder / ENSEMBLE, {"format": FORMAT, "ossicle": __version__, "members": about, **facts}
    )


def _about(member: Member, linked_from: Path | None) -> dict[str, Any]:
    digests = {name: digest_of(member.folder / name) for name in _files_of(member.folder)}
    about: dict[str, Any] = {"name": member.name, "files": digests}
    if linked_from is not None:
        about["path"] = str(member.folder.absolute())
        with suppress(ValueError):  # another drive of Windows
            about["from_ensemble"] = os.path.relpath(member.folder, linked_from)
    return about
