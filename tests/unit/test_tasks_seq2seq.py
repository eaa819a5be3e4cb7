"""Tasks that write text, by hand and against transformers' own loss."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

from ossicle.adapters.check import attach
from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import Backbone, load_backbone
from ossicle.backbones.tokens import Tokens
from ossicle.data import Dataset, Utterance, read_data
from ossicle.errors import DataError, LabelError, RunError
from ossicle.frozen.part import text_of
from ossicle.heads import Outputs, build_head
from ossicle.metrics.questions import exact_match, token_f1
from ossicle.metrics.translation import bleu_counts, chrf_counts
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Answering, Seq2Seq, Task, Translation, parse_task
from ossicle.writing import Text

SIZES = (
    "d_model=16&encoder_layers=1&encoder_attention_heads=2&encoder_ffn_dim=16&decoder_layers=2&"
    "decoder_attention_heads=2&decoder_ffn_dim=16&vocab_size=1790&max_target_positions=40"
)


@cache
def whole() -> Backbone:
    return load_backbone(f"config:whisper-tiny?{SIZES}&pad_token_id=0&length=1", decoder=True)


def tokens() -> Tokens:
    found = whole().tokens
    assert found is not None
    return found


def task_of(kind: type[Task] = Seq2Seq, **settings: Any) -> Any:
    return kind.from_dict({"name": kind.name, "language": "de", **settings}).with_tokens(tokens())


def dataset(*utterances: Utterance, label: str = "transcript") -> Dataset:
    sides = (utterances,) * 3
    return Dataset("d", *sides, False, given=True, note="", label_name=label)


def spoken(label: str, key: str = "a.wav", prompt: str = "") -> Utterance:
    return Utterance(key, Path(key), label, prompt=prompt)


def adapted(task: Task) -> AdaptedModel:
    backbone = whole()
    head = build_head("decoder", backbone.anatomy, 0)
    task.configure(head)
    return attach(backbone, Recipe.parse("lora@dec.attn.q"), head)


@pytest.fixture(scope="module")
def model() -> AdaptedModel:
    return adapted(task_of())


def outputs(model: AdaptedModel, task: Task, texts: list[Text]) -> tuple[torch.Tensor, Outputs]:
    assert model.head is not None
    task.configure(model.head)
    hidden = torch.randn(len(texts), 50, 16, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(len(texts), 50, dtype=torch.bool)
    with torch.no_grad():
        return hidden, model.head.outputs(hidden, mask, texts)


def theirs(model: AdaptedModel) -> Any:
    """Return transformers' model with the weights of ours."""
    inner = model.backbone.model
    config = WhisperConfig.from_dict(inner.config.to_dict())
    whisper = WhisperForConditionalGeneration(config).eval()
    weights = inner.state_dict()
    own = {key.removeprefix("decoder."): weights[key] for key in weights if "decoder." in key}
    whisper.model.decoder.load_state_dict(own)  # the output layer has the same weights
    return whisper


def test_the_loss_is_that_of_transformers_with_start_and_prompt_left_out(
    model: AdaptedModel,
) -> None:
    task, table, whisper = task_of(), tokens(), theirs(model)
    texts = [Text("a"), Text("longer", prompt="what"), Text("bc", prompt="x")]
    hidden, found = outputs(model, task, texts)
    each = []
    for row, text in zip(hidden, texts, strict=True):
        begin = table.starting("de", prompt=text.prompt)
        said = [*table.encode(text.label), table.end]
        ids = torch.tensor([[*begin, *said[:-1]]])
        labels = torch.tensor([[*[-100] * (len(begin) - 1), *said]])
        with torch.no_grad():
            loss = whisper(encoder_outputs=(row[None],), decoder_input_ids=ids, labels=labels).loss
        each.append(float(loss))
    labels = [text.label for text in texts]
    assert float(task.loss(found, labels)) == pytest.approx(np.mean(each), rel=1e-5)
    for number, label in enumerate(labels):  # padding of a batch changes nothing
        alone = Outputs.of([found.rows()[number]])
        assert float(task.loss(alone, [label])) == pytest.approx(each[number], rel=1e-5)


