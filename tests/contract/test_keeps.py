"""What every way to keep must do with every task; a new file of either is included."""

import copy
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
import soundfile
import torch
from task_examples import dataset, documented, of_dataset, whole

from ossicle.adapters.check import attach
from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import Backbone
from ossicle.compute.processes import Processes
from ossicle.continual import KEEPS, Keep, Start, parse_keep
from ossicle.continual.fisher import fisher_information
from ossicle.continual.old import old_answers
from ossicle.data import Utterance
from ossicle.data.clips import Clips
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import TASKS, Task
from ossicle.training.config import TrainConfig
from ossicle.training.loop import fit
from stages import start_of
from tones import SAMPLE_RATE, tone

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/keeping-what-was-learnt.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
KINDS = [*TASKS.values(), documented()]
RECIPES = ("lora", "full")
EVERY = list(product(KINDS, KEEPS, RECIPES))
COUNT = 6


def is_quick(number: int) -> bool:
    """Return whether a combination is a quick test: one of each way that adds to a loss."""
    kind, name, recipe = EVERY[number]
    return recipe == "lora" and KINDS.index(kind) == list(KEEPS).index(name) and added(name)


def rarely(number: int) -> list[pytest.MarkDecorator]:
    """Return the mark of two combinations in three, which CI leaves out."""
    return [pytest.mark.exhaustive] if number % 3 else []


def added(name: str) -> bool:
    """Return whether a way adds something to the loss."""
    return KEEPS[name].penalty is not Keep.penalty


each_combination = pytest.mark.parametrize(
    ("kind", "name", "recipe"),
    [
        pytest.param(
            *one,
            id=f"{one[0].name}-{one[1]}-{one[2]}",
            marks=() if is_quick(number) else [pytest.mark.thorough, *rarely(number)],
        )
        for number, one in enumerate(EVERY)
    ],
)
each_way = pytest.mark.parametrize("kind", KEEPS.values(), ids=KEEPS)


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("waves")
    files = [root / f"{number}.wav" for number in range(COUNT)]
    for number, file in enumerate(files):
        soundfile.write(file, tone(300 * (1 + number % 2), 0.22, number), SAMPLE_RATE)
    return files


def stage_of(
    task: Task, backbone: Backbone, recipe: str, clips: Clips, name: str
) -> tuple[AdaptedModel, Start]:
    """Return a model and the start of a stage of it, whose earlier recordings are the same."""
    torch.manual_seed(0)
    head = build_head(task.heads[0], backbone.anatomy, task.num_outputs)
    task.configure(head)
    model = attach(backbone, Recipe.parse(recipe), head)
    start = start_of(model, task, source=clips, batch_size=2)
    if not KEEPS[name].needs_fisher:
        return model, start
    fisher = fisher_information(
        start.single,
        old_answers(task, start.old_outputs, name),
        clips,
        model.trainable(),
        seed=0,
        processes=Processes(cpu=True),
    )
    assert any(value.sum() > 0 for value in fisher.values())
    return model, start_of(model, task, source=clips, batch_size=2, fisher=fisher)


@each_combination
def test_a_stage_of_any_task_and_recipe_trains_with_it(
    kind: type[Task],
    name: str,
    recipe: str,
    waves: list[Path],
    build: Callable[..., Backbone],
) -> None:
    utterances = tuple(
        Utterance(str(number), file, kind.example[number % 2]) for number, file in enumerate(waves)
    )
    task = of_dataset(kind, dataset(*utterances))
    clips = Clips(utterances, (3520,) * COUNT, 16_000)
    backbone = copy.deepcopy(whole()) if kind.needs_decoder else build("hubert")
    model, start = stage_of(task, backbone, recipe, clips, name)
    config = TrainConfig(backbone="b", recipe="r", data="d", epochs=2, batch_size=2, lr=1e-3)
    keep = KEEPS[name](float(KEEPS[name].setting[1].default), start)
    history = fit(model, task, clips, clips, config, keep=keep)
    moved = [not torch.equal(value, start.tensors[key]) for key, value in model.tensors().items()]
    assert any(moved)
    lowest = -1e-6 if kind.needs_decoder else 0.0  # a divergence over many tokens, rounded
    for epoch in history:
        assert (epoch.penalty is not None) == added(name)
        assert epoch.penalty is None or epoch.penalty >= lowest


@each_way
def test_its_default_is_a_value_of_its_only_setting(kind: type[Keep]) -> None:
    name, setting = kind.setting
    assert parse_keep(kind.name) == (kind, setting.default)
    assert parse_keep(f"{kind.name}({name}={setting.default})") == (kind, setting.default)
    assert setting.low <= setting.default <= setting.high


@each_way
def test_its_page_has_its_row_and_section_with_source_and_equation(kind: type[Keep]) -> None:
    name, setting = kind.setting
    assert f"| [`{kind.name}({name}={setting.default:g})`](#{kind.name}) |" in PAGE
    section = re.search(rf"^## {kind.name}$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None
    link = re.search(r"https://\S+", kind.source)
    assert link is not None
    assert link[0] in section[1]
    assert "```text\n" in section[1]
    (option,) = re.findall(r"^\| `--keep WAY` .*$", COMMANDS, re.MULTILINE)
    assert f"`{kind.name}`" in option


@each_way
def test_its_file_says_what_it_does_by_which_equation_and_source(kind: type[Keep]) -> None:
    module = __import__(kind.__module__, fromlist=["__doc__"]).__doc__
    assert "    " in module.split("\n\n")[1]
    assert "Source" in module
    assert kind.about
    assert kind.source.split(", https")[0].split()[-1] in module  # the year
