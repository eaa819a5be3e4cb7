"""`ossicle train --ensemble`: the members of an ensemble, one after the other, and their vote."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ossicle.cli import options as o
from ossicle.cli.early import check_started
from ossicle.cli.ensemble import print_ensemble
from ossicle.cli.run_options import RunOptions, check_given
from ossicle.errors import RunError
from ossicle.paths import expand
from ossicle.recipes.budget import parse_count
from ossicle.training.config import TrainConfig

if TYPE_CHECKING:
    from ossicle.training.ensemble_folder import EnsembleFolder
    from ossicle.training.train_ensemble import Plan


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of an ensemble; None if they are not given.

    Attributes:
        recipes: Recipes of the members, separated by commas.
        vote: Name of the vote.
        budget: Number of parameters of all members, as text.
    """

    recipes: str | None
    vote: str | None
    budget: str | None

    def is_ensemble(self, out: Path, *, resume: bool) -> bool:
        """Return whether an ensemble is asked for, by options or by the folder that is resumed.

        Raises:
            RunError: there is a vote or a budget, and no ensemble.
        """
        from ossicle.training.ensemble_folder import is_ensemble

        if self.recipes is not None or (resume and is_ensemble(out)):
            return True
        for name, value in (("--vote", self.vote), ("--budget", self.budget)):
            if value is not None:
                raise RunError(
                    f"{name} is an option of an ensemble; add --ensemble R,R or leave it out"
                )
        return False


def train_members(
    out: Path, options: RunOptions, asked: Asked, *, resume: bool, json: bool
) -> None:
    """Train an ensemble and print its metrics on validation and test recordings.

    Raises:
        OssicleError: bad input.
    """
    if options.values["parent"] is not None:
        raise RunError(
            "--ensemble trains every member from the start; leave --from out, or combine finished "
            "stages with `ossicle ensemble`"
        )
    if "recipe" in options.written:
        raise RunError("--ensemble names the recipe of each member; leave --recipe out")
    budget = None if asked.budget is None else parse_count(asked.budget)
    folder = expand(out)
    plan = (
        _resumed(folder, options, asked, budget) if resume else _new(folder, options, asked, budget)
    )

    from ossicle.cli.progress import progress_bars
    from ossicle.training.train_ensemble import train_plan
    from ossicle.training.trained import Trained

    config = next(iter(plan.configs.values()))
    with progress_bars() as bars:
        made = train_plan(plan, folder, resume=resume, progress=bars)
        trained = Trained.open(folder, device=config.device)
        test = trained.evaluate(config.data, batch_size=config.batch_size, progress=bars)
    if o.is_main():
        _print(out, plan, made, test, json=json)


def _new(folder: Path, options: RunOptions, asked: Asked, budget: int | None) -> "Plan":
    """Return the plan of a new ensemble, after all checks that need neither weights nor data."""
    from ossicle.training.chosen import check_ensemble_out

    check_given(options.values, "backbone", "data")
    config = TrainConfig(**options.values)
    check_ensemble_out(folder)
    check_started(config.backbone, config.data)

    from ossicle.training.train_ensemble import plan_ensemble

    return plan_ensemble(config, _recipes(asked), vote=asked.vote or "soft", budget=budget)


def _resumed(folder: Path, options: RunOptions, asked: Asked, budget: int | None) -> "Plan":
    """Return the plan of a folder, with what options say otherwise."""
    from ossicle.training.train_ensemble import plan_ensemble, read_plan

    kept = read_plan(folder)
    own = {name: options.values[name] for name in options.written}
    vote, whole = asked.vote or kept.vote, budget if asked.budget else kept.budget
    if asked.recipes is not None:
        first = replace(next(iter(kept.configs.values())), **own)
        return plan_ensemble(first, _recipes(asked), vote=vote, budget=whole)
    seed = own.pop("seed", None)
    configs = {name: replace(config, **own) for name, config in kept.configs.items()}
    if seed is not None:
        first_name = next(iter(configs))
        configs[first_name] = replace(configs[first_name], seed=seed)
    return replace(kept, vote=vote, budget=whole, configs=configs)


def _recipes(asked: Asked) -> list[str]:
    from ossicle.recipes.text import split_recipes  # imports torch

    return split_recipes(asked.recipes or "")


def _print(
    out: Path, plan: "Plan", made: "EnsembleFolder", test: dict[str, Any], *, json: bool
) -> None:
    """Print what was trained, and the metrics of the members and of the vote."""
    from ossicle.tasks import TASKS
    from ossicle.training.result import read_result

    results = {member.name: read_result(member.folder) for member in made.members}
    if json:
        members = {name: result.to_dict() for name, result in results.items()}
        o.print_json({"out": str(out), **made.to_dict(), "results": members, "test": test})
        return
    if plan.budget is not None:
        print(
            f"budget {plan.budget:,}: {sum(plan.counts.values()):,} parameters in all members, "
            "without their heads"
        )
    metric = TASKS[test["task"]].reported[TASKS[test["task"]].primary_metric]
    key = TASKS[test["task"]].primary_metric
    o.print_table(
        ["member", "recipe", "seed", "parameters without head", f"test {metric.label}"],
        [
            [
                name,
                "\n".join(o.wrapped(result.expression, 40)),
                str(result.seed),
                f"{plan.counts[name]:,}",
                metric.text(result.test_metrics[key]),
            ]
            for name, result in results.items()
        ],
        right=2,
    )
    print_ensemble(made)
    print("test of the vote:")
    o.print_metrics(test)
    print(f"ensemble: {out}")
