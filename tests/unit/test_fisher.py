"""The Fisher information of linear models, in closed form."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from kinds import attached
from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import Backbone
from ossicle.compute.processes import Processes
from ossicle.continual.fisher import fisher_information, sampled_log_p
from ossicle.continual.old import Old
from ossicle.data import Utterance, load_utterance
from ossicle.data.clips import Clips
from ossicle.heads import Outputs
from ossicle.heads.pool import masked_mean
from ossicle.inference.single import SingleModel
from ossicle.recipes.recipe import Recipe
from tones import SAMPLE_RATE, tone

DRAWS = 20_000
LOGITS = torch.tensor([1.5, -0.5, 0.0])


@pytest.mark.parametrize(
    ("kind", "variance"),
    [
        ("choice", LOGITS.softmax(dim=0) * (1 - LOGITS.softmax(dim=0))),
        ("presence", LOGITS.sigmoid() * (1 - LOGITS.sigmoid())),
        ("number", torch.ones(3)),
    ],
)
def test_answers_are_drawn_from_the_predictions_of_the_model(
    kind: str, variance: torch.Tensor
) -> None:
    """E (d log p / d logit)^2: p (1 - p) of a softmax and of a sigmoid, 1 of a unit normal."""
    logits = LOGITS.repeat(1, DRAWS, 1).requires_grad_()
    outputs = Outputs(logits, torch.ones(1, DRAWS, dtype=torch.bool))
    sampled_log_p([Old(kind, (0, 1, 2))], outputs, [0]).backward()
    found = logits.grad[0].square().mean(dim=0)
    torch.testing.assert_close(found, variance, rtol=0.05, atol=0.01)


def test_padded_frames_have_no_information() -> None:
    logits = LOGITS.repeat(1, 4, 1).requires_grad_()
    mask = torch.tensor([[True, True, False, False]])
    sampled_log_p([Old("choice", (0, 1, 2))], Outputs(logits, mask), [0]).backward()
    assert (logits.grad.abs().sum(dim=-1) > 0).tolist() == [[True, True, False, False]]


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    made = []
    for number in range(3):
        file = tmp_path / f"{number}.wav"
        soundfile.write(file, tone(300 * (1 + number), 0.2, number), SAMPLE_RATE)
        made.append(Utterance.of(file, tmp_path, "a"))
    return Clips(tuple(made), (3200,) * 3, 16_000)


def test_it_is_the_mean_over_recordings_of_their_own_squared_gradients(
    build: Callable[..., Backbone], clips: Clips
) -> None:
    """A linear head with normal answers: (d log p / d W)^2 is (noise * pooled frames)^2."""
    model: AdaptedModel = attached(build("hubert"), Recipe.parse("linear"))
    found = fisher_information(
        SingleModel(model),
        [Old("number", (0, 2))],
        clips,
        model.trainable(),
        seed=5,
        processes=Processes(cpu=True),
    )
    expected = np.zeros((3, model.backbone.anatomy.width))
    bias = np.zeros(3)
    for number, one in enumerate(clips.utterances):
        with torch.no_grad():
            encoded = model.encode(*model.backbone.batch([load_utterance(one, SAMPLE_RATE)]))
        pooled = masked_mean(encoded.hidden, encoded.frame_mask)[0].double().numpy()
        noise = np.random.default_rng([5, number, 3]).normal(size=2)
        expected[[0, 2]] += (noise[:, None] * pooled) ** 2 / 3
        bias[[0, 2]] += noise**2 / 3
    np.testing.assert_allclose(found["head/linear.weight"], expected, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(found["head/linear.bias"], bias, rtol=1e-4)
    assert all(parameter.grad is None for parameter in model.trainable().values())
