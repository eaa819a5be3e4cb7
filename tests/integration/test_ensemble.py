"""A run, one adapter of a bank and an ensemble answer as their outputs by hand do."""

from pathlib import Path

import pytest
import torch

from ossicle import Trained
from ossicle.adapters.check import attach
from ossicle.adapters.saving import save
from ossicle.backbones import load_backbone
from ossicle.data import load_utterance, open_data, windows
from ossicle.errors import AdapterFileError
from ossicle.heads import build_head
from ossicle.inference import AdapterBank
from ossicle.inference.ensemble import load_predictor
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Classification

LABELS = ("close", "open", "stop")
LIMIT = 8000  # samples: half a second, so that a command of the demo has several windows


def member(folder: Path, seed: int, labels: tuple[str, ...] = LABELS) -> Path:
    """Save an adapter with random tensors, as a run would."""
    torch.manual_seed(seed)
    backbone = load_backbone("tiny-hubert", device="cpu")
    model = attach(
        backbone, Recipe.parse("lora[4:]"), build_head("mean", backbone.anatomy, len(labels))
    )
    with torch.no_grad():
        for parameter in model.trainable().values():
            parameter.add_(0.2 * torch.randn_like(parameter))
    save(model, folder, task=Classification(labels).to_dict() | {"max_seconds": 0.5})
    return folder


@torch.no_grad()
def test_the_answer_is_the_mean_probability_over_windows_and_members(tmp_path: Path) -> None:
    folders = {name: member(tmp_path / name, seed) for seed, name in enumerate(("a", "b"))}
    utterance = open_data("demo").test[0]
    probs = {}
    for name, folder in folders.items():
        trained = Trained.open(folder, device="cpu")
        wave = load_utterance(utterance, trained.model.backbone.sample_rate)
        spans = windows(len(wave), LIMIT)
        assert len(spans) > 1
        backbone = trained.model.backbone
        rows = [
            trained.model(*backbone.batch([wave[start:stop]]))[0].softmax(dim=0)
            for start, stop in spans
        ]
        probs[name] = torch.stack(rows).mean(dim=0)
        (found,) = trained.predict([utterance])
        assert list(found["probs"].values()) == pytest.approx(probs[name].tolist(), rel=1e-4)
    assert not torch.allclose(probs["a"], probs["b"], rtol=0.01)
    bank = AdapterBank(load_backbone("tiny-hubert", device="cpu"))
    both = load_predictor(bank, folders)
    expected = ((probs["a"] + probs["b"]) / 2).tolist()
    (found,) = both.predict([utterance])
    assert list(found["probs"].values()) == pytest.approx(expected, rel=1e-4)
    bank = AdapterBank(load_backbone("tiny-hubert", device="cpu"))
    (found,) = load_predictor(bank, {"b": folders["b"]}).predict([utterance])
    assert list(found["probs"].values()) == pytest.approx(probs["b"].tolist(), rel=1e-4)


def test_adapters_of_different_labels_are_not_combined(tmp_path: Path) -> None:
    folders = {"a": member(tmp_path / "a", 0), "b": member(tmp_path / "b", 1, LABELS[::-1])}
    bank = AdapterBank(load_backbone("tiny-hubert", device="cpu"))
    with pytest.raises(AdapterFileError, match="adapters 'a' and 'b' were trained for different"):
        load_predictor(bank, folders)
    assert bank.names == []