def test_a_prompt_and_a_language_change_the_logits(model: AdaptedModel) -> None:
    plain = outputs(model, task_of(), [Text("a")])[1].values
    assert not torch.allclose(outputs(model, task_of(), [Text("a", "why")])[1].values, plain)
    french = task_of(language="fr")
    assert not torch.allclose(outputs(model, french, [Text("a")])[1].values, plain)
    translated = task_of(Translation)
    assert not torch.allclose(outputs(model, translated, [Text("a")])[1].values, plain)


def test_label_smoothing_and_one_end_by_hand() -> None:
    # Two tokens, the letter and the end, with logits that are 0 but for one: of V options, the loss
    # of a token is -(1 - s) log p_target - s mean log p.
    task, table = task_of(smoothing=0.1), tokens()
    ids = [*table.encode("a"), table.end]
    values = torch.zeros(1, len(ids), 1790)
    values[0, range(len(ids)), ids] = 2.0
    log_z = np.log(np.exp(2) + 1789)
    smooth = np.mean([2.0] + [0.0] * 1789) - log_z
    expected = -(0.9 * (2 - log_z) + 0.1 * smooth)
    found = task.loss(Outputs(values, torch.ones(1, len(ids), dtype=torch.bool)), ["a"])
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_the_text_of_the_surest_of_several_models_counts() -> None:
    task, table = task_of(), tokens()
    first, other = (
        torch.tensor([[*table.encode(text), table.end], [p] * (len(text) + 2)]).T
        for text, p in (("yes", -0.5), ("no", -0.2))
    )
    assert task.decode(task.combine_members([first, other]))["label"] == "no"


def test_texts_that_cannot_be_trained_on_are_named() -> None:
    task = task_of()
    task.check_training([spoken("äö 日本 fine")])
    with pytest.raises(LabelError, match=r"cannot write 1 texts: b.wav \('x<\|endoftext\|>'\)"):
        task.check_training([spoken("fine"), spoken("x<|endoftext|>", "b.wav")])
    # 40 in all: 4 of the start, the text with the space before it, and the end
    task.check_training([spoken("x" * 34)])
    with pytest.raises(LabelError, match=r"1 texts are longer .*: l.wav \(36 tokens after 4 of"):
        task.check_training([spoken("x" * 35, "l.wav")])
    with pytest.raises(LabelError, match=r"l.wav \(26 tokens after 14 of prompt and start\)"):
        task.check_training([spoken("x" * 25, "l.wav", prompt="12345678")])
    with pytest.raises(LabelError, match=r"1 prompts have more than 19 tokens.*p.wav \(21\)"):
        task.check_lengths([spoken("x", "p.wav", prompt="q" * 20)], [1.0])
    with pytest.raises(RunError, match="the prompt has 21 tokens, and the decoder takes 19"):
        task.check_prompt("q" * 20)
    with pytest.raises(LabelError, match=r"d: 3 texts are empty: e.wav"):
        Seq2Seq.from_dataset(dataset(spoken("x"), spoken(" ", "e.wav")))
    with pytest.raises(LabelError, match="labels are events, and the task seq2seq writes texts"):
        Seq2Seq.from_dataset(dataset(spoken("x"), label="events"))


def test_a_language_is_chosen_known_or_none() -> None:
    assert task_of().writing.language == "de"
    assert task_of(language="none").writing.language is None
    with pytest.raises(RunError, match=r"knows 3 languages; say which one is spoken.*language=de"):
        task_of(language="auto")
    with pytest.raises(RunError, match=r"no language 'dee'. Did you mean 'de'\?.*language=none"):
        task_of(language="dee")


def test_a_model_of_english_alone_takes_no_other_language() -> None:
    english = Tokens.of_bytes("tiny", 30, vocabulary=1790, max_length=40)
    english.is_multilingual = False
    for language in ("auto", "en", "none"):
        task = Seq2Seq(language).with_tokens(english)
        assert task.writing.language is None
        assert len(english.starting(None)) == 2
    with pytest.raises(RunError, match="writes English alone, and the language is 'de'"):
        Seq2Seq("de").with_tokens(english)


