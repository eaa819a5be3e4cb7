"""The command that repeats a study, from its options and its grid."""

import shlex
from collections.abc import Iterable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from ossicle.studies.grid import Grid
from ossicle.studies.study import Study
from ossicle.training.config import STAGE_DEFAULTS, TrainConfig

STAGED = frozenset({"parent", *STAGE_DEFAULTS})  # fields of a run that starts from another one
# Fields that the grid decides, and these.
REPLACED = STAGED | {"recipe", "seed", "data", "backbone", "fold"}


def command_of(study: Study, grid: Grid, out: Path) -> str:
    """Return the command that runs a study, with the options that differ from their defaults."""
    words = ["ossicle", "study", study.name]
    words += [f"--backbone={one}" for one in grid.backbones]
    if grid.data != study.data:
        words += [f"--data={one}" for one in grid.data]
    listed = {"recipes": grid.recipes, "seeds": grid.seeds, "budget": grid.budgets}
    listed["baseline"] = grid.baselines
    words += [f"--{name}={_joined(values)}" for name, values in listed.items() if values]
    if grid.folds is not None:
        words.append(f"--folds={grid.folds}")
    own = {one.name for one in fields(study)}
    words += changed_options(study, frozenset())
    words += changed_options(grid.config, REPLACED | own)
    return shlex.join([*words, f"--out={out}"])


def with_out(command: str, out: Path) -> str:
    """Return the command of a study with another folder."""
    words = [word for word in shlex.split(command) if not word.startswith("--out=")]
    return shlex.join([*words, f"--out={out}"])


def same_but_folder(first: str, second: str) -> bool:
    """Return whether two commands differ in nothing but the name of their folder."""
    anywhere = Path()
    return with_out(first, anywhere) == with_out(second, anywhere)


def changed_settings(config: TrainConfig, ignored: frozenset[str]) -> dict[str, Any]:
    """Return the settings that differ from their defaults."""
    return {
        one.name: getattr(config, one.name)
        for one in fields(config)
        if one.name not in ignored
        and one.default is not MISSING
        and getattr(config, one.name) != one.default
    }


def changed_options(settings: Any, ignored: frozenset[str]) -> list[str]:
    """Return the settings that differ from their defaults, as options of a command."""
    words = []
    for name, value in changed_settings(settings, ignored).items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words.append(f"--{option}={value}")
    return words


def _joined(values: Iterable[object]) -> str:
    return ",".join(str(value) for value in values)
