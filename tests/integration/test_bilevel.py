"""Bilevel training of a mixture: halves, resuming, the folder, and a planted problem."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ossicle.adapters.folder import TENSORS
from ossicle.adapters.saving import read_tensors
from ossicle.errors import RunError, SearchError
from ossicle.search.bilevel.run import SEARCH, train_in_turn
from ossicle.tasks import TASKS
from ossicle.training.checkpoint import CHECKPOINT
from ossicle.training.config import TrainConfig
from ossicle.training.folder import CONFIG, LOG, SPLIT, read_json
from ossicle.training.parent import open_parent
from ossicle.training.result import read_result
from ossicle.training.run import train
from ossicle.trials.kept import Kept
from ossicle.trials.runners import RUNNERS
from ossicle.trials.trial import Trial

MIXTURE = (
    "skip(gate=layers:skip) + lora(rank=2, dropout=0.3, gate=layers:lora) "
    "+ bottleneck(width=4, gate=layers:seq)@ffn"
)


class Interrupted(Exception):
    """Raised to end a run early."""


@pytest.fixture(scope="session")
def searched(
    tmp_path_factory: pytest.TempPathFactory, settings: Callable[..., TrainConfig]
) -> Path:
    """Folder of a finished search of two epochs."""
    folder = tmp_path_factory.mktemp("searches") / "finished"
    train_in_turn(settings(recipe=MIXTURE, epochs=2, batch_size=2), "darts", folder)
    return folder


def same(folder: Path) -> dict[str, bytes]:
    """Return the files that must be equal in two searches with the same settings."""
    return {
        name: (folder / name).read_bytes() for name in (TENSORS, LOG, SEARCH, SPLIT, "recipe.json")
    }


def test_a_search_that_was_killed_goes_on_to_the_same_bits(
    settings: Callable[..., TrainConfig], searched: Path, tmp_path: Path
) -> None:
    config = settings(recipe=MIXTURE, epochs=2, batch_size=2)

    def stop(stage: str, done: int, total: int, **facts: float) -> None:  # noqa: ARG001
        if stage == "training" and facts["epoch"] == 2 and done == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        train_in_turn(config, "darts", tmp_path, progress=stop)
    assert (tmp_path / CHECKPOINT).is_file()
    with pytest.raises(RunError, match="has the strategy 'darts', and not 'gdas'"):
        train_in_turn(config, "gdas", tmp_path, resume=True)
    epochs: list[float] = []

    def watch(stage: str, done: int, total: int, **facts: float) -> None:  # noqa: ARG001
        epochs.extend([facts["epoch"]] if stage == "training" else [])

    train_in_turn(config, "darts", tmp_path, resume=True, progress=watch)
    assert set(epochs) == {2}  # the first epoch is not trained again
    assert same(tmp_path) == same(searched)
    whole, again = (read_tensors(one / CHECKPOINT)[0] for one in (searched, tmp_path))
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[key], again[key]) for key in whole)


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.exhaustive
def test_a_search_killed_while_it_writes_any_file_goes_on_to_the_same_bits(
    settings: Callable[..., TrainConfig], searched: Path, tmp_path: Path
) -> None:
    # config, split, versions, recipe, bilevel; log and checkpoint of each epoch; adapter, bilevel,
    # metrics
    config, files = settings(recipe=MIXTURE, epochs=2, batch_size=2), [1, 5, 7, 8, 9, 10, 11, 12]
    order = {"config": config.to_dict(), "out": str(tmp_path), "files": files, "timed": 0}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("kill_runs.py"))],
        input=json.dumps(order | {"strategy": "darts"}),
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    status_by_folder = json.loads(done.stdout)
    assert list(status_by_folder.values()) == [-signal.SIGKILL] * len(files)
    for folder in map(Path, status_by_folder):
        train_in_turn(config, "darts", folder, resume=(folder / CONFIG).is_file())
        assert same(folder) == same(searched), folder


def test_the_folder_of_a_search_is_that_of_a_finished_run(searched: Path) -> None:
    parent = open_parent(searched)
    assert parent.result.test is None
    assert (parent.result.best_epoch, parent.result.chosen_by) == (2, "last")
    gates = {key for key in parent.tensors() if key.startswith("gates/")}
    assert gates == {"gates/layers.0", "gates/layers.1"}
    found = read_json(searched / SEARCH)
    weights, switch = found["halves"]["weights"], found["halves"]["gates"]
    assert sorted(weights + switch) == sorted(read_json(searched / SPLIT)["train"])
    assert len(weights) == len(switch) == 3
    assert found["candidates"] == ["skip", "lora", "seq"]
    # 3 recordings in batches of 2, twice; a step of the gates and one of the weights each
    assert (found["steps"], found["passes"]) == (8, 20)
    for epoch in found["gates"]:
        assert [sum(epoch[layer]) for layer in "01"] == pytest.approx([1, 1])
    last = parent.tensors()["gates/layers.1"].softmax(0)
    assert found["gates"][-1]["1"] == pytest.approx(last.tolist())
    assert found["choice"]["1"] == found["candidates"][int(last.argmax())]
    assert last.tolist() != pytest.approx([1 / 3] * 3, abs=1e-4)  # they have moved


def test_a_search_never_reads_test_recordings(
    settings: Callable[..., TrainConfig], corpus: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in corpus.iterdir():
        (moved / file.name).write_bytes(file.read_bytes())
    for number, file in enumerate(sorted(moved.glob("cleo-*.wav"))):
        file.write_bytes(b"not sound %d" % number)
    config = settings(recipe=MIXTURE, epochs=1, data=f"audiofolder:{moved}")
    with pytest.raises(Exception, match="cleo"):
        train(config, tmp_path / "train")  # which would be seen
    result = train_in_turn(config, "darts(order=plain)", tmp_path / "search")
    assert result.test is None
    assert read_json(tmp_path / "search" / SPLIT)["test"] == {}


@pytest.mark.parametrize(
    ("changes", "strategy", "message"),
    [
        ({"recipe": "lora"}, "darts", "'lora' has none or several"),
        (
            {"recipe": "skip(gate=layers:skip) + lora(gate=layers:lora) + bias(gate=layers)[0]"},
            "darts",
            "other candidates in some layers",
        ),
        ({"compile": True}, "darts", "--compile does not suit a differentiable search"),
        ({"parent": "elsewhere"}, "darts", "--from does not suit a differentiable search"),
        ({"shots": 1}, "darts", r"too small to split in two.*\(2 recordings\)"),
        ({}, "darts(virtual=momentum)", "expected optimizer or sgd"),
        ({}, "tpe", "no differentiable strategy 'tpe'"),
        ({}, "s3delta", "needs a budget"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_written(
    settings: Callable[..., TrainConfig],
    tmp_path: Path,
    changes: dict[str, object],
    strategy: str,
    message: str,
) -> None:
    with pytest.raises((SearchError, RunError), match=message):
        train_in_turn(settings(**{"recipe": MIXTURE, **changes}), strategy, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_trial_trains_in_turn_and_has_validation_metrics_and_the_choice(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    runner, kept = RUNNERS["bilevel"], Kept()
    config = settings(recipe=MIXTURE, epochs=1, batch_size=4)
    trial = Trial(config=config, labels={}, runner="bilevel", settings={"strategy": "gdas"})
    assert runner.read(tmp_path) is None
    runner.run(trial, tmp_path, kept, lambda *_, **__: None)
    found = runner.read(tmp_path)
    assert found is not None
    valid = read_result(tmp_path).valid
    assert found.metrics == {key: valid[key] for key in TASKS["classification"].reported}
    assert found.facts.keys() == {"choice", "candidates", "gates", "steps", "passes"}
    assert (found.epochs, found.facts["steps"], found.facts["passes"]) == (1, 2, 3)
    assert len(found.facts["gates"]) == 1
    assert found.rows.keys == ()  # nothing is tested


@pytest.mark.thorough
@pytest.mark.parametrize("mixture", ["layers", "softmax"])
def test_a_stage_continues_from_the_best_candidates_of_a_search(
    settings: Callable[..., TrainConfig], searched: Path, tmp_path: Path, mixture: str
) -> None:
    folder = searched
    if mixture == "softmax":
        folder = tmp_path / "searched"
        recipe = MIXTURE.replace("layers:", "softmax:")
        train_in_turn(settings(recipe=recipe, epochs=1), "fair-darts(order=first)", folder)
    config = settings(recipe="linear", parent=str(folder), prune="argmax", epochs=1)
    result = train(config, tmp_path / "stage")
    chosen = read_json(folder / SEARCH)["choice"]
    kept = {(one.split("(")[0].split("@")[0]) for one in result.expression.split(" + ")}
    method = {"skip": "linear", "lora": "lora", "seq": "bottleneck"}
    assert kept - {"linear"} == {method[name] for name in chosen.values()} - {"linear"}
    assert result.test is not None
