"""The best epoch is chosen by the metric, or by the loss if the metric is not above chance."""

import math
from typing import Any

import pytest

from ossicle.tasks import (
    Classification,
    PhoneRecognition,
    SlotFilling,
    SpeechRecognition,
    Tagging,
    WordRecognition,
)
from ossicle.training.choice import Choice

ASR = SpeechRecognition([" ", "a", "b"])
FOUR = Choice(ASR, chance=-0.95)


def wer(rate: float, empty: int = 0) -> dict[str, Any]:
    return {"wer": rate, "cer": rate, "empty": empty, "count": 10}


def best(choice: Choice, epochs: list[tuple[float, float]]) -> int:
    """Return the number of the best of some epochs, given as error rate and validation loss."""
    ranks = [choice.rank(wer(rate), loss) for rate, loss in epochs]
    return 1 + ranks.index(max(ranks))


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        # Babble, then blanks alone, while the loss falls.
        ([(1.0, 12.7), (1.0, 8.0), (1.0, 3.3)], 3),
        ([(1.03, 8.1), (0.99, 3.1), (1.0, 2.5)], 3),  # one word right by luck
        ([(1.4, 5.0), (1.0, 3.0), (1.0, 3.1)], 2),
        # Words: the rate decides, whatever the loss.
        ([(1.0, 3.3), (0.9, 3.4), (1.0, 2.9)], 2),
        ([(0.5, 1.0), (0.4, 1.2), (0.4, 1.1), (0.6, 0.9)], 3),
        ([(0.0, 0.3), (0.0, 0.1), (1.0, 0.01)], 2),
    ],
)
def test_the_loss_selects_until_the_rate_beats_chance(
    epochs: list[tuple[float, float]], expected: int
) -> None:
    assert best(FOUR, epochs) == expected


def test_the_criterion_of_the_best_epoch_is_reported() -> None:
    assert FOUR.decided_by(wer(0.96)) == FOUR.decided_by(wer(0.95)) == "loss"
    assert FOUR.decided_by(wer(0.94)) == "WER"
    assert FOUR.notices(wer(0.94)) == ()
    (blank,) = FOUR.notices(wer(1.0, empty=10))
    assert blank.startswith("After the best epoch the output is blank for all 10 validation rec")
    assert "--epochs" in blank
    assert "--head-lr" in blank
    (babble,) = FOUR.notices(wer(0.97, empty=3))
    assert "validation WER of 97.0 %, and an answer that ignores the recordings" in babble
    assert "reaches 95.0 %" in babble
    assert "--head-lr" in babble


def test_chance_is_the_better_of_silence_and_the_text_of_another_recording() -> None:
    # Words of the others, over all ordered pairs: a|b 1, a|a b 1, b|a 1, b|a b 1, a b|a 1, a b|b 1
    # errors over 1 + 1 + 1 + 1 + 2 + 2 words: 6 / 8. Silence: 1.
    assert ASR.chance(["a", "b", "a b"]) == -6 / 8
    assert WordRecognition(["a", "b"]).chance(["a", "b", "a b"]) == -6 / 8
    # Of two words without one in common, and of one recording: silence is as good or better.
    assert ASR.chance(["a", "b"]) == -1.0
    assert ASR.chance(["a b"]) == -1.0
    assert ASR.chance(["a a a", "b"]) == -1.0  # the others: 3 + 3 errors over 4 words
    # Always the same text: no rate tells whether the model listens.
    assert ASR.chance(["a b"] * 3) == 0.0
    assert PhoneRecognition(["n", "o"]).chance(["n o", "o n"]) == -1.0
    slots = SlotFilling(["B-x", "E-x", " ", "a"])
    assert slots.chance(["B-x a E-x", "B-x a E-x", "a"]) == pytest.approx(1 / 3)  # 2 pairs of 6


def test_chance_of_many_recordings_is_estimated_from_some_of_their_pairs() -> None:
    # Ten words, each as frequent: nine of ten other recordings say another word.
    words = [f"w{number % 10}" for number in range(500)]
    assert WordRecognition(sorted(set(words))).chance(words) == pytest.approx(-0.9, abs=0.03)


def test_metrics_of_other_tasks_always_choose() -> None:
    for task in (Classification(["a", "b"]), Tagging(["a", "b"])):
        choice = Choice.of(task, ["a", "b"])
        assert choice.chance == -math.inf
        assert choice.rank({task.primary_metric: 0.1}, 1.0) > choice.rank(
            {task.primary_metric: 0.0}, 0.1
        )
        assert choice.rank({task.primary_metric: 0.1}, 0.9) > choice.rank(
            {task.primary_metric: 0.1}, 1.0
        )
        label = task.reported[task.primary_metric].label
        assert choice.decided_by({task.primary_metric: 0.0}) == label
