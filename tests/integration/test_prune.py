"""Runs that start from a smaller adapter than that of their parent."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ossicle.adapters.folder import TENSORS, read_folder
from ossicle.adapters.saving import read_tensors
from ossicle.data import Clips, Piece
from ossicle.pruning import WAYS
from ossicle.training.config import TrainConfig
from ossicle.training.folder import PRUNED, SPLIT, read_json
from ossicle.training.prepare import prepare
from ossicle.training.result import read_result
from ossicle.training.run import train

Configure = Callable[..., TrainConfig]
NOT_HERE = ("taylor", "gates", "argmax")  # the last two need gates


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory, settings: Configure) -> Path:
    """Folder of a run with a mixture of two candidates in each layer."""
    folder = tmp_path_factory.mktemp("runs") / "mixture"
    recipe = "lora(rank=2, gate=softmax) + bottleneck(width=4, gate=softmax) + norm"
    train(settings(recipe=recipe, epochs=1), folder)
    return folder


def test_a_search_continues_with_the_best_candidate_of_each_layer(
    mixture: Path, settings: Configure, tmp_path: Path
) -> None:
    config = settings(parent=str(mixture), recipe="linear", prune="argmax", epochs=1)
    saved, _ = read_tensors(mixture / TENSORS)
    best = {layer: int(saved[f"gates/softmax.{layer}"].argmax()) for layer in (0, 1)}
    run = prepare(config)
    assert run.stage is not None
    kept = {key for key in saved if key.startswith("2/")}
    kept |= {k for k in saved if k[0] in "01" and best[int(k.split("/")[1])] == int(k[0])}
    found = sorted(key.split("/", 1)[1] for key in run.stage.start if key[0] != "h")
    assert found == sorted(key.split("/", 1)[1] for key in kept)
    for key, value in run.stage.start.items():
        old = [k for k in kept if k.split("/", 1)[1] == key.split("/", 1)[1]]
        assert key[0] == "h" or torch.equal(value, saved[old[0]])
    assert torch.equal(run.stage.start["head/linear.weight"], saved["head/linear.weight"])

    result = train(config, tmp_path / "on")
    assert "gate" not in result.expression
    facts = read_folder(tmp_path / "on").facts
    assert facts["expression"] == result.expression
    pruned = read_json(tmp_path / "on" / PRUNED)
    whole = sum(value.numel() for key, value in saved.items() if not key.startswith("head/"))
    own, _ = read_tensors(tmp_path / "on" / TENSORS)
    left = sum(value.numel() for key, value in own.items() if not key.startswith("head/"))
    assert pruned["by"] == "argmax"
    assert pruned["parameters"] == {"before": whole, "after": left}
    assert result.parameters["trainable"] == left + sum(
        value.numel() for key, value in own.items() if key.startswith("head/")
    )
    assert train(config, tmp_path / "on", resume=True) == result


def size_of(folder: Path) -> int:
    return sum(v.numel() for k, v in read_tensors(folder / TENSORS)[0].items() if k[0] != "h")


@pytest.mark.parametrize(
    "way",
    ["taylor", *(pytest.param(w, marks=pytest.mark.thorough) for w in WAYS if w not in NOT_HERE)],
)
def test_a_stage_starts_from_a_smaller_adapter(
    finished: Path, settings: Configure, tmp_path: Path, way: str
) -> None:
    config = settings(parent=str(finished), recipe="linear", prune=f"{way}(keep=0.3)", epochs=1)
    result = train(config, tmp_path / way)
    whole, left = size_of(finished), size_of(tmp_path / way)
    assert 0.2 * whole < left <= 0.3 * whole
    facts = read_folder(tmp_path / way).facts
    assert all("rank" in one["settings"] for one in facts["recipe"]["placements"])
    parent = read_result(finished)
    assert parent.test is not None
    assert result.stage is not None
    pruned = result.stage["pruned"]
    assert pruned["parameters"] == {"before": whole, "after": left}
    assert pruned["unpruned"]["accuracy"] == parent.test["accuracy"]
    assert pruned["pruned"] == result.stage["tests"][-1]["before"]
    assert pruned["trained"]["accuracy"] == result.test_metrics["accuracy"]
    kept = [unit for unit in read_json(tmp_path / way / PRUNED)["units"] if unit["kept"]]
    assert sum(unit["parameters"] for unit in kept) == left
    again = settings(parent=str(tmp_path / way), recipe="linear", prune=f"{way}(to={left - 1})")
    assert prepare(again).stage is not None  # a pruned run is a run: it can be pruned once more


def test_a_run_that_is_killed_resumes_with_what_was_kept_and_reads_no_recording_of_its_parent(
    finished: Path, settings: Configure, tmp_path: Path, interrupt: Callable[..., None]
) -> None:
    config = settings(parent=str(finished), recipe="linear", prune="taylor(keep=0.4)", epochs=2)
    at_once = train(config, tmp_path / "at-once")
    interrupt(config, tmp_path / "killed", epoch=2)
    stages: list[str] = []

    def note(stage: str, done: int, total: int, **facts: float) -> None:  # noqa: ARG001
        stages.append(stage)

    resumed = train(config, tmp_path / "killed", resume=True, progress=note)
    assert "importance" not in stages
    assert "training" in stages
    assert resumed.test == at_once.test
    files = [read_tensors(tmp_path / name / TENSORS)[0] for name in ("at-once", "killed")]
    assert all(torch.equal(value, files[1][key]) for key, value in files[0].items())


@pytest.mark.thorough
def test_a_run_that_is_killed_before_it_has_noted_what_was_kept_computes_it_again(
    finished: Path, settings: Configure, tmp_path: Path, interrupt: Callable[..., None]
) -> None:
    config = settings(parent=str(finished), recipe="linear", prune="taylor(keep=0.4)", epochs=1)
    interrupt(config, tmp_path / "killed", epoch=1)
    kept = read_json(tmp_path / "killed" / PRUNED)
    (tmp_path / "killed" / PRUNED).unlink()
    train(config, tmp_path / "killed", resume=True)
    assert read_json(tmp_path / "killed" / PRUNED) == kept


def test_importance_comes_from_the_training_recordings_of_the_parent_alone(
    finished: Path, settings: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    read_augmented = Clips.read_augmented

    def noted(clips: Clips, piece: Piece, *given: object, **named: object) -> object:
        read.append(clips.utterances[piece[0]].key)
        return read_augmented(clips, piece, *given, **named)

    monkeypatch.setattr(Clips, "read_augmented", noted)
    config = settings(parent=str(finished), recipe="linear", prune="taylor(keep=0.4)")
    prepare(config)
    split = read_json(finished / SPLIT)
    assert sorted(read) == sorted(f"stage 1: {key}" for key in split["train"])


@pytest.mark.thorough
def test_a_pruned_adapter_can_be_frozen_kept_and_added_to(
    finished: Path, settings: Configure, tmp_path: Path
) -> None:
    config = settings(
        parent=str(finished),
        recipe="bottleneck(width=4)",
        prune="magnitude(keep=0.5)",
        keep="ewc(strength=1)",
        freeze="lora@attn.q",
        epochs=1,
    )
    train(config, tmp_path / "first")
    start = prepare(config).stage
    assert start is not None
    after, _ = read_tensors(tmp_path / "first" / TENSORS)
    same = {key for key, value in start.start.items() if torch.equal(value, after[key])}
    assert same == {key for key in after if "/attn.q/" in key}
    onwards = settings(
        parent=str(tmp_path / "first"),
        recipe="linear",
        prune="taylor(keep=0.5)",
        keep="ewc(strength=1)",
        epochs=1,
    )
    result = train(onwards, tmp_path / "second")  # Fisher information is of larger tensors
    assert result.stage is not None
    assert len(result.stage["tests"]) == 3
