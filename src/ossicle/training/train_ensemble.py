"""Train the members of an ensemble one after the other, and combine them.

    DIR/plan.json         the settings of every member, the vote and the budget
    DIR/members/NAME/     the run of each member
    DIR/ensemble.json     the ensemble, once all members are trained

Members share the cache of the frozen part, as all runs do.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from ossicle.adapters.budget import fit_budget
from ossicle.adapters.count import count
from ossicle.backbones import Backbone, load_backbone
from ossicle.compute.device import pick_device
from ossicle.compute.processes import Processes
from ossicle.errors import BudgetError, OssicleError, RunError
from ossicle.files import write_sealed
from ossicle.paths import HERE, expand
from ossicle.progress import Progress, no_progress
from ossicle.recipes.recipe import Recipe
from ossicle.training.chosen import check_ensemble_out, named
from ossicle.training.combine import fitted_facts
from ossicle.training.config import TrainConfig
from ossicle.training.ensemble_folder import (
    ENSEMBLE,
    MEMBERS,
    PLAN,
    EnsembleFolder,
    Member,
    read_ensemble,
    write_facts,
)
from ossicle.training.folder import CONFIG, Writer, check_empty, check_unlocked, read_json
from ossicle.training.run import train, written_out
from ossicle.training.split import open_split, task_type
from ossicle.votes import VOTES, check_vote

VERSION: Final = 1
_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an ensemble is trained from.

    Attributes:
        vote: The name of the vote.
        budget: Number of parameters to train in all members together, without their heads; None:
            the recipes are trained as they are.
        counts: Parameters that each member trains, without its head, by its name.
        configs: The settings of each member, by its name.
    """

    vote: str
    budget: int | None
    counts: dict[str, int]
    configs: dict[str, TrainConfig]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the plan that `to_dict` described.

        Raises:
            RunError: the version is another one, or an entry is missing or of another type.
        """
        if data.get("version") != VERSION:
            raise RunError(
                f"the plan has version {data.get('version')!r:.20}; this ossicle reads version "
                f"{VERSION}. Use the version that wrote it, or start again in another folder"
            )
        try:
            return cls(
                vote=str(data["vote"]),
                budget=data["budget"],
                counts=dict(data["counts"]),
                configs={str(k): TrainConfig.from_dict(v) for k, v in data["configs"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(
                f"the plan is incomplete ({error}); start again in another folder"
            ) from error


def plan_ensemble(
    config: TrainConfig,
    recipes: Sequence[str],
    *,
    vote: str = "soft",
    budget: int | None = None,
    places: Sequence[Path] = HERE,
) -> Plan:
    """Return the settings of every member; reads no weights and no recordings.

    Members get consecutive seeds. With one seed they would share the order of recordings, the crops
    and the first parameters of the head, and err together more often.

    Args:
        config: The settings that members share; its recipe is not used.
        recipes: The recipe of each member.
        vote: The name of the vote.
        budget: Number of parameters to train in all members together, without their heads: each of
            K recipes is fitted to `budget / K`. None: the recipes are trained as they are.
        places: Where a relative path of the backbone may start.

    Raises:
        RunError: there are fewer than two recipes, or no such vote.
        RecipeError, RecipeMismatch, SiteNotFound: a recipe cannot be parsed, or does not fit the
            backbone.
        BudgetError: a recipe cannot be fitted to its share of the budget.
    """
    if len(recipes) < 2:
        raise RunError("an ensemble needs two or more members; name two recipes or more")
    if vote not in VOTES:
        raise RunError(f"no vote '{vote}'; available: {', '.join(VOTES)}")
    if budget is not None and budget < len(recipes):
        raise BudgetError(f"a budget of {budget} is too small for {len(recipes)} members")
    parsed = [Recipe.parse(text) for text in recipes]
    bare = load_backbone(config.backbone, weights=False, places=places)
    each = None if budget is None else budget // len(recipes)
    fitted = parsed if each is None else [fit_budget(bare, one, each).recipe for one in parsed]
    members = named([_name(one) for one in parsed], [Path()] * len(parsed))
    configs, counts = {}, {}
    for n, (member, recipe, given) in enumerate(zip(members, fitted, recipes, strict=True)):
        text = str(recipe) if each else written_out(given)
        configs[member.name] = replace(config, recipe=text, seed=config.seed + n)
        counts[member.name] = count(bare, recipe).trainable
    return Plan(vote=vote, budget=budget, counts=counts, configs=configs)


def _name(recipe: Recipe) -> str:
    """Return a folder name for a recipe."""
    return re.sub(r"[^\w.+=-]+", "-", recipe.label).strip("-.")[:60]


def train_ensemble(
    config: TrainConfig,
    recipes: Sequence[str],
    out: Path | str,
    *,
    vote: str = "soft",
    budget: int | None = None,
    resume: bool = False,
    load: Callable[..., Backbone] = load_backbone,
    progress: Progress = no_progress,
) -> EnsembleFolder:
    """Train the members of an ensemble one after the other, combine them, and write its folder.

    Args:
        config: The settings that members share; its recipe is not used.
        recipes: The recipe of each member. Members get consecutive seeds.
        out: The ensemble folder; new, or empty, unless resuming.
        vote: The name of a vote, one of `ossicle.votes.VOTES`.
        budget: Number of parameters to train in all members together, without their heads: each of
            K recipes is fitted to `budget / K`. None: the recipes are trained as they are.
        resume: Continue where an earlier call was stopped. Members that are finished are kept.
        load: Loads the backbone: `load_backbone`, or `Kept.load`, which keeps it for the next run.
        progress: Called after every step.

    Raises:
        OssicleError: bad input of any kind, before anything is written.
        RunError: the folder is not empty, its plan is another one, or a member has failed; the
            others are trained and kept.
    """
    plan = plan_ensemble(config, recipes, vote=vote, budget=budget)
    return train_plan(plan, out, resume=resume, load=load, progress=progress)


def read_plan(folder: Path) -> Plan:
    """Return the plan in a folder.

    Raises:
        RunError: it is missing or damaged, or of another version.
    """
    return Plan.from_dict(read_json(folder / PLAN))


def train_plan(
    plan: Plan,
    out: Path | str,
    *,
    resume: bool = False,
    load: Callable[..., Backbone] = load_backbone,
    progress: Progress = no_progress,
) -> EnsembleFolder:
    """Train the members of a plan, combine them, and write the folder; see `train_ensemble`."""
    folder = expand(out)
    _check_folder(folder, plan, resume=resume)
    if (folder / ENSEMBLE).is_file():
        return read_ensemble(folder)
    first = next(iter(plan.configs.values()))
    if not resume:
        _check_vote(plan.vote, first)
    processes = Processes(cpu=pick_device(first.device) == "cpu")
    processes.wait()  # all have seen the folder as it was
    members = tuple(Member(name, folder / MEMBERS / name) for name in plan.configs)
    try:
        with Writer(folder) as writer:
            processes.together(lambda: _begin(writer, plan) if processes.is_main else None)
            _train_members(plan, members, load, progress)
            how: dict[str, Any] = {"device": first.device, "batch_size": first.batch_size}
            facts = fitted_facts(members, plan.vote, processes, progress=progress, **how)
            if processes.is_main:
                write_facts(folder, members, facts)
            processes.wait()
    finally:
        if processes.is_main:
            _remove_unbegun(folder)
    return read_ensemble(folder)


def _check_folder(folder: Path, plan: Plan, *, resume: bool) -> None:
    """Raise unless the plan can be begun, or resumed, in a folder."""
    if not resume:
        check_ensemble_out(folder)
        return
    check_unlocked(folder)
    if read_plan(folder) != plan:
        raise RunError(
            f"the ensemble in '{folder}' has other settings (see {PLAN}); resume it with its own, "
            "or start a new one in another folder"
        )


def _check_vote(vote: str, config: TrainConfig) -> None:
    """Raise unless the task of the data has a vote, before hours of training."""
    dataset = open_split(config)
    kind, settings = task_type(config, dataset)
    check_vote(vote, kind.from_dataset(dataset, **settings))


def _begin(writer: Writer, plan: Plan) -> None:
    writer.take()
    if not (writer.folder / PLAN).is_file():
        check_empty(writer.folder)
        write_sealed(writer.folder / PLAN, plan.to_dict())


def _train_members(
    plan: Plan, members: Sequence[Member], load: Callable[..., Backbone], progress: Progress
) -> None:
    """Train all members; one that fails does not keep the others from training.

    Raises:
        OssicleError: of the first member, if nothing of it was begun: the settings are wrong.
        RunError: a member has failed.
    """
    failed: dict[str, OssicleError] = {}
    for number, member in enumerate(members, start=1):
        config = plan.configs[member.name]
        _LOGGER.info(
            f"Member {number} of {len(members)}: {member.name}, {plan.counts[member.name]:,} "
            f"parameters without the head, seed {config.seed}"
        )
        begun = (member.folder / CONFIG).is_file()
        try:
            train(config, member.folder, resume=begun, load=load, progress=progress)
        except OssicleError as error:
            if number == 1 and not (member.folder / CONFIG).is_file():
                raise
            failed[member.name] = error
            _LOGGER.warning(f"Member '{member.name}' has failed: {error}")
    if failed:
        raise RunError(_failure(members, failed))


def _failure(members: Sequence[Member], failed: Mapping[str, OssicleError]) -> str:
    name, error = next(iter(failed.items()))
    left = [str(member.folder) for member in members if member.name not in failed]
    advice = "Fix the cause and add --resume"
    if len(left) > 1:
        advice += f", or combine the others: ossicle ensemble {' '.join(left)} --out DIR"
    return (
        f"{len(failed)} of {len(members)} members failed, the first, '{name}', because: {error}. "
        f"{advice}"
    )


def _remove_unbegun(folder: Path) -> None:
    """Remove the folder of a plan of which no member has begun."""
    if not (folder / MEMBERS).exists():
        (folder / PLAN).unlink(missing_ok=True)
        with suppress(OSError):  # not empty, or never created
            folder.rmdir()
