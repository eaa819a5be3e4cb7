"""Case, punctuation and Unicode form of transcripts; units unseen in training."""

import unicodedata
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ossicle.data import Dataset, Utterance
from ossicle.errors import AdapterFileError, LabelError, RunError
from ossicle.heads import Outputs
from ossicle.tasks import (
    PhoneRecognition,
    SlotFilling,
    SpeechRecognition,
    WordRecognition,
    parse_task,
)
from ossicle.tasks.text import TextRule

LOWER = TextRule(case="lower")
PLAIN = TextRule(case="lower", punctuation="remove")


def data(train: list[str], test: list[str], valid: list[str] | None = None) -> Dataset:
    sides = [
        tuple(Utterance(f"{side}{i}", Path(f"{side}{i}"), text) for i, text in enumerate(part))
        for side, part in (("a", train), ("b", valid or train), ("c", test))
    ]
    return Dataset("corpus", *sides, False, given=True, note="")


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        (TextRule(), "Dabi,  Ɛnte\tsaa", "Dabi, Ɛnte saa"),
        (TextRule(), "cafe\u0301", "caf\u00e9"),
        (TextRule(), "\ufb01n", "\ufb01n"),  # the ligature fi is a character of its own in NFC
        (TextRule(unicode="nfkc"), "\ufb01n \uff21\uff11", "fin A1"),
        (LOWER, "Dabi, ƐNTE Saa ÉÅ", "dabi, ɛnte saa éå"),
        (LOWER, "\u0130", "i\u0307"),  # Unicode's lower case of a dotted capital I
        (PLAIN, "Dabi, ɛnte saa!", "dabi ɛnte saa"),
        (PLAIN, "Ná m\u2019ani — “nnye” basabasayɛ•", "ná m'ani nnye basabasayɛ"),
        (PLAIN, "Don't 'quote' dogs' o\u0301'x", "don't quote dogs ó'x"),
        (PLAIN, "well-known, 3,5; A&E ... ¿qué?", "well known 3 5 a e qué"),
        (PLAIN, "$5 + 5", "$5 + 5"),  # symbols are not punctuation
        (PLAIN, " — ... ", ""),
    ],
)
def test_a_rule_writes_texts_by_hand(rule: TextRule, text: str, expected: str) -> None:
    assert rule(text) == expected


@given(st.text(max_size=12))
def test_a_text_that_is_written_by_a_rule_stays_as_it_is(text: str) -> None:
    for rule in (TextRule(), LOWER, PLAIN, TextRule("lower", "remove", "nfkc")):
        once = rule(text)
        assert rule(once) == once
        assert unicodedata.is_normalized("NFC", once)


def test_references_and_hypotheses_are_written_by_one_rule() -> None:
    task = SpeechRecognition.from_dataset(
        data(["Ab, b!"], ["AB B."]), case="lower", punctuation="remove"
    )
    assert task.units == (" ", "a", "b")
    said = [{"label": "ab B"}]
    assert task.metrics(["AB, b..."], said) == {"wer": 0.0, "cer": 0.0, "empty": 0, "count": 1}
    assert task.recording_scores(["AB, b..."], said) == [1.0]
    assert task.frames_needed("A-B!") == 3
    logits = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    assert task.loss(Outputs.of([logits]), ["AB, B."]) == task.loss(Outputs.of([logits]), ["ab b"])
    again = SpeechRecognition.from_dict(task.to_dict())
    assert again.to_dict() == task.to_dict()
    assert again.normalised("A, B") == "a b"
    assert task.to_dict()["case"] == "lower"
    words = WordRecognition.from_dataset(
        data(["No, ONE", "one"], ["no."]), case="lower", punctuation="remove"
    )
    assert words.units == ("no", "one")


