"""The shipped backbones: contents of their folders, and quality of their features."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import AutoFeatureExtractor, AutoModel

from ossicle.backbones import NAMED, load_backbone
from ossicle.backbones.source import SHIPPED
from ossicle.errors import BackboneError

DATA = Path(__file__).parents[3] / "shared/data"


@pytest.fixture(params=sorted(SHIPPED))
def name(request) -> str:
    return request.param


def test_a_speech_backbone_and_an_audio_backbone_are_shipped():
    assert sorted(SHIPPED) == ["tiny-ast", "tiny-hubert"]


def test_a_folder_holds_weights_in_half_precision_a_card_and_no_more(name):
    files = {file.name: file for file in SHIPPED[name].iterdir()}
    assert sorted(files) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    assert files["model.safetensors"].stat().st_size < 8_000_000
    with safe_open(files["model.safetensors"], "pt") as weights:
        assert {weights.get_tensor(key).dtype for key in weights.keys()} == {torch.float16}  # noqa: SIM118 - no mapping


def test_a_card_states_data_licences_and_results(name):
    card = (SHIPPED[name] / "README.md").read_text(encoding="utf-8")
    for heading in ("## Use without", "## Data", "## Training", "## Results", "## Limits"):
        assert heading in card, f"{name}: the card has no '{heading}'"
    assert card.startswith("---\nlicense: ")


@pytest.mark.parametrize(
    ("shipped", "hashed"), [("tiny-hubert", "30b5f48416c006c3"), ("tiny-ast", "291c0450e1c2e751")]
)
def test_runs_of_earlier_versions_know_their_backbone_again(shipped, hashed):
    assert load_backbone(shipped).fingerprint == hashed


@pytest.mark.filterwarnings("ignore:At least one mel filter has all zero")
@torch.no_grad()
def test_transformers_alone_gives_the_same_frames(name, noise):
    wave = noise(16000)[0]
    mine = load_backbone(name)
    extractor = AutoFeatureExtractor.from_pretrained(SHIPPED[name])
    theirs = AutoModel.from_pretrained(SHIPPED[name]).eval()
    assert theirs.dtype == torch.float32  # as the card says, from weights in half precision
    values = extractor(wave, sampling_rate=16000, return_tensors="pt")["input_values"]
    expected = theirs(values).last_hidden_state
    torch.testing.assert_close(mine(*mine.batch([wave])).hidden, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore:At least one mel filter has all zero")
def test_the_code_on_the_card_runs_without_ossicle(name, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    code = (SHIPPED[name] / "README.md").read_text(encoding="utf-8").split("```python\n")[1]
    seen: dict = {}
    exec(code.partition("```")[0], seen)
    assert seen["frames"].dtype == torch.float32
    assert seen["frames"].isfinite().all()


def test_the_architecture_is_the_one_that_config_names(name):
    config = json.loads((SHIPPED[name] / "config.json").read_text(encoding="utf-8"))
    family, settings = NAMED[name]
    assert config["model_type"] == family.model_type
    assert {key: config[key] for key in settings} == dict(settings)


def test_the_name_wins_over_a_folder_of_the_same_name(name, tmp_path, monkeypatch):
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_backbone(name, weights=False).name == name
    with pytest.raises(BackboneError, match=r"config\.json cannot be read"):
        load_backbone(f"./{name}", weights=False)


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_a_misspelt_name_gets_a_suggestion():
    with pytest.raises(
        BackboneError, match=r"ossicle ships tiny-ast, tiny-hubert\)\. Did you mean 'tiny-hubert'\?"
    ):
        load_backbone("tiny-huber")


def nearest_mean(features: np.ndarray, labels: np.ndarray, train: np.ndarray) -> float:
    """Return the test accuracy of a nearest-class-mean classifier on scaled features."""
    scaled = (features - features[train].mean(0)) / (features[train].std(0) + 1e-6)
    names = np.unique(labels)
    means = np.stack([scaled[train & (labels == label)].mean(0) for label in names])
    distance = ((scaled[~train][:, None] - means) ** 2).sum(-1)
    return float((names[distance.argmin(1)] == labels[~train]).mean())


@pytest.mark.parametrize(
    ("name", "corpus", "better_by"),
    [
        pytest.param("tiny-hubert", "demo", 0.2, marks=pytest.mark.thorough),
        pytest.param(
            "tiny-hubert", "fsdd", 0.2, marks=[pytest.mark.thorough, pytest.mark.exhaustive]
        ),
        pytest.param("tiny-ast", "esc10", 0.1, marks=pytest.mark.thorough),
    ],
)
@torch.no_grad()
def test_pretrained_features_separate_classes_that_random_ones_mix(name, corpus, better_by):
    from ossicle.data import load_utterance, open_data

    if corpus != "demo" and not (DATA / corpus).is_dir():
        pytest.skip(f"{DATA / corpus} is not there")
    if corpus == "demo":
        dataset = open_data("demo")
        chosen = [*dataset.train[::4], *dataset.test]
    elif corpus == "fsdd":
        dataset = open_data(f"fsdd:{DATA / corpus}?test_speaker=theo")
        chosen = [*dataset.train[::20], *dataset.test[::5]]
    else:
        dataset = open_data(f"esc50:{DATA / corpus}?test_fold=5")
        chosen = [*dataset.train[::2], *dataset.test[::2]]
    tested = {one.key for one in dataset.test}
    labels = np.array([one.label for one in chosen])
    train = np.array([one.key not in tested for one in chosen])
    accuracy = {}
    for source in (name, f"config:{name}"):
        backbone = load_backbone(source)
        rows = []
        for one in chosen:
            hidden = backbone(*backbone.batch([load_utterance(one, 16000)])).hidden[0]
            rows.append(torch.cat((hidden.mean(0), hidden.std(0))).numpy())
        accuracy[source] = nearest_mean(np.stack(rows), labels, train)
    assert accuracy[name] > accuracy[f"config:{name}"] + better_by, accuracy
