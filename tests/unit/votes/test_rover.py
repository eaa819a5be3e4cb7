"""ROVER, on alignments worked out by hand."""

import pytest
import torch
from torch import Tensor

from ossicle.tasks import PhoneRecognition, SlotFilling, SpeechRecognition, WordRecognition
from ossicle.tasks.ctc import Transcription
from ossicle.votes import Rover, read_vote
from ossicle.votes.rover import voted

SPELT = ["aqr", "aqr", "pbr", "pqc", "pqd"]


def spoken(task: Transcription, text: str, frames: int = 1, sure: float = 20.0) -> Tensor:
    """Return an output that is decoded as a text, with so many frames a unit and a blank."""
    numbers = [0]
    for unit in task.spell(text):
        numbers += [task.units.index(unit) + 1] * frames + [0]
    return sure * torch.eye(task.num_outputs)[numbers]


def decided(task: Transcription, *texts: str, **how: float) -> str:
    outputs = [spoken(task, text, frames=1 + n, **how) for n, text in enumerate(texts)]
    assert [task.decode(one)["label"] for one in outputs] == list(texts)
    decision = Rover().decide(task, outputs)
    assert decision.output is None
    return decision.decoded["label"]


def words(*texts: str) -> list[list[str]]:
    return [text.split() for text in texts]


def test_the_example_of_the_paper() -> None:
    #  a b c d e .
    #  . b z d e .
    #  . b c d e f
    assert voted(words("a b c d e", "b z d e", "b c d e f")) == ["b", "c", "d", "e"]


def test_a_word_of_two_members_is_inserted_and_of_one_is_not() -> None:
    assert voted(words("a b", "a x b", "a x b")) == ["a", "x", "b"]
    assert voted(words("a b", "a x b", "a b")) == ["a", "b"]


def test_a_word_is_aligned_with_a_slot_that_holds_it_already() -> None:
    # After two members the slots are {a, b} {c}; "b c" fits both, though the first says "a c".
    assert voted(words("a c", "b c", "b c")) == ["b", "c"]


def test_leaving_out_a_slot_that_another_member_leaves_out_is_free() -> None:
    # So c has a slot of its own, for a cost of 3, and is not at the slot of x, for 4:
    #  a . . b     a x . b     a . c b     a x c b     a x c b
    texts = words("a b", "a x b", "a c b", "a x c b", "a x c b")
    assert voted(texts) == ["a", "x", "c", "b"]


def test_the_first_text_decides_ties() -> None:
    assert voted(words("a b", "a c")) == ["a", "b"]
    assert voted(words("a", "a c")) == ["a"]
    assert voted(words("a c", "a")) == ["a", "c"]
    assert voted(words("a", "b", "c")) == ["a"]


def test_the_text_that_is_nearest_to_the_others_decides_ties() -> None:
    task = WordRecognition(["a", "b", "d", "q", "r", "s", "t"])
    # "d q s" is two substitutions from each of the others, which are three from each other. It
    # decides between a, b and d, although it is the least sure.
    outputs = [spoken(task, "a q t"), spoken(task, "b r s"), spoken(task, "d q s", sure=5.0)]
    for members in (outputs, outputs[::-1]):
        assert Rover().decide(task, members).decoded == {"label": "d q s"}


def test_between_two_members_the_surer_one_decides() -> None:
    task = WordRecognition(["a", "b", "c"])
    outputs = [spoken(task, "a b", sure=5.0), spoken(task, "a c", sure=6.0)]
    for members in (outputs, outputs[::-1]):
        assert Rover().decide(task, members).decoded == {"label": "a c"}


def test_nothing_was_said_by_most_members() -> None:
    task = WordRecognition(["a", "b"])
    assert decided(task, "", "a", "") == ""
    assert decided(task, "", "") == ""


@pytest.mark.parametrize(
    ("task", "texts", "answer"),
    [
        (PhoneRecognition(["n", "oʊ", "ɒ"]), ["n oʊ", "ɒ n", "n oʊ"], "n oʊ"),
        # By word, since spaces occur; the characters of most members are "pqr z".
        (SpeechRecognition([" ", *"abcdpqrz"]), [f"{word} z" for word in SPELT], "aqr z"),
        # By character, since no transcript has a space.
        (SpeechRecognition([*"abcdpqr"]), SPELT, "pqr"),
        (
            SlotFilling([" ", "B-x", "E-x", "a", "b"]),
            ["B-x a E-x", "B-x b E-x", "B-x a E-x b"],
            "B-x a E-x",
        ),
    ],
    ids=["phones", "words", "characters", "slots"],
)
def test_members_with_different_frame_rates_vote_on_the_words_of_the_task(
    task: Transcription, texts: list[str], answer: str
) -> None:
    assert decided(task, *texts) == answer


def test_it_is_saved_by_its_name() -> None:
    assert isinstance(read_vote(Rover().to_dict()), Rover)