def test_the_setting_task_stands_for_another_task() -> None:
    assert parse_task("seq2seq(task=translate,language=de)")[0] is Translation
    kind, settings = parse_task("seq2seq(task=answer,language=de,smoothing=0.1)")
    assert kind is Answering
    assert kind.from_dataset(dataset(spoken("x")), **settings).smoothing == 0.1
    kind, settings = parse_task("seq2seq(language=de)")
    assert kind.from_dataset(dataset(spoken("x")), **settings).language == "de"


def test_error_rates_are_raw_and_by_the_rule_that_is_named() -> None:
    labels, decoded = ["Guten Tag!", "ja"], [{"label": "guten tag"}, {"label": "nein"}]
    found = task_of().metrics(labels, decoded)
    assert found["wer"] == 1.0
    assert found["wer_normalised"] == pytest.approx(1 / 3)
    assert found["cer"] == pytest.approx((3 + 4) / (10 + 2))
    assert found["cer_normalised"] == pytest.approx(4 / (9 + 2))
    assert found["normaliser"] == "basic"
    with pytest.raises(RunError, match=r"no normalizer.json.*normaliser=basic"):
        task_of(normaliser="english")


def test_english_is_normalised_by_its_rule_where_the_model_has_spellings() -> None:
    table = Tokens.of_bytes("tiny", 30, vocabulary=1790, max_length=40)
    table.spellings = {"colour": "color"}
    task = Seq2Seq("en").with_tokens(table)
    labels, decoded = ["The colour is twenty one."], [{"label": "the color is 21"}]
    found = task.metrics(labels, decoded)
    assert (found["normaliser"], found["wer_normalised"]) == ("english", 0.0)
    assert Seq2Seq("de").with_tokens(table).metrics(labels, decoded)["normaliser"] == "basic"
    # a filler is no word to the rule: an inserted one is one error of no words
    assert task.metrics(["uh"], [{"label": "well"}])["wer_normalised"] == 1.0


def test_translations_have_the_scores_of_sacrebleu_for_any_rows() -> None:
    from sacrebleu import corpus_bleu, corpus_chrf

    labels = ["the cat sat on the mat today", "a dog barks at the old man", "yes"]
    said = ["the cat sat on a mat today", "the dog barks at the man", "no"]
    rows = np.array([0, 0, 1, 2])
    texts = [said[row] for row in rows], [[labels[row] for row in rows]]
    assert bleu_counts(labels, said).score(rows) == pytest.approx(corpus_bleu(*texts).score / 100)
    assert chrf_counts(labels, said).score(rows) == pytest.approx(corpus_chrf(*texts).score / 100)
    assert task_of(Translation).score({"chrf": 0.4}) == 0.4


def test_answers_are_compared_as_in_squad() -> None:
    assert exact_match("The Eiffel Tower!", "eiffel tower") == 1.0
    assert exact_match("a tower", "towers") == 0.0
    # words big, old, house and old, house: precision 2 / 2, recall 2 / 3
    assert token_f1("the big old house", "old house") == pytest.approx(2 * (2 / 3) / (5 / 3))
    assert token_f1("no no yes", "no") == pytest.approx(2 * 1 / (3 + 1))
    assert (token_f1("the", ""), token_f1("the", "x")) == (1.0, 0.0)


def test_a_column_asks(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 16_000)
    (tmp_path / "t.csv").write_text("path,answer,question,why\na.wav,Ann,who is it?,because\n")
    where = f"manifest:{tmp_path / 't.csv'}?label=answer"
    for option, prompt in (("", "who is it?"), ("&prompt=why", "because"), ("&prompt=no", "")):
        (one,) = read_data(where + option).utterances
        assert (one.label, one.prompt) == ("Ann", prompt)
        assert text_of(one) == Text("Ann", prompt)
    with pytest.raises(DataError, match=r"no column 'qestion' \(option prompt=qestion\)"):
        read_data(f"{where}&prompt=qestion")
