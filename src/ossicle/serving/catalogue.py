"""The adapters that are served, by name: what their folders say, without their tensors."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Final

from ossicle.adapters.folder import FACTS, TENSORS, AdapterFolder, read_folder
from ossicle.errors import AttachError, did_you_mean, listing
from ossicle.files import FileState
from ossicle.inference.ensemble import Source
from ossicle.inference.saved_task import check_head, read_task
from ossicle.recipes.recipe import Recipe
from ossicle.serving.refusal import Refusal, invalid
from ossicle.tasks import Task, Verification
from ossicle.training.ensemble_folder import Member, is_ensemble, read_ensemble
from ossicle.training.folder import METRICS
from ossicle.training.members import shared_task
from ossicle.training.result import read_result
from ossicle.votes import Vote, read_vote

THRESHOLD: Final = "eer_threshold"  # of the validation recordings


@dataclass(eq=False)
class Unit:
    """A run, or a member of an ensemble: what a model runs as a whole.

    Attributes:
        source: Its name, folder and facts.
        task: Its task.
        in_place: Whether it changes the backbone itself, so that it needs one of its own.
        num_parameters: Number of values in its tensors.
        stamps: Size and time of change of its files, as they were when it was read.
        is_served: Whether an entry of the catalogue has it.
    """

    source: Source
    task: Task
    in_place: bool
    num_parameters: int
    stamps: tuple[tuple[int, ...], ...]
    is_served: bool = True

    def check_unchanged(self) -> None:
        """Raise unless its files are those that were read at first.

        Raises:
            Refusal: they have changed, so that other answers would come under the same name.
        """
        if _stamps(self.source.folder) != self.stamps:
            raise Refusal(
                409,
                f"the files of adapter '{self.source.name}' have changed since it was loaded; "
                "remove it and load it again",
                "changed",
            )


@dataclass(frozen=True, eq=False)
class Entry:
    """An adapter or an ensemble.

    Attributes:
        name: Its name in requests.
        folder: Its folder.
        units: Its members; of a run, the run.
        task: Combines and decodes their outputs.
        vote: How members decide; None: by the mean of their outputs.
        temperature: What logits that members decide on are divided by; None: nothing.
        is_ensemble: Whether it is an ensemble folder.
        created_s: When the folder was written, in seconds since 1970.
        threshold: Score from which on two recordings are said to be of one speaker; None: the run
            knows none.
    """

    name: str
    folder: Path
    units: tuple[Unit, ...]
    task: Task
    vote: Vote | None = None
    temperature: float | None = None
    is_ensemble: bool = False
    created_s: int = 0
    threshold: float | None = None

    def describe(self) -> dict[str, Any]:
        """Return what a client sees of it."""
        facts = [unit.source.facts for unit in self.units]
        names = list(self.task.output_names)
        return {
            "name": self.name,
            "task": self.task.name,
            "labels": names or None,
            "recipe": _one_or_all([one["expression"] for one in facts]),
            "backbone": _one_or_all([_public(one["backbone"]["name"]) for one in facts]),
            "parameters": sum(unit.num_parameters for unit in self.units),
            "members": [unit.source.name for unit in self.units] if self.is_ensemble else None,
        }


def _public(backbone: str) -> str:
    """Return the name of a backbone; of a folder, without where it is on this machine."""
    place, mark, options = backbone.partition("?")
    is_folder = place.startswith((".", "~")) or Path(place).is_absolute()
    return f"{Path(place).name if is_folder else place}{mark}{options}"


def _one_or_all(values: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(values))


def read_entry(name: str, folder: Path) -> Entry:
    """Return an adapter or an ensemble from its folder.

    Raises:
        AdapterFileError: it is neither, or is damaged; a member is missing or has changed.
        AttachError: it was saved without a head.
    """
    if not is_ensemble(folder):
        unit = _read_unit(Member(name, folder))
        created_s = int((folder / FACTS).stat().st_mtime)
        has_result = unit.task.name == Verification.name and (folder / METRICS).is_file()
        threshold = read_result(folder).valid.get(THRESHOLD) if has_result else None
        return Entry(name, folder, (unit,), unit.task, created_s=created_s, threshold=threshold)
    ensemble = read_ensemble(folder)
    created_s = int(folder.stat().st_mtime)
    units = tuple(_read_unit(member) for member in ensemble.members)
    return Entry(
        name,
        folder,
        units,
        shared_task(units[0].task, ensemble.members),
        read_vote(ensemble.vote),
        ensemble.temperature,
        is_ensemble=True,
        created_s=created_s,
        threshold=(ensemble.valid or {}).get(THRESHOLD),
    )


def _read_unit(member: Member) -> Unit:
    opened = read_folder(member.folder)
    facts = opened.facts
    task, seconds = read_task(member.folder, facts)
    if facts["head"] is None:
        raise AttachError(f"'{member.folder}' was saved without a head; save it with one")
    check_head(member.folder, task, facts["head"])
    recipe = Recipe.from_dict(facts["recipe"])
    in_place = any(one.method.part == "backbone" for one in recipe.placements)
    source = Source(member.name, member.folder, facts, seconds)
    return Unit(source, task, in_place, _num_values(opened), _stamps(member.folder))


def _stamps(folder: Path) -> tuple[tuple[int, ...], ...]:
    """Return size and time of change of the files of an adapter; none of one that is not there."""
    states = [FileState.of(folder / name) for name in (FACTS, TENSORS)]
    return tuple(() if state is None else state.stamp[:2] for state in states)


def _num_values(opened: AdapterFolder) -> int:
    return sum(prod(shape) for shape in opened.shapes.values())


@dataclass
class Catalogue:
    """The entries that are served.

    Attributes:
        most: Most entries.
    """

    most: int
    _entries: dict[str, Entry] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> list[Entry]:
        """Return all entries, in the order in which they came."""
        with self._lock:
            return list(self._entries.values())

    def check_new(self, name: str) -> None:
        """Raise unless an entry of a name can be added.

        Raises:
            Refusal: the name is taken, or there are as many as allowed.
        """
        with self._lock:
            if name in self._entries:
                raise Refusal(
                    409,
                    f"there is an adapter '{name:.100}' already; remove it first, or choose "
                    "another name",
                    "name_taken",
                )
            if len(self._entries) >= self.most:
                raise Refusal(
                    409,
                    f"{self.most} adapters are served, which is the limit of this server; remove "
                    "one first",
                    "too_many_adapters",
                )

    def add(self, entry: Entry) -> None:
        """Add an entry.

        Raises:
            Refusal: see `check_new`.
        """
        with self._lock:
            self.check_new(entry.name)
            self._entries[entry.name] = entry

    def remove(self, name: str) -> Entry:
        """Remove an entry and return it.

        Raises:
            Refusal: there is none of that name.
        """
        with self._lock:
            self.find(name)
            return self._entries.pop(name)

    def find(self, name: str) -> Entry:
        """Return the entry of a name.

        Raises:
            Refusal: there is none.
        """
        with self._lock:
            found, known = self._entries.get(name), list(self._entries)
        if found is None:
            raise Refusal(
                404,
                f"there is no adapter '{name:.100}'; available: {listing(known, 5) or 'none'}."
                f"{did_you_mean(name, known)}",
                "not_found",
            )
        return found

    def chosen(self, names: Sequence[str]) -> list[Entry]:
        """Return the entries of names; of none, the only one there is.

        Raises:
            Refusal: there is no such entry, one is named twice, or none is named and there are
                several.
        """
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise invalid(f"adapter '{twice[0]:.100}' is named twice; name it once")
        if names:
            return [self.find(name) for name in names]
        entries = self.entries()
        if len(entries) != 1:
            shown = listing((one.name for one in entries), 5) or "none"
            raise Refusal(
                422,
                f"the request names no adapter; name one with `adapter`. Available: {shown}",
                "no_adapter",
            )
        return entries