def test_markers_of_slots_are_not_touched() -> None:
    train = ["Play B-Artist The Beatles! E-Artist now."]
    task = SlotFilling.from_dataset(data(train, train), case="lower", punctuation="remove")
    assert {"B-Artist", "E-Artist"} < set(task.units)
    assert task.normalised(train[0]) == "play B-Artist the beatles E-Artist now"
    said = [{"label": "play B-Artist the beatles E-Artist now"}]
    assert task.metrics(train, said)["slot_value_cer"] == 0.0
    assert task.metrics(train, said)["slot_type_f1"] == 1.0


def test_an_unseen_character_is_an_error_of_the_model_and_named() -> None:
    task = SpeechRecognition.from_dataset(data(["a b b a"], ["a b", "a B"]))
    assert task.notices("test", ["a b", "b a"]) == ()
    (notice,) = task.notices("test", ["a b", "a B", "Bab"])
    assert notice.startswith(
        "2 of the units of test (22 %) are in no training transcript: 'B' (2). The model cannot"
    )
    assert notice.endswith("--task 'asr(case=lower)' avoids all of them")
    assert "--task" not in task.notices("test", ["a b a b x"])[0]
    # The reference keeps it: one character of three and one word of two are wrong.
    metrics = task.metrics(["a B"], [{"label": "a b"}])
    assert metrics == {"wer": 1 / 2, "cer": 1 / 3, "empty": 0, "count": 1}
    # The loss is that of the text without it, over the units that are left.
    logits = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    outputs = Outputs.of([logits])
    assert task.loss(outputs, ["aB"]) == task.loss(outputs, ["a"])
    assert task.loss(outputs, ["B"]) == pytest.approx(-float(logits.log_softmax(-1)[:, 0].sum()))
    assert task.frames_needed("aBa") == 3  # the two a need a blank between them


def test_characters_unseen_in_training_stop_the_run() -> None:
    for test in (["AB", "a"], ["A"]):
        with pytest.raises(
            LabelError, match=r"no training transcript: .*asr\(case=lower\)' avoids"
        ):
            SpeechRecognition.from_dataset(data(["a b"], test))
    with pytest.raises(LabelError, match=r"'!', for example in 'a!'"):
        SpeechRecognition.from_dataset(data(["a b"], ["a!"]), unseen="error")
    with pytest.raises(LabelError, match=r"empty after asr\(case=keep,punctuation=remove,.*: c1\."):
        SpeechRecognition.from_dataset(data(["a"], ["a", "..."]), punctuation="remove")
    phones = PhoneRecognition.from_dataset(data(["n o", "o n"], ["n o n a"]))
    assert "'a' (1)" in phones.notices("test", ["n o n a"])[0]


def test_settings_are_checked_where_they_are_given_and_where_they_are_read() -> None:
    assert parse_task("asr(case=lower)")[1] == {
        "case": "lower",
        "punctuation": "keep",
        "unicode": "nfc",
        "unseen": "count",
    }
    with pytest.raises(RunError, match="case of asr is 'upper'; expected keep or lower"):
        parse_task("asr(case=upper)")
    with pytest.raises(RunError, match="task 'phones' has no setting 'case'; available: unseen"):
        parse_task("phones(case=lower)")
    old = {"name": "asr", "units": ["a"]}  # as adapters were saved before there were settings
    assert SpeechRecognition.from_dict(old).rule == TextRule()
    for key in ("case", "punctuation", "unicode", "unseen"):
        with pytest.raises(AdapterFileError, match=key):
            SpeechRecognition.from_dict(old | {key: "x"})
        with pytest.raises(AdapterFileError, match=key):
            SpeechRecognition.from_dict(old | {key: ["x"]})


def test_words_of_a_language_model_are_spelt_as_the_transcripts_are(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("AB\nDon't\nB\n")
    task = SpeechRecognition([" ", "a", "b"], LOWER).with_decoder(
        f"beam(words={tmp_path}/words.txt)"
    )
    frames = torch.tensor([[0.0, 0, 9, 0], [0, 2, 0, 0], [0, 0, 0, 9.0]])  # greedily "a b"
    assert task.decode(frames)["label"] == "ab"
