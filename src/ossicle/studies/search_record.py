"""`search.json`: what a search folder was declared to search for, how long it took, what it found.

Nothing here imports torch, so that an unsuitable folder is refused within a second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from ossicle import __version__
from ossicle.errors import RunError
from ossicle.files import write_sealed
from ossicle.paths import fault
from ossicle.training.config import TrainConfig
from ossicle.training.folder import LOCK, read_json

SEARCH: Final = "search.json"
FORMAT: Final = 1
TRIALS: Final = "trials"


@dataclass(frozen=True, kw_only=True)
class SearchRecord:
    """The content of `search.json`.

    Attributes:
        config: Settings of every training; the recipe is not used.
        strategy: The strategy that was asked for, with its settings.
        budget: Most parameters of an answer, without the head.
        candidates: Names of the candidates, separated by commas.
        trials: Number of full trainings that a strategy may cost.
        threads: Threads of each worker of this machine; None: not chosen yet.
        seconds: Time used so far, over all interruptions.
        found: What each strategy has found, the one that was asked for first; empty until the end.
        recommended: Name of the strategy whose recipe is recommended.
    """

    config: TrainConfig
    strategy: str
    budget: int
    candidates: str
    trials: int
    threads: int | None = None
    seconds: float = 0.0
    found: Sequence[Mapping[str, Any]] = ()
    recommended: str | None = None

    def declared(self) -> dict[str, Any]:
        """Return what a repeated command must have in common, by option."""
        names = ("strategy", "budget", "candidates", "trials")
        return {name: getattr(self, name) for name in names} | self.config.to_dict()

    def summary(self) -> dict[str, Any]:
        """Return plain data: what was searched for, and what each strategy has found."""
        return {**asdict(self), "config": self.config.to_dict()}

    def write(self, folder: Path) -> None:
        """Write the record to its folder, which is created if need be.

        Raises:
            RunError: it cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"'{folder}' cannot be created: {error.strerror or error}") from error
        data = self.summary() | {"format": FORMAT, "version": __version__}
        write_sealed(folder / SEARCH, data)


def open_record(folder: Path, asked: SearchRecord) -> SearchRecord:
    """Return the record of a folder for a command: that of the folder, or a new one.

    Args:
        folder: The folder; new, empty, or that of the same search.
        asked: What the command asks for.

    Raises:
        RunError: the folder has something else in it, or a search with other settings.
    """
    if why := fault(folder):
        raise RunError(f"'{folder}' cannot be created: {why}; choose another folder")
    if folder.exists() and not folder.is_dir():
        raise RunError(f"'{folder}' is a file; choose a new or an empty folder")
    if not (folder / SEARCH).is_file():
        if [one for one in folder.glob("*") if one.name != LOCK]:
            raise RunError(
                f"'{folder}' is not empty, and has no search in it; choose another folder"
            )
        return asked
    earlier = _read(folder)
    before, now = earlier.declared(), asked.declared()
    if other := [name for name, value in now.items() if before[name] != value]:
        shown = ", ".join(f"--{name.replace('_', '-')} {before[name]}" for name in other[:5])
        raise RunError(
            f"the search in '{folder}' was started with {shown}. Continue it with its own "
            "settings, or choose another folder"
        )
    return replace(earlier, found=(), recommended=None)


def _read(folder: Path) -> SearchRecord:
    data = read_json(folder / SEARCH)
    version = data.pop("version", "unknown")
    if data.pop("format", None) != FORMAT:
        raise RunError(
            f"'{folder}' was written by ossicle {version!s:.40}, in another format than that of "
            f"{__version__}. Use that version, or choose another folder"
        )
    return SearchRecord(**{**data, "config": TrainConfig.from_dict(data["config"])})
