"""Check every trial of a study before anything runs: its recipe, budget and training recordings."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ossicle.errors import OssicleError, RunError, listing
from ossicle.trials.trial import TRAINING, Trial

if TYPE_CHECKING:
    from ossicle.backbones import Backbone

SHOWN: Final = 20  # reasons in one message
RECIPES: Final = 3  # that are named with one reason


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The trials of a study.

    Attributes:
        trials: Those that can run; recipes are fitted to their budgets.
        parameters: Parameters that each of them trains, without the head; None without a backbone,
            and of a trial that starts from another one.
        refused: Those that cannot run, and why.
        notes: What to know about recipes that do not come close to their budget.
    """

    trials: tuple[Trial, ...]
    parameters: tuple[int | None, ...]
    refused: tuple[tuple[Trial, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Plan:
    """A recipe that fits its backbone and budget."""

    recipe: str
    count: int
    note: str


class Checks:
    """The checks of trials, each made only once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], Any] = {}

    def fault(self, trial: Trial) -> str | None:
        """Return why a trial that starts from no other one cannot run; None if it can."""
        try:
            self.check_settings(trial)
            self.check_split(trial)
            self.plan(trial)
        except OssicleError as error:
            return str(error)
        return None

    def plan(self, trial: Trial) -> _Plan:
        """Return the recipe of a trial as it fits its backbone and budget.

        Raises:
            OssicleError: it does not fit.
        """
        config = trial.config
        # what it starts from was fitted to the budget
        budget = trial.labels.get("budget") if trial.after is None else None
        assert budget is None or isinstance(budget, int), "the grid has whole numbers"
        plan: _Plan = self._once(
            lambda: _fitted(self._bare(config.backbone, config.task), config.recipe, budget),
            *("plan", config.backbone, config.recipe, budget, config.task),
        )
        return plan

    def check_settings(self, trial: Trial) -> None:
        """Raise unless the task and the augmentations exist.

        Raises:
            OssicleError: they do not.
        """
        config = trial.config
        self._once(lambda: _parse(config.task, config.augment), "settings", config.task)

    def check_split(self, trial: Trial) -> None:
        """Raise unless the split can be made, and every class has as many recordings as asked for.

        The split of the data itself is checked when trials are named.

        Raises:
            OssicleError: a class has fewer, or the data have no such fold.
        """
        config = trial.config
        if config.shots is None and config.fold is None:
            return
        key = ("classes", config.data, config.fold, config.task)
        name, count = self._once(lambda: _smallest_class(trial), *key)
        if config.shots is not None and not count:
            raise RunError("shots are drawn from each class, and the labels have no classes")
        if config.shots is not None and config.shots > count:
            raise RunError(
                f"{config.shots} recordings of each class are more than the class '{name}' has for "
                f"training: {count}. Give at most {count} shots"
            )

    def _bare(self, name: str, task: str | None) -> "Backbone":
        from ossicle.backbones import load_backbone
        from ossicle.tasks import writes_text

        writes = writes_text(task)
        found: Backbone = self._once(
            lambda: load_backbone(name, weights=False, decoder=writes), "backbone", name, writes
        )
        return found

    def _once(self, make: Callable[[], Any], *key: Any) -> Any:
        if key not in self._found:
            try:
                self._found[key] = make()
            except OssicleError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, OssicleError):
            raise type(found)(str(found))  # a new one: its traceback would grow with every trial
        return found


def check_trials(trials: Sequence[Trial]) -> Checked:
    """Return the trials that can run, and those that cannot with their reasons.

    Raises:
        RunError: none can run; the message has each reason.
    """
    checks = Checks()
    valid: list[Trial] = []
    counts: list[int | None] = []
    refused: list[tuple[Trial, str]] = []
    notes: dict[str, None] = {}
    checked: dict[int, Trial | str] = {}  # the trial as it runs, or why it cannot, by identity
    for declared in trials:
        trial = declared
        try:
            trial = _with_parent(declared, checked)
            checks.check_settings(trial)
            checks.check_split(trial)
            plan = checks.plan(trial) if trial.runner in TRAINING else None
        except OssicleError as error:
            refused.append((trial, str(error)))
            checked[id(declared)] = str(error)
            continue
        if plan is not None and plan.note:
            recipe, budget = trial.labels["recipe"], trial.labels["budget"]
            notes[f"{recipe} with a budget of {budget:,}: {plan.note}"] = None
        if plan is not None and plan.recipe != trial.config.recipe:
            trial = replace(trial, config=replace(trial.config, recipe=plan.recipe))
        checked[id(declared)] = trial
        valid.append(trial)
        counts.append(None if plan is None or trial.after is not None else plan.count)
    if not valid:
        raise RunError(f"no trial of the study can run: {'; '.join(reasons(refused))}")
    return Checked(
        trials=tuple(valid), parameters=tuple(counts), refused=tuple(refused), notes=tuple(notes)
    )


def _with_parent(trial: Trial, checked: Mapping[int, Trial | str]) -> Trial:
    """Return a trial that starts from its parent as that runs.

    Raises:
        RunError: the parent cannot run.
    """
    if trial.after is None:
        return trial
    parent = checked[id(trial.after)]
    if isinstance(parent, str):
        raise RunError(f"the trial that it starts from cannot run: {parent}")
    return replace(trial, after=parent)


def reasons(refused: Sequence[tuple[Trial, str]]) -> list[str]:
    """Return each reason once, with its recipes and the number of trials if there are several."""
    recipes: dict[str, list[str]] = {}
    for trial, why in refused:
        recipes.setdefault(why, []).append(str(trial.labels["recipe"]))
    lines = []
    for why, named in recipes.items():
        different = list(dict.fromkeys(named))
        known = len(different) == 1 and different[0] in why
        about = "" if known else f"{listing(different, RECIPES)}: "
        lines.append(f"{about}{why}" + (f" ({len(named)} trials)" if len(named) > 1 else ""))
    return lines if len(lines) <= SHOWN else [*lines[:SHOWN], f"... {len(lines) - SHOWN} others"]


def _parse(task: str | None, augment: str) -> None:
    from ossicle.data import parse_augment
    from ossicle.tasks import parse_task

    parse_augment(augment)
    if task:
        parse_task(task)


def _fitted(backbone: "Backbone", text: str, budget: int | None) -> _Plan:
    """Return a recipe that fits a backbone, resized to a budget if there is one."""
    from ossicle.adapters.budget import fit_budget
    from ossicle.adapters.count import count
    from ossicle.recipes.recipe import Recipe

    recipe = Recipe.parse(text)
    if budget is None:
        return _Plan(text, count(backbone, recipe).trainable, "")
    fitted = fit_budget(backbone, recipe, budget)
    return _Plan(str(fitted.recipe), fitted.count, fitted.note)


def _smallest_class(trial: Trial) -> tuple[str, int]:
    """Return the class with the fewest training recordings, and their number; ("", 0) without."""
    from ossicle.training.split import open_split, task_type

    config = replace(trial.config, shots=None, train_fraction=None)
    dataset = open_split(config)
    classes_in = task_type(config, dataset)[0].classes_in
    counts = Counter(name for one in dataset.train for name in classes_in(one.label))
    if not counts:
        return "", 0
    name = min(counts, key=lambda one: (counts[one], one))
    return name, counts[name]
