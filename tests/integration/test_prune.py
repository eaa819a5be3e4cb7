"""Runs that start from a smaller adapter than that of their parent."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ossicle.adapters.folder import TENSORS, read_folder
from ossicle.adapters.saving import read_tensors
from ossicle.training.config import TrainConfig
from ossicle.training.folder import PRUNED, read_json
from ossicle.training.prepare import prepare
from ossicle.training.run import train

Configure = Callable[..., TrainConfig]


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
