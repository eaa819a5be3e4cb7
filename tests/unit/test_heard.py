"""Texts with segments, from generated tokens: values by hand."""

import pytest
import torch

from ossicle.backbones.tokens import Tokens
from ossicle.tasks.heard import (
    Thresholds,
    Window,
    answer,
    compression_ratio,
    placed,
    read_windows,
)

TOKENS = Tokens.of_bytes("tiny", 30, vocabulary=2000, max_length=448)
SURE, UNSURE = -0.1, -1.5


def ids(*parts: str | float) -> list[int]:
    """Return the tokens of texts and of times in seconds."""
    spelt = []
    for part in parts:
        is_time = isinstance(part, float)
        spelt += [TOKENS.first_time + round(part / 0.02)] if is_time else TOKENS.encode(part)
    return spelt


def output(*parts: str | float, no_speech: float = 0.0, sure: float = SURE) -> torch.Tensor:
    """Return the output of a window: the row of no speech, the tokens, and the end."""
    rows = [[TOKENS.no_speech, torch.tensor(no_speech).log().item()]]
    rows += [[one, sure] for one in (*ids(*parts), TOKENS.end)]
    return torch.tensor(rows)


def window(*parts: str | float, start_s: float = 10.0, end_s: float = 40.0) -> Window:
    (found,) = read_windows(placed(output(*parts), start_s, end_s), TOKENS)
    return found


def heard(*outputs: torch.Tensor, times: bool = True) -> dict:
    found = answer(read_windows(torch.cat(outputs), TOKENS), Thresholds(), times=times)
    return {key: value for key, value in found.items() if value or key == "label"}


def test_two_times_that_meet_end_a_segment_and_the_next_window_starts_there():
    found, next_s = window(0.0, "so", 1.2, 1.2, "it is", 2.4, 2.4, "cut o").parts()
    assert [(one.start_s, one.end_s, TOKENS.decode(one.ids)) for one in found] == [
        (10.0, pytest.approx(11.2), "so"),
        (pytest.approx(11.2), pytest.approx(12.4), "it is"),
    ]
    assert next_s == pytest.approx(12.4)


def test_a_single_time_at_the_end_says_that_the_rest_is_silent():
    found, next_s = window(0.0, "so", 1.2, 1.2, "it is", 2.4).parts()
    assert [TOKENS.decode(one.ids) for one in found] == ["so", "it is"]
    assert found[-1].end_s == pytest.approx(12.4)
    assert next_s == 40.0


@pytest.mark.parametrize(("parts", "end_s"), [((0.0, "so", 1.2), 11.2), (("so",), 40.0)])
def test_without_times_that_meet_the_window_is_one_segment(parts, end_s):
    (found,), next_s = window(*parts).parts()
    assert (found.start_s, found.end_s, next_s) == (10.0, pytest.approx(end_s), 40.0)


def test_the_windows_of_a_recording_make_one_text():
    first = placed(output(0.0, "so", 1.2, 1.2, "cut o"), 0.0, 30.0)
    second = placed(output(0.0, "cut off", 2.0), 1.2, 9.0)
    assert heard(first, second) == {
        "label": "so cut off",
        "segments": [
            {"start_s": 0.0, "end_s": 1.2, "text": "so"},
            {"start_s": 1.2, "end_s": 3.2, "text": "cut off"},
        ],
    }


@pytest.mark.parametrize(
    ("no_speech", "sure", "expected"),
    [
        (0.7, UNSURE, {"label": "", "no_speech": True}),
        (0.7, SURE, {"label": "you"}),
        (0.5, UNSURE, {"label": "you", "improbable": True}),
    ],
)
def test_silence_is_where_no_speech_is_likely_and_the_text_is_not(no_speech, sure, expected):
    one = output("you", no_speech=no_speech, sure=sure)
    assert heard(one, times=False) == expected


def test_a_silent_window_is_left_out_of_a_text():
    silent = placed(output("you", no_speech=0.9, sure=UNSURE), 0.0, 30.0)
    spoken = placed(output("so"), 30.0, 31.0)
    assert heard(silent, spoken) == {
        "label": "so",
        "segments": [{"start_s": 30.0, "end_s": 31.0, "text": "so"}],
    }


def test_a_text_that_repeats_itself_is_said_to():
    assert heard(output("so so " * 20), times=False)["repetitive"] is True
    assert "repetitive" not in heard(output("it is raining in the mountains"), times=False)
    assert compression_ratio("") == 0


def test_an_output_without_its_place_is_a_window():
    assert heard(output("so"), times=False) == {"label": "so"}


def test_a_window_without_sound_is_silence_whatever_the_model_writes():
    one = placed(output("you"), 0.0, 2.0, silent=True)
    assert heard(one, times=False) == {"label": "", "no_speech": True}
