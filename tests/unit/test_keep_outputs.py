"""Ways to keep outputs and embeddings, against scipy, numpy and calculations by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import expit, rel_entr, softmax
from scipy.stats import entropy

from kinds import attached, shake
from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import Backbone
from ossicle.continual import KEEPS, Step
from ossicle.continual.coral import coral_distance
from ossicle.continual.dann import DANN
from ossicle.continual.domains import draw_batches
from ossicle.continual.lwf import divergence
from ossicle.continual.old import Old, old_answers
from ossicle.errors import RunError
from ossicle.frozen.part import BatchRow
from ossicle.heads import Outputs
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Classification, Intent, Regression, Tagging, Verification
from stages import start_of

TASK = Classification(["a", "b", "c"])
RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(0, 3, (2, 4, 5)).astype("float32")


def found(kind: str, columns: tuple[int, ...]) -> float:
    both = [Outputs(torch.from_numpy(one)) for one in (TEACHER, STUDENT)]
    return divergence(Old(kind, columns), *both).item()


def test_choices_are_compared_at_temperature_two_among_old_options() -> None:
    t, s = (softmax(one[:, [1, 2, 4]] / 2, axis=1) for one in (TEACHER, STUDENT))
    assert found("choice", (1, 2, 4)) == pytest.approx(entropy(t, s, axis=1).mean(), rel=1e-5)


def test_presences_are_compared_as_pairs_of_probabilities() -> None:
    t, s = expit(TEACHER[:, :2] / 2), expit(STUDENT[:, :2] / 2)
    expected = (rel_entr(t, s) + rel_entr(1 - t, 1 - s)).mean()
    assert found("presence", (0, 1)) == pytest.approx(expected, rel=1e-4)


def test_numbers_are_compared_by_squared_error_and_embeddings_by_cosine() -> None:
    assert found("number", (3,)) == pytest.approx(
        ((TEACHER[:, 3] - STUDENT[:, 3]) ** 2).mean(), rel=1e-5
    )
    t, s = (one[:, :3] / np.linalg.norm(one[:, :3], axis=1)[:, None] for one in (TEACHER, STUDENT))
    assert found("embedding", (2,)) == pytest.approx((1 - (t * s).sum(axis=1)).mean(), rel=1e-4)


def test_frames_count_within_their_recording_and_padding_does_not() -> None:
    """A recording of three frames and one of one count the same."""
    mask = torch.tensor([[True, True, True], [True, False, False]])
    t, s = (torch.from_numpy(one.reshape(-1)[:12]).reshape(2, 3, 2) for one in (TEACHER, STUDENT))
    kl = entropy(softmax(t.numpy() / 2, axis=-1), softmax(s.numpy() / 2, axis=-1), axis=-1)
    value = divergence(Old("choice", (0, 1)), Outputs(t, mask), Outputs(s, mask))
    assert value.item() == pytest.approx((kl[0].mean() + kl[1, 0]) / 2, rel=1e-4)


def test_old_answers_are_those_that_both_heads_have() -> None:
    intent = Intent({"action": ("on", "off", "up"), "place": ("hall", "roof")})
    assert old_answers(intent, (0, None, 2, 3), "lwf") == (Old("choice", (0, 2)),)
    tags = Tagging(["x", "y", "z"])
    assert old_answers(tags, (2, 0), "lwf") == (Old("presence", (0, 2)),)
    with pytest.raises(RunError, match=r"--keep lwf needs the answers .* --head-from keep"):
        old_answers(tags, (None, None), "lwf")
    assert old_answers(Verification(["a", "b"]), (), "lwf") == (Old("embedding", (4,)),)


@pytest.fixture
def model(build: Callable[..., Backbone]) -> AdaptedModel:
    made = attached(build("hubert"), Recipe.parse("lora(dropout=0.5)"))
    shake(made)
    return made


def rows_of(model: AdaptedModel, noise: Callable[..., list]) -> list[BatchRow]:
    return [BatchRow.of(model.backbone.row(wave)) for wave in noise(4000, 2500)]


def test_the_teacher_is_the_model_at_the_start_and_leaves_the_student_as_it_is(
    model: AdaptedModel, noise: Callable[..., list]
) -> None:
    rows = rows_of(model, noise)
    start = start_of(model, TASK)
    (at_start,) = start.single.outputs(rows)
    shake(model, by=1.0)
    changed = {key: value.clone() for key, value in model.trainable().items()}
    (now,) = start.single.outputs(rows)
    model.train()
    keep = KEEPS["lwf"](2.0, start)
    keep.before(rows)
    assert model.active_slots[0].adapter.training
    for key, value in model.trainable().items():
        assert torch.equal(value, changed[key])
    penalty = keep.penalty(Step(outputs=now, embeddings=None, progress=0.0)).item()
    t, s = (softmax(one.values.numpy() / 2, axis=1) for one in (at_start, now))
    assert penalty == pytest.approx(2 * entropy(t, s, axis=1).mean(), rel=1e-4)
    assert penalty > 0.01


def test_coral_is_the_distance_of_the_covariances_of_numpy() -> None:
    source, target = RNG.normal(size=(6, 3)), RNG.normal(2, 3, size=(4, 3))
    distance = coral_distance(torch.from_numpy(source), torch.from_numpy(target))
    difference = np.cov(source, rowvar=False) - np.cov(target, rowvar=False)
    expected = np.linalg.norm(difference, "fro") ** 2 / (4 * 3**2)
    assert distance.item() == pytest.approx(expected)


class Fixed(DANN):
    """A discriminator that sees fixed embeddings of earlier recordings."""

    def earlier_embeddings(self) -> torch.Tensor:
        width = self.start.single.backbone.anatomy.width
        return torch.randn(3, width, generator=torch.Generator().manual_seed(1))


OUTPUTS = Outputs(torch.zeros(2, 3))


@pytest.mark.parametrize(
    ("progress", "factor"), [(0.0, 0.0), (0.5, np.tanh(2.5)), (1.0, np.tanh(5.0))]
)
def test_the_gradient_of_the_discriminator_is_reversed_for_what_it_reads_alone(
    model: AdaptedModel, progress: float, factor: float
) -> None:
    """2 / (1 + exp(-10 p)) - 1 is tanh(5 p)."""
    keep = Fixed(0.5, start_of(model, TASK))
    earlier = keep.earlier_embeddings()
    new = (earlier[:2] + 1).requires_grad_()
    keep.penalty(Step(outputs=OUTPUTS, embeddings=new, progress=progress)).backward()
    found, own = new.grad.clone(), [p.grad.clone() for p in keep.parameters()]
    new.grad = None
    keep.zero_grad()
    logits = keep.discriminator(torch.cat((earlier, new)))[:, 0]
    domains = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0])
    torch.nn.functional.binary_cross_entropy_with_logits(logits, domains).backward()
    torch.testing.assert_close(found, -0.5 * factor * new.grad)
    for mine, parameter in zip(own, keep.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad)
        assert mine.abs().sum() > 0


@pytest.mark.parametrize("name", ["coral", "dann"])
def test_where_only_the_head_trains_embeddings_cannot_change(
    build: Callable[..., Backbone], name: str
) -> None:
    linear = attached(build("hubert"), Recipe.parse("linear"))
    with pytest.raises(RunError, match=f"--keep {name} changes what the head reads, and only the"):
        KEEPS[name](1.0, start_of(linear, TASK))


def test_a_batch_of_one_has_no_covariance(model: AdaptedModel) -> None:
    with pytest.raises(RunError, match="--batch-size of 2 or more"):
        KEEPS["coral"](1.0, start_of(model, TASK, batch_size=1))
    keep, one = KEEPS["coral"](1.0, start_of(model, TASK)), torch.zeros(1, 4)
    assert keep.penalty(Step(outputs=OUTPUTS, embeddings=one, progress=0.0)) is None


def test_no_earlier_recording_comes_again_before_all_have_come() -> None:
    batches = draw_batches(5, [4, 4, 3], seed=0, epoch=1)
    assert [len(batch) for batch in batches] == [4, 4, 3]
    order = [number for batch in batches for number in batch]
    assert sorted(order[:5]) == sorted(order[5:10]) == [0, 1, 2, 3, 4]
    assert draw_batches(5, [4, 4, 3], seed=0, epoch=1) == batches
    others = [draw_batches(5, [4, 4, 3], seed=seed, epoch=2 - seed) for seed in (0, 1)]
    assert batches not in others


def test_regression_keeps_its_numbers() -> None:
    task = Regression({"valence": 0.0, "arousal": 0.0}, {"valence": 1.0, "arousal": 1.0})
    assert old_answers(task, (0, 1), "ewc") == (Old("number", (0, 1)),)
