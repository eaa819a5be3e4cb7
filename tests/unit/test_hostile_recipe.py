"""An untrusted recipe.json with a correct hash: any value may have any type."""

import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ossicle.adapters.check import attach
from ossicle.adapters.folder import FACTS, TENSORS, read_folder
from ossicle.adapters.saving import load, save
from ossicle.backbones import Backbone
from ossicle.checksums import unseal
from ossicle.cli.inspect import inspect
from ossicle.errors import OssicleError
from ossicle.files import write_sealed
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import TASKS, Classification, Events, Regression, Verification

WRONG = (None, True, -1, 2**62, 1e308, 0.5, "", "x", [], [[]], [None], {}, {"x": []}, {"": 1})
TASKS_STORED = [
    Classification(["a", "b"], label_smoothing=0.1, weights=[1.0, 2.0]).to_dict(),
    Events(["a", "b"], 50.0, 0.4).to_dict(),
    Regression({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.0}).to_dict(),
    Verification(["a", "b"]).to_dict(),
    {"name": "tagging", "tags": ["a", "b"]},
    {"name": "intent", "values": {"a": ["b"], "c": ["d"]}},
    {"name": "asr", "units": ["a"]},
    {"name": "slots", "units": ["a"]},
]


@pytest.fixture
def folder(build, tmp_path: Path) -> Path:
    backbone = build("hubert")
    recipe = Recipe.parse("lora(rank=2)@attn.q[0] + norm(lr=0.1)@norm.input")
    model = attach(backbone, recipe, build_head("mean", backbone.anatomy, 2))
    save(model, tmp_path / "saved", task={"max_seconds": 10, **TASKS_STORED[0]})
    return tmp_path / "saved"


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every value, but only the first two of each list."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data[:2])
    for key, value in pairs:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(data))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


def test_an_adapter_folder_with_any_wrong_value_loads_or_is_an_error_of_ours(
    folder: Path, build, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = unseal(json.loads((folder / FACTS).read_text()))
    backbone: Backbone = build("hubert")
    ways = places({key: value for key, value in facts.items() if key != "task"})
    cases = [(way, value) for way in ways for value in WRONG]
    messages = []
    for way, value in random.Random(0).sample(cases, 120):
        write_sealed(folder / FACTS, changed(facts, way, value))
        try:
            inspect(folder)
            model = load(folder, backbone)
        except OssicleError as error:
            messages.append(str(error))
        else:
            model.remove_taps()
            backbone.adapted = False
    capsys.readouterr()
    assert len(messages) > 60
    assert not [one for one in messages if "\n" in one or len(one) > 2000]


@pytest.mark.parametrize("stored", TASKS_STORED, ids=lambda stored: stored["name"])
def test_a_task_with_any_wrong_value_is_made_or_is_an_error_of_ours(stored: dict[str, Any]) -> None:
    kind = TASKS[stored["name"]]
    for path in places(stored):
        for value in WRONG:
            given = changed(stored, path, value)
            try:
                task = kind.from_dict(given)
            except OssicleError:
                continue
            assert kind.from_dict(task.to_dict()).to_dict() == task.to_dict()
            assert 0 < task.num_outputs < 10


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"format": ' + "9" * 5000 + "}",
        '{"format": 2, "task": ' + '{"a":' * 5000 + "1" + "}" * 5001,
        '{"format": 2, "format": 2}',
        '{"format": NaN}',
        '{"format": 1e999}',
    ],
)
def test_json_that_no_parser_should_be_given_is_one_line(folder: Path, text: str) -> None:
    (folder / FACTS).write_text(text)
    with pytest.raises(OssicleError, match=r"recipe\.json' cannot be read: ") as caught:
        read_folder(folder)
    assert "\n" not in str(caught.value)


def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(folder: Path, build) -> None:
    for name in (TENSORS, FACTS):
        copy = shutil.copytree(folder, folder.parent / f"with-pipe-{name}")
        (copy / name).unlink()
        os.mkfifo(copy / name)
        with pytest.raises(OssicleError):
            load(copy, build("hubert"))
